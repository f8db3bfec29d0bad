"""Reading what the caller passed as tasks: its shape, its keys, its items as they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Callable, Hashable, Iterable, Iterator, Mapping
from itertools import chain, islice
from time import perf_counter
from typing import Any

from ._ctrl_c import open_to_it
from ._task import Awaiting, Task, TaskMap, is_async, is_coroutine, name_of, shown

# Reading one of these runs no code of the caller's, so any thread may do it. Every other input,
# a generator or a database cursor say, is read in the caller's own thread only.
_INERT = frozenset(
    {list, tuple, range, str, bytes, bytearray, dict, set, frozenset}
    | {type({}.keys()), type({}.values()), type({}.items())}
)

# How long reading may go on before what was read is handed to the workers.
_PATIENCE = 0.001
_AT_A_TIME = 64


class Source:
    """The tasks of one run, in order, read as far as asked.

    Attributes:
        fn: the function of every task (`Task.map`), or None when each task brings its own.
        single: whether `fn` takes one argument, which then is the item itself.
        keys: the mapping's keys, or None.
        shape: what the results are put into: list, tuple or dict.
        length: how many tasks there are, where that is known beforehand.
        inert: whether any thread may read; otherwise only the caller's.
        starts_async: whether the first task is async; known once the input is `opened`.
    """

    def __init__(
        self,
        items: Iterator[Any],
        *,
        fn: Callable[..., Any] | None = None,
        single: bool = False,
        keys: list[Hashable] | None = None,
        shape: type[list[Any] | tuple[Any, ...] | dict[Any, Any]] = list,
        length: int | None = None,
        inert: bool = False,
        starts_async: bool = False,
        coroutines: list[tuple[int, Any]] | None = None,
        untouched: Iterator[Any] | None = None,
    ) -> None:
        self._untouched = untouched
        self._items = items
        self._error: BaseException | None = None
        self._coroutines = [] if coroutines is None else coroutines
        self.fn = fn
        self.single = single
        self.keys = keys
        self.shape = shape
        self.length = length
        self.inert = inert
        self.starts_async = starts_async

    @property
    def opened(self) -> bool:
        """Whether all is known of the input that can be before it is read on."""
        return self._untouched is None

    @open_to_it
    def open(self) -> None:
        """Read the first item of an iterator: what it is may decide where the tasks run.

        Raises:
            TypeError: when that is no task.
            BaseException: whatever the iterator raised.
        """
        if self._untouched is None:
            return
        raw, self._untouched = self._untouched, None
        try:
            first = list(islice(raw, 1))
        except Exception as error:
            error.add_note("raised while reading task 0 of the input")
            raise
        self.starts_async = bool(first) and is_async(as_task(first[0], 0).fn)
        self._items = self.checked(chain(first, raw))

    def refuse_coroutines(self, mode: str) -> None:
        """Raise TypeError if a coroutine object was passed to a *mode* that can't take it."""
        self._mode_without_coroutines = mode
        for position, coroutine in self._coroutines:
            self.close()
            raise _misplaced_coroutine(position, coroutine, mode)

    _mode_without_coroutines: str | None = None

    def draw(self, most: int) -> tuple[list[Any], bool]:
        """Up to *most* further items, and whether the input has ended.

        Items are arguments of `fn` where that is set (tuples unless `single`), else `Task`s.
        Returns early rather than let workers wait for a slow input. What was read before the
        input raised is returned first; the error comes with the next call.
        """
        if self.inert:
            items = list(islice(self._items, most))
            return items, len(items) < most
        if self._error is not None:
            raise self._error
        items, count = [], 1
        until = perf_counter() + _PATIENCE
        try:
            while (left := most - len(items)) > 0 and perf_counter() < until:
                before, count = len(items), min(count, left)
                items.extend(islice(self._items, count))
                if len(items) < before + count:
                    return items, True
                count = min(2 * count, _AT_A_TIME)
        except BaseException as error:
            if not items:
                raise
            self._error = error
            return items, False
        return items, False

    def checked(self, raw: Iterable[Any], start: int = 0) -> Iterator[Task[Any]]:
        """*raw* items as tasks, each looked at when it is read."""
        for position, item in enumerate(raw, start):
            task = as_task(item, position)
            if type(task.fn) is Awaiting:
                if self._mode_without_coroutines is not None:
                    item.close()
                    raise _misplaced_coroutine(position, item, self._mode_without_coroutines)
                self._coroutines.append((position, item))
            yield task

    def close(self) -> None:
        """Let the input go, and close the coroutine objects that never started.

        Python would warn of these; and a generator nobody else holds is closed by this.
        """
        self._items = iter(())
        self._untouched = self._error = None
        for _, coroutine in self._coroutines:
            if coroutine.cr_frame is not None and not coroutine.cr_suspended:
                with contextlib.suppress(RuntimeError, ValueError):  # it is running: leave it
                    coroutine.close()


