"""The tasks of the checks: at the top of a module, so that any worker can import them by name."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
import time
import uuid
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

here: bytes = b""  # set in the caller's process; a worker sees it if they share their memory
variable: ContextVar[str] = ContextVar("variable", default="nobody's")


def where() -> tuple[int, int, bytes]:
    """The process, the thread and the memory that a task runs in."""
    return os.getpid(), threading.get_ident(), here


# ---- well-behaved --------------------------------------------------------------------------------


def give(value: Any) -> Any:
    """Return *value*."""
    return value


def give_slowly(value: Any, seconds: float = 0.03) -> Any:
    """Return *value* after a while."""
    time.sleep(seconds)
    return value


def add(one: int, other: int, *, times: int = 1) -> int:
    """Return their sum, so many times."""
    return (one + other) * times


async def give_later(value: Any) -> Any:
    """Return *value* after a turn of the loop."""
    await asyncio.sleep(0)
    return value


class Counter:
    """Something with a method."""

    def __init__(self, start: int) -> None:
        self.start = start

    def plus(self, number: int) -> int:
        """Return the sum."""
        return self.start + number


# ---- that leave traces ---------------------------------------------------------------------------


def mark(folder: str, name: str) -> str:
    """Leave a file that tells of one start of the task *name*, and by whom."""
    (Path(folder) / f"{name}~{os.getpid()}~{uuid.uuid4().hex}").touch()
    return name


def mark_slowly(folder: str, name: str, seconds: float) -> str:
    """Leave a mark, then take a while."""
    mark(folder, name)
    time.sleep(seconds)
    return name


def mark_and_die(folder: str, name: str) -> NoReturn:
    """Leave a mark, then end the process."""
    mark(folder, name)
    os._exit(7)


def mark_and_wait(folder: str, name: str, gate: str, limit: float) -> str:
    """Leave a mark, then wait until the file *gate* is there."""
    mark(folder, name)
    until = time.monotonic() + limit
    while not (Path(folder) / gate).exists() and time.monotonic() < until:
        time.sleep(0.005)
    return name


def count_running(folder: str, name: str, seconds: float) -> int:
    """How many of these tasks run, this one among them."""
    mine = Path(folder) / name
    mine.touch()
    try:
        most = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            most = max(most, len(os.listdir(folder)))
            time.sleep(0.002)
        return most
    finally:
        mine.unlink()


def swap(value: str) -> str:
    """Set the context variable; returns what it was."""
    found = variable.get()
    variable.set(value)
    return found


def look() -> str:
    """The value of the context variable."""
    return variable.get()


# ---- that fail -----------------------------------------------------------------------------------


class TwoArguments(Exception):  # noqa: N818 - as users name theirs
    """Pickle can't rebuild it: it calls the class with `args`, which hold one argument."""

    def __init__(self, degrees: int, place: str) -> None:
        super().__init__(f"{degrees} degrees in {place}")


def fail(kind: type[BaseException], *args: Any) -> NoReturn:
    """Raise an exception."""
    raise kind(*args)


def fail_deep_inside() -> NoReturn:
    """Raise from a function that a traceback ought to name."""
    _the_innermost_function()


def _the_innermost_function() -> NoReturn:
    raise ValueError("from deep inside")


def refuse(reason: str) -> NoReturn:
    """An initializer that fails."""
    raise LookupError(reason)


def give_a_lock() -> Any:
    """Return what can't be pickled."""
    return threading.Lock()


class Unreadable:
    """Pickles, but can't be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (refuse, ("this can't be unpickled",))


def give_unreadable() -> Unreadable:
    """Return what can't be read by who gets it."""
    return Unreadable()


# ---- that crash ----------------------------------------------------------------------------------


def leave() -> NoReturn:
    """End the process with exit code 7."""
    os._exit(7)


def kill_itself() -> None:
    """Be killed, as by a system that is out of memory."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def segfault() -> None:
    """Read memory that is not there."""
    ctypes.string_at(0)


# ---- that use the executor under test ------------------------------------------------------------


def nested(home: str) -> int:
    """Make another executor of the same kind inside a task, and use it."""
    from ._bench import Bench

    bench = Bench.load(home)
    with bench.executor() as inner:
        found: int = bench.value(inner.submit(add, 1, 2))
    return found
