"""A worker's own event loop, for async functions outside async mode."""

from __future__ import annotations

import threading
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_local = threading.local()


def finish(coroutine: CoroutineType[Any, Any, Any], context: Context) -> Any:
    """Run *coroutine* to its end in this worker's own event loop."""
    import asyncio

    if asyncio._get_running_loop() is not None:  # a serial run in a thread whose loop is running
        return _finish_elsewhere(coroutine, context)
    runner: asyncio.Runner | None = getattr(_local, "runner", None)
    if runner is None:
        runner = _local.runner = asyncio.Runner()
    return runner.run(coroutine, context=context)


def _finish_elsewhere(coroutine: CoroutineType[Any, Any, Any], context: Context) -> Any:
    box: list[Any] = []

    def run() -> None:
        try:
            box.append((finish(coroutine, context), None))
        except BaseException as error:
            box.append((None, error))
        finally:
            close_loop()

    thread = threading.Thread(target=run, name="concurkit-loop", daemon=True)
    thread.start()
    thread.join()
    value, error = box[0]
    if error is not None:
        raise error
    return value


def has_loop() -> bool:
    """Whether this worker has an event loop that `close_loop` would close."""
    return getattr(_local, "runner", None) is not None


def close_loop() -> None:
    """Close this worker's event loop, if async functions made it have one."""
    runner: asyncio.Runner | None = getattr(_local, "runner", None)
    if runner is not None:
        _local.runner = None
        runner.close()