def read(tasks: object) -> Source:
    """Look at what was passed as *tasks*; a list, tuple or mapping is checked whole.

    Raises:
        TypeError: when it is no iterable or mapping of tasks.
    """
    if isinstance(tasks, TaskMap):
        return _read_map(tasks)
    if isinstance(tasks, Mapping):
        return _read_whole(list(tasks.values()), dict, list(tasks.keys()))
    if isinstance(tasks, tuple):
        return _read_whole(list(tasks), tuple, None)
    if isinstance(tasks, list):
        return _read_whole(tasks.copy(), list, None)
    if isinstance(tasks, Iterable) and not isinstance(tasks, str | bytes):
        return Source(iter(()), untouched=iter(tasks))
    raise TypeError(f"tasks is {shown(tasks)}, {_why_not_tasks(tasks)}")


def as_task(item: object, position: int) -> Task[Any]:
    """*item* of the input as a Task, or a TypeError that names its *position*."""
    if type(item) is Task:
        return item
    if is_coroutine(item):
        return Task(Awaiting(item))
    if isinstance(item, TaskMap):
        raise TypeError(
            f"task {position} is {shown(item)}: pass Task.map(...) itself as the tasks, "
            "or unpack it with [*Task.map(...)]."
        )
    if callable(item):
        return Task(item)
    raise TypeError(
        f"task {position} is {shown(item)}, which can't be called. "
        "Write Task(fn, x) where you wrote fn(x)."
    )


def _read_map(tasks: TaskMap[Any]) -> Source:
    iterables = tasks.iterables
    inert = all(type(one) in _INERT for one in iterables)
    single = len(iterables) == 1  # no tuples then: less to make, to send and to collect
    return Source(
        iter(iterables[0]) if single else zip(*iterables, strict=False),
        fn=tasks.fn,
        single=single,
        length=min(len(one) for one in iterables) if inert else None,  # type: ignore[arg-type]
        inert=inert,
        starts_async=is_async(tasks.fn),
    )


def _read_whole(raw: list[Any], shape: type[Any], keys: list[Hashable] | None) -> Source:
    items = [item if type(item) is Task else as_task(item, i) for i, item in enumerate(raw)]
    coroutines = [(i, raw[i]) for i, task in enumerate(items) if type(task.fn) is Awaiting]
    return Source(
        iter(items),
        keys=keys,
        shape=shape,
        length=len(items),
        inert=True,
        starts_async=bool(items) and is_async(items[0].fn),
        coroutines=coroutines,
    )


def _misplaced_coroutine(position: int, coroutine: Any, mode: str) -> TypeError:
    name = name_of(coroutine)
    return TypeError(
        f"task {position} is a coroutine object ({name}), which only mode='async' can run; "
        f"this run's mode is {mode!r}. Write Task({name}, ...) where you wrote {name}(...)."
    )


def _why_not_tasks(tasks: object) -> str:
    if type(tasks) is Task or callable(tasks):
        return "a single task: write run_concurrently([task])."
    if isinstance(tasks, AsyncIterable):
        return "an async iterable: collect it first, as in [task async for task in ...]."
    return (
        "not tasks: pass an iterable, a tuple or a mapping of them, as in "
        "[Task(fn, x), Task(fn, y)] or Task.map(fn, items)."
    )
