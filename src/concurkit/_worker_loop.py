"""A worker's own event loop, for async functions outside async mode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ._daemons import DAEMON

if TYPE_CHECKING:
    import asyncio


class _Local(threading.local):
    runner: asyncio.Runner | None = None
    holds = 0  # how many kept executors have values that live on the loop
    idle = False  # whether it is to be closed once it is held no more


_local = _Local()

_awaited: dict[int, CoroutineType[Any, Any, Any]] = {}  # by the thread that waits for it


def finish(coroutine: CoroutineType[Any, Any, Any], context: Context) -> Any:
    """Run *coroutine* to its end in this worker's own event loop."""
    import asyncio

    thread = threading.get_ident()
    outer = _awaited.get(thread)
    _awaited[thread] = coroutine
    try:
        if asyncio._get_running_loop() is not None:  # a serial run where a loop is running
            return _finish_elsewhere(coroutine, context)
        return _runner().run(coroutine, context=context)
    finally:
        if outer is None:
            del _awaited[thread]
        else:
            _awaited[thread] = outer


def awaited_in(thread: int) -> CoroutineType[Any, Any, Any] | None:
    """The coroutine that this thread is running to its end, if any; from any thread."""
    return _awaited.get(thread)


def _runner() -> asyncio.Runner:
    import asyncio

    if _local.runner is None:
        _local.runner = asyncio.Runner()
    return _local.runner


def loop_for(fn: Callable[..., Any] | None, items: Iterable[Any]) -> None:
    """Have the loop that these calls need before the clock of the first of them starts.

    In a new worker that means to import asyncio, which is none of the task's own time.
    """
    from ._task import is_async

    fns = (item.fn for item in items) if fn is None else (fn,)
    if _local.runner is None and any(map(is_async, fns)):
        with suppress(Exception):  # the task will fail with the same
            _runner().get_loop()


def _finish_elsewhere(coroutine: CoroutineType[Any, Any, Any], context: Context) -> Any:
    box: list[Any] = []

    def run() -> None:
        try:
            box.append((finish(coroutine, context), None))
        except BaseException as error:
            box.append((None, error))
        finally:
            close_loop()

    thread = threading.Thread(target=run, name="concurkit-loop", daemon=DAEMON)
    thread.start()
    thread.join()
    value, error = box[0]
    if error is not None:
        raise error
    return value


def has_loop() -> bool:
    """Whether this worker has an event loop that `close_loop` would close."""
    return _local.runner is not None


def close_loop(*, unless_held: bool = False) -> None:
    """Close this worker's event loop, if async functions made it have one."""
    if unless_held and _local.holds:
        _local.idle = True
        return
    runner, _local.runner = _local.runner, None
    if runner is not None:
        runner.close()


@contextmanager
def loop_for_now() -> Generator[None]:
    """In a thread that is not ours: close the loop again that async functions made it have."""
    had_loop = has_loop()
    try:
        yield
    finally:
        if not had_loop:
            close_loop(unless_held=True)


def hold_loop(loop: object) -> bool:
    """Keep this worker's loop open, if *loop* is that, until it is released; whether it is."""
    runner = _local.runner
    if loop is None or runner is None or runner.get_loop() is not loop:
        return False
    _local.holds += 1
    return True


def release_loop() -> None:
    """Let go of the loop that was held."""
    _local.holds = max(0, _local.holds - 1)  # 0 in a thread that is not the one that held it
    if _local.idle and not _local.holds:
        _local.idle = False
        close_loop()
