"""What `map` of an executor gives: an iterator over what the function returns, sync or async."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import assert_type

from concurkit import AsyncExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor


def half(number: int) -> float:
    return number / 2


async def name(number: int) -> str:
    return str(number)


with ThreadExecutor(2) as threads:
    assert_type(threads.map(half, [1]), Iterator[float])
    assert_type(threads.map(name, [1], buffersize=2), Iterator[str])
    assert_type(threads.submit(name, 1), Future[str])
with ProcessExecutor(2) as processes:
    assert_type(processes.map(half, [1], chunksize=5, timeout=2), Iterator[float])
    assert_type(processes.map(name, [1]), Iterator[str])
with AsyncExecutor(2) as loop:
    assert_type(loop.map(half, [1]), Iterator[float])
    assert_type(loop.map(name, [1]), Iterator[str])
with SerialExecutor() as serial:
    assert_type(serial.map(half, [1]), Iterator[float])
    assert_type(serial.map(name, [1]), Iterator[str])
    taken: Executor = serial
