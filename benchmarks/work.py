"""What the contenders run: small functions that worker processes can import at little cost."""

import os
import time

SPINS_PER_SECOND = 25_000_000
"""Turns of `spin` in a second on the machine the sizes were chosen on; others only scale."""

CRASH_AT = 100
HANG_AT = 20
HANG_SECONDS = 3600.0


def noop(x: int) -> int:
    return x


def square(x: int) -> int:
    return x * x


def nap(x: int) -> int:
    time.sleep(0.005)
    return x


MILLISECONDS = 1000


def wait(x: int) -> int:
    """Sleeps the last three digits of `x` in ms; the others tell tasks apart."""
    ms = x % MILLISECONDS
    if ms:
        time.sleep(ms / 1000)
    return x


RESULT_BYTES = 1_000_000


def grow(x: int) -> bytes:
    """A small number that becomes a large result."""
    return x.to_bytes(8, "big").ljust(RESULT_BYTES, b"\0")


def spin(turns: int) -> int:
    """Pure Python that holds the GIL; the answer shows that every turn was made."""
    total = 0
    for i in range(turns):
        total += i & 1
    return total


def crash_at(x: int) -> int:
    """2 ms of sleep; one task ends its whole process instead."""
    if x == CRASH_AT:
        os._exit(1)
    time.sleep(0.002)
    return x


def hang_at(x: int) -> int:
    """Returns at once; one task never does."""
    if x == HANG_AT:
        time.sleep(HANG_SECONDS)
    return x


COUNTS_PER_SECOND = 80_000_000
"""Numbers that `count` adds in a second on that machine."""


def count(numbers: int) -> int:
    """A loop in C that holds the GIL: as quick in every process, where `spin` is not."""
    return sum(range(numbers))
