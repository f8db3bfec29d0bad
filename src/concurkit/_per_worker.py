"""`per_worker`: one value per worker, made on first use, closed when the worker ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    _AsyncGeneratorContextManager,
)
from types import CodeType
from typing import Any, Generic, NoReturn, TypeVar, overload

from ._arguments import wrong
from ._batch import _progress
from ._outside import outside
from ._task import is_async, name_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_CO_GENERATOR = 0x20
_CO_ASYNC_GENERATOR = 0x200

_CHOICES = (
    "a function that takes no argument and makes the value: "
    "write per_worker(connect), not per_worker(connect())"
)
_NO_GENERATOR = (
    "a function that makes the value, and a generator function makes a generator: "
    "put @contextlib.{0} below @per_worker"
)
_MISSING = object()
_NAMES = ("__module__", "__name__", "__qualname__", "__doc__")


class PerWorker(Generic[T_co]):
    """Gives the calling worker's value when called; `per_worker` makes it."""

    __name__: str
    __qualname__: str

    def __init__(self, factory: Callable[[], Any], key: str, home: str) -> None:
        # As functools.update_wrapper, but for attributes of its own: they might be in our way.
        names = {name: getattr(factory, name) for name in _NAMES if hasattr(factory, name)}
        vars(self).update(
            names,
            __wrapped__=factory,
            _factory=factory,
            _key=key,  # copies of this in other processes have the same one
            _home=home,
            _name=name_of(factory),
            _in_loop=is_async(factory) or _manages_async(factory),
        )

    _factory: Callable[[], Any]
    _key: str
    _home: str
    _name: str
    _in_loop: bool

    def __call__(self) -> T_co:
        """This worker's value; of an async factory, a coroutine that gives it."""
        progress = _progress.get()
        belongings = (progress is not None and progress.belongings) or outside()
        value: Any = belongings.values.get(self._key, _MISSING)
        if value is not _MISSING:
            return value  # type: ignore[no-any-return]
        make = belongings.make_in_loop if self._in_loop else belongings.make
        return make(self._key, self._name, self._factory)  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"per_worker({self._name})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} can't be changed: {name!r} was to be set.")

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By its name where there is one to be imported, else by value; copies share one value."""
        module, name = self._global_name()
        if name:
            return _imported, (module, name)
        return PerWorker, (self._factory, self._key, self._home)

    def _global_name(self) -> tuple[str, str]:
        """The module and the name that this can be imported by, if there are any."""
        for module in (self._home, self.__module__):
            if module == "__main__" or module not in sys.modules:
                continue
            found: Any = sys.modules[module]
            path = vars(self).get("__qualname__", "")
            if _attribute(found, path) is self:
                return module, path
            for name, value in list(vars(found).items()):
                if value is self:
                    return module, name
        return "", ""


def _attribute(found: Any, path: str) -> Any:
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _imported(module: str, name: str) -> Any:
    from importlib import import_module

    return _attribute(import_module(module), name)


def _manages_async(factory: Any) -> bool:
    """Whether *factory* was made by `contextlib.asynccontextmanager`."""
    code = getattr(getattr(factory, "__wrapped__", None), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _CO_ASYNC_GENERATOR)


def _check_factory(factory: Any) -> None:
    if not callable(factory):
        raise wrong(factory, "factory", _CHOICES)
    flags = getattr(getattr(factory, "__code__", None), "co_flags", 0)
    if flags & _CO_GENERATOR:
        raise wrong(factory, "factory", _NO_GENERATOR.format("contextmanager"))
    if flags & _CO_ASYNC_GENERATOR:
        raise wrong(factory, "factory", _NO_GENERATOR.format("asynccontextmanager"))


@overload
def per_worker(
    factory: Callable[[], Coroutine[Any, Any, AbstractAsyncContextManager[T]]],
) -> PerWorker[Coroutine[Any, Any, T]]: ...
@overload
def per_worker(
    factory: Callable[[], Coroutine[Any, Any, AbstractContextManager[T]]],
) -> PerWorker[Coroutine[Any, Any, T]]: ...
@overload
def per_worker(
    factory: Callable[[], Coroutine[Any, Any, T]],
) -> PerWorker[Coroutine[Any, Any, T]]: ...
@overload
def per_worker(
    factory: Callable[[], _AsyncGeneratorContextManager[T]],
) -> PerWorker[Coroutine[Any, Any, T]]: ...
@overload
def per_worker(factory: Callable[[], AbstractContextManager[T]]) -> PerWorker[T]: ...
@overload
def per_worker(factory: Callable[[], T]) -> PerWorker[T]: ...


def per_worker(factory: Callable[[], Any]) -> PerWorker[Any]:
    """Give each worker a value of its own: a connection, a session, a model.

    Tasks call what this returns and get the value of the worker that they run on: it is made when
    a task there first asks for it, shared by all that run there, and closed when the worker ends,
    which is before the run returns, or when a kept executor is shut down. A worker is a thread, a
    process, or an event loop with all the coroutines on it (a sync function in async mode runs in
    a thread, which is a worker too); a serial run has one. Elsewhere in a program each thread has
    a value, until the thread or the program ends.

    A context manager is entered, and the value is what that gives. At the end it is left, and
    closed if it is the value itself and has a `close()`. Any other value is closed by its
    `close()`, or else its `aclose()` or `__aexit__`, if it has one. The last that was made is
    closed first; errors are logged to "concurkit" and fail no task. A process that is killed
    closes nothing; a thread that is abandoned does when its task ends.

    Args:
        factory: makes a value: a function or class that is called without arguments. It runs once
            in each worker; if it raises, so does the call, and the next one tries again. If it is
            an `async def` function, or made by `contextlib.asynccontextmanager`, its value is
            awaited (`await connection()`), and belongs to the event loop that it was made on.

    Returns:
        A function without arguments that gives the calling worker's value. It can be sent to other
        processes, by itself or inside a task; all its copies in one worker share one value.

    Raises:
        TypeError: when *factory* is not callable, or is a generator function.

    Example:
        >>> import sqlite3
        >>> from concurkit import Task, per_worker, run_concurrently
        >>> @per_worker
        ... def connection():
        ...     return sqlite3.connect(":memory:")
        >>> def double(x):
        ...     return connection().execute("SELECT 2 * ?", (x,)).fetchone()[0]
        >>> run_concurrently(Task.map(double, [1, 2, 3]), mode="thread", max_workers=2)
        [2, 4, 6]
    """
    _check_factory(factory)
    home = sys._getframe(1).f_globals.get("__name__", "")
    return PerWorker(factory, os.urandom(16).hex(), home)
