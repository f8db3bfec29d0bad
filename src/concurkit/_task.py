"""A task is a call that has not happened yet."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from types import CoroutineType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, final, overload

if TYPE_CHECKING:
    from typing_extensions import TypeIs

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

_CO_COROUTINE = 0x80


@final
class Task(Generic[T_co]):
    """One call to make: a function, sync or async, and its arguments.

    Args:
        fn: the function to call. An async function is awaited.
        *args: its positional arguments.
        **kwargs: its keyword arguments.

    Raises:
        TypeError: when *fn* is not callable, as in `Task(fn(x))` where `Task(fn, x)` was meant.

    Example:
        >>> from concurkit import Task, run_concurrently
        >>> run_concurrently([Task(pow, 2, 3), Task(int, "ff", base=16)])
        [8, 255]
    """

    __slots__ = ("args", "fn", "kwargs", "name")

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str | None

    @overload
    def __init__(
        self: Task[R],
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...

    @overload
    def __init__(
        self: Task[R], fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    def __init__(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        if not callable(fn):
            raise TypeError(
                f"Task takes a function and its arguments, not {shown(fn)}. "
                "Write Task(fn, x) where you wrote Task(fn(x))."
            )
        put = object.__setattr__
        put(self, "fn", fn)
        put(self, "args", args)
        put(self, "kwargs", kwargs)
        put(self, "name", None)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Task can't be changed; make a new one (tried to set {name!r})")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Task can't be changed; make a new one (tried to delete {name!r})")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.fn, self.args, self.kwargs, self.name))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return _fields(self) == _fields(other)

    def __hash__(self) -> int:
        return hash((self.fn, self.args, tuple(sorted(self.kwargs)), self.name))

    def __repr__(self) -> str:
        named = f".named({self.name!r})" if self.name is not None else ""
        shown = [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"Task({', '.join([name_of(self.fn), *map(repr, self.args), *shown])}){named}"

    def named(self, name: str) -> Task[T_co]:
        """Return the same task under *name*, which outcomes, notes and messages show.

        Example:
            >>> from concurkit import Task
            >>> Task(abs, -1).named("first").name
            'first'
        """
        return cast("Task[T_co]", _rebuild(self.fn, self.args, self.kwargs, name))

    @overload
    @staticmethod
    def map(fn: Callable[[A], Coroutine[Any, Any, R]], iterable: Iterable[A], /) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(
        fn: Callable[[A, B], Coroutine[Any, Any, R]], first: Iterable[A], second: Iterable[B], /
    ) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(
        fn: Callable[[A, B, C], Coroutine[Any, Any, R]],
        first: Iterable[A],
        second: Iterable[B],
        third: Iterable[C],
        /,
    ) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(fn: Callable[[A], R], iterable: Iterable[A], /) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(fn: Callable[[A, B], R], first: Iterable[A], second: Iterable[B], /) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(
        fn: Callable[[A, B, C], R],
        first: Iterable[A],
        second: Iterable[B],
        third: Iterable[C],
        /,
    ) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(
        fn: Callable[..., Coroutine[Any, Any, R]],
        first: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
    ) -> TaskMap[R]: ...

    @overload
    @staticmethod
    def map(
        fn: Callable[..., R],
        first: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
    ) -> TaskMap[R]: ...

    @staticmethod
    def map(fn: Callable[..., Any], /, *iterables: Iterable[Any]) -> TaskMap[Any]:
        """Return the tasks `fn(*items)` for the items of *iterables* side by side, lazily.

        Like the built-in `map`, it stops with the shortest iterable and reads none ahead.

        Args:
            fn: the function of every task.
            *iterables: one iterable for each of its arguments; at least one.

        Raises:
            TypeError: when *fn* is not callable, or an argument is not iterable.

        Example:
            >>> from concurkit import Task, run_concurrently
            >>> run_concurrently(Task.map(pow, [2, 3], [5, 2]))
            [32, 9]
        """
        return TaskMap(fn, iterables)


@final
class TaskMap(Generic[T_co]):
    """Tasks that share one function, as `Task.map` gives them; iterating it gives `Task`s."""

    __slots__ = ("fn", "iterables")

    def __init__(self, fn: Callable[..., Any], iterables: tuple[Iterable[Any], ...]) -> None:
        if not callable(fn):
            raise TypeError(
                f"Task.map takes a function first, then iterables of arguments, "
                f"not {shown(fn)}. Write Task.map(fn, items)."
            )
        if not iterables:
            raise TypeError("Task.map needs at least one iterable: write Task.map(fn, items).")
        for position, iterable in enumerate(iterables, 1):
            if not hasattr(type(iterable), "__iter__") and not hasattr(
                type(iterable), "__getitem__"
            ):
                raise TypeError(
                    f"argument {position} of Task.map is not iterable: {shown(iterable)}. "
                    "Write Task.map(fn, [x]) for one task, or Task(fn, x)."
                )
        self.fn: Callable[..., Any] = fn
        self.iterables: tuple[Iterable[Any], ...] = iterables

    def __iter__(self) -> Iterator[Task[T_co]]:
        fn = self.fn
        return (Task(fn, *args) for args in zip(*self.iterables, strict=False))

    def __repr__(self) -> str:
        return f"Task.map({name_of(self.fn)}, {', '.join(map(shown, self.iterables))})"


class Awaiting:
    """A coroutine object as a callable: called once, it gives the coroutine to await."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __call__(self) -> Any:
        return self.coroutine

    @property
    def __name__(self) -> str:
        return str(self.coroutine.__qualname__)


def is_async(fn: object) -> bool:
    """Whether calling *fn* gives a coroutine: `async def`, also behind partials and methods."""
    if type(fn) is Awaiting:
        return True
    while True:
        if isinstance(fn, MethodType):
            fn = fn.__func__
        elif isinstance(fn, partial):
            fn = cast("Any", fn).func
        else:
            break
    if isinstance(fn, FunctionType):
        # inspect.markcoroutinefunction (3.12) leaves its mark on the function.
        return bool(fn.__code__.co_flags & _CO_COROUTINE) or hasattr(fn, "_is_coroutine_mark")
    if isinstance(fn, type):
        return False
    call = getattr(type(fn), "__call__", None)  # noqa: B004 - the method itself is looked at
    return isinstance(call, FunctionType) and bool(call.__code__.co_flags & _CO_COROUTINE)


def is_coroutine(value: object) -> TypeIs[CoroutineType[Any, Any, Any]]:
    """Whether *value* is a coroutine object, made by calling an async function."""
    return isinstance(value, CoroutineType)


def name_of(fn: object) -> str:
    """The name under which people know *fn*."""
    while isinstance(fn, partial):
        fn = cast("Any", fn).func
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None)
    return str(name).replace("<locals>.", "") if name else type(fn).__name__


def _fields(task: Task[Any]) -> tuple[Any, ...]:
    return (task.fn, task.args, task.kwargs, task.name)


def _rebuild(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str | None
) -> Task[Any]:
    task: Task[Any] = Task(fn, *args, **kwargs)
    object.__setattr__(task, "name", name)
    return task


def shown(value: object, limit: int = 60) -> str:
    """*value* for a message: its repr, shortened, or its type where the repr fails."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__} object>"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
