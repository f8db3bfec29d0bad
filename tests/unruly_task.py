"""A task that crashes, hangs, raises or returns, as its number and its attempt have it."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

# Of a hundred first attempts, so many end like this; the others return.
SHARES = {"exits": 2, "is killed": 2, "reads null": 1, "hangs": 5, "raises": 10}


class UnrulyError(Exception):
    """What a task raises that is to be tried again."""


def ending(number: int, attempt: int) -> str:
    """How this attempt ends; half of those that are tried again end as the first did."""
    drawn = random.Random(number)
    how = drawn.choices(
        [*SHARES, "returns"], weights=[*SHARES.values(), 100 - sum(SHARES.values())]
    )[0]
    again = [drawn.random() < 0.5 for _ in range(10)]
    return how if all(again[: attempt - 1]) else "returns"


def attempt_of(folder: str, number: int) -> int:
    """Note that an attempt of task *number* has started; which one it is."""
    path = Path(folder, str(number))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, b".")
        return os.fstat(file).st_size
    finally:
        os.close(file)


def attempts(folder: str, number: int) -> int:
    """How many attempts of task *number* have started."""
    path = Path(folder, str(number))
    return path.stat().st_size if path.exists() else 0


def behave(folder: str, number: int) -> int:
    """Do what the number has in store."""
    how = ending(number, attempt_of(folder, number))
    if how == "exits":
        os._exit(3)
    if how == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "reads null":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how not in ("raises", "returns"):  # another thread may be the one that the signal reaches
        time.sleep(600)
    if how == "raises":
        raise UnrulyError(number)
    return number
