"""Tasks on large data, in a module that workers can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

import numpy as np

KEPT: list[Any] = []
BEFORE: list[int] = []


class Frame:
    """Pickles the way pandas and pyarrow do: as buffers and how to rebuild it from them."""

    def __init__(self, *columns: Any) -> None:
        self.columns = columns

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol < 5:
            raise TypeError("only protocol 5")
        return Frame, tuple(PickleBuffer(column) for column in self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and [*map(bytes, self.columns)] == [
            *map(bytes, other.columns)
        ]

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Pair:
    """A dataclass with an array in it."""

    name: str
    data: Any
    more: list[Any] = field(default_factory=list)


def give(value: Any) -> Any:
    return value


def total(array: Any, plus: int = 0) -> float:
    return float(np.asarray(array).sum()) + plus


def own_memory() -> int:
    """How many bytes of memory this process has that no file or other process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def total_and_memory(array: Any) -> tuple[float, int]:
    """The sum of its bytes, and how many bytes more than at the first call this process has."""
    total = float(array.sum())
    if not BEFORE:
        BEFORE.append(own_memory())
    return total, own_memory() - BEFORE[0]


def kind(value: Any) -> Any:
    """What a value is like where it arrives, told without it."""
    if isinstance(value, np.ndarray):
        order = ("C" if value.flags.c_contiguous else "") + (
            "F" if value.flags.f_contiguous else ""
        )
        return "array", str(value.dtype), value.shape, order, value.flags.writeable
    if isinstance(value, memoryview):
        return "memoryview", value.format, value.shape, value.readonly
    return type(value).__name__, len(value)


def fill(array: Any, value: float) -> float:
    """Work in place."""
    before = float(array.sum())
    array[:] = value
    return before + float(array.sum())


def writeable(array: Any, other: Any = None) -> bool:
    return bool(array.flags.writeable)


def keep(array: Any) -> None:
    KEPT.append(array)


def kept() -> list[float]:
    return [float(array.sum()) for array in KEPT]


def drop() -> None:
    KEPT.clear()


def large_then(number: int, how: str, size: int) -> Any:
    """Return an array, or end the process."""
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(60)
    if how == "raise":
        raise ValueError(f"{number} raises")
    return np.full(size, number, dtype="u1")


def fail_at_first(path: str, array: Any) -> float:
    """Fail the first time."""
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) == 1:
        raise OSError("try again")
    return float(array.sum())


def slow(array: Any, seconds: float) -> Any:
    time.sleep(seconds)
    return array * 2


def large_error(array: Any) -> Any:
    raise ValueError("no", array)


def memory_files() -> list[str]:
    """The shared memory that this process has mapped."""
    with open("/proc/self/maps") as file:
        return [line.rstrip() for line in file if "memfd:concurkit" in line]
