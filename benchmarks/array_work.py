"""What the contenders run on arrays; needs NumPy, so apart from `work`."""

from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

SLICE = 781_250
"""Numbers that one task sums: 6.25 MB, so that 32 tasks make an array of 200 MB."""

EACH = 1_000_000
"""Numbers in one array of many: 8 MB."""


def sum_slice(array: Any, number: int) -> float:
    return float(array[number * SLICE : (number + 1) * SLICE].sum())


def plus_one(array: Any) -> Any:
    return array + 1


# By hand, through shared memory ------------------------------------------------------------------


def make_shared(array: Any) -> tuple[SharedMemory, Any]:
    """A segment with a copy of the array, and the array in it."""
    segment = SharedMemory(create=True, size=array.nbytes)
    view = np.ndarray(array.shape, array.dtype, segment.buf)
    view[:] = array
    return segment, view


def sum_shared(where: tuple[str, int], number: int) -> float:
    name, size = where
    segment = SharedMemory(name=name)
    array = np.ndarray(size, np.float64, segment.buf)
    total = sum_slice(array, number)
    del array
    segment.close()
    return total


def plus_one_shared(name: str) -> str:
    """The name of a new segment with what was in this one, plus one."""
    there = SharedMemory(name=name)
    back = SharedMemory(create=True, size=there.size)
    given = np.ndarray(EACH, np.float64, there.buf)
    result = np.ndarray(EACH, np.float64, back.buf)
    np.add(given, 1, out=result)
    del given, result
    there.close()
    back.close()
    return back.name


def take_shared(name: str) -> Any:
    """The array in a segment, which lives on under the array only."""
    segment = SharedMemory(name=name)
    segment.unlink()
    array = np.ndarray(EACH, np.float64, segment.buf)
    _alive.append(segment)
    return array


_alive: list[SharedMemory] = []
