"""The ways to run many coroutines, so many at once, from the loop's start to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.model import Contender, Kind

Function = Callable[[int], Coroutine[Any, Any, int]]
Map = Callable[[Function, Sequence[int], int], Any]
"""`(function, values, at_once)` to the results in order."""


@dataclass(frozen=True, slots=True)
class Way:
    """A library's way to map a coroutine function, before it is known which."""

    name: str
    settings: str
    map: Map
    kind: Kind = "peer"

    def contender(self, function: Function, at_once: int, share: float = 1.0) -> Contender:
        def run(tasks: int) -> Any:
            return self.map(function, range(tasks), at_once)

        return Contender(self.name, self.settings, run, kind=self.kind, share=share)


def _in_loop(map_async: Callable[[Function, Sequence[int], int], Awaitable[Any]]) -> Map:
    """The blocking form of an async map: a loop of its own, as a script starts it."""

    def run(function: Function, values: Sequence[int], at_once: int) -> Any:
        async def main() -> Any:
            return await map_async(function, values, at_once)

        return asyncio.run(main())

    return run


def _ours(function: Function, values: Sequence[int], at_once: int) -> Any:
    from concurkit import Task, run_concurrently

    return run_concurrently(Task.map(function, values), mode="async", max_workers=at_once)


async def _ours_in_loop(function: Function, values: Sequence[int], at_once: int) -> Any:
    from concurkit import Task, aio

    return await aio.run_concurrently(Task.map(function, values), mode="async", max_workers=at_once)


def _ours_on_trio(function: Function, values: Sequence[int], at_once: int) -> Any:
    import trio

    return trio.run(_ours_in_loop, function, values, at_once)


async def _loop(function: Function, values: Sequence[int], _: int) -> Any:
    return [await function(value) for value in values]


async def _bare_workers(function: Function, values: Sequence[int], at_once: int) -> Any:
    results = [0] * len(values)

    async def work(jobs: Iterator[tuple[int, int]]) -> None:
        for index, value in jobs:
            results[index] = await function(value)

    jobs = iter(enumerate(values))
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work(jobs))
    return results


async def _queue_workers(function: Function, values: Sequence[int], at_once: int) -> Any:
    results = [0] * len(values)
    jobs: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    for job in enumerate(values):
        jobs.put_nowait(job)

    async def work() -> None:
        while True:
            index, value = await jobs.get()
            results[index] = await function(value)
            jobs.task_done()

    workers = [asyncio.create_task(work()) for _ in range(at_once)]
    await jobs.join()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return results


async def _task_group(function: Function, values: Sequence[int], at_once: int) -> Any:
    limit = asyncio.Semaphore(at_once)

    async def one(value: int) -> int:
        async with limit:
            return await function(value)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(value)) for value in values]
    return [task.result() for task in tasks]


async def _task_group_acquired(function: Function, values: Sequence[int], at_once: int) -> Any:
    limit = asyncio.Semaphore(at_once)

    async def one(value: int) -> int:
        try:
            return await function(value)
        finally:
            limit.release()

    tasks = []
    async with asyncio.TaskGroup() as group:
        for value in values:
            await limit.acquire()
            tasks.append(group.create_task(one(value)))
    return [task.result() for task in tasks]


async def _gather(function: Function, values: Sequence[int], at_once: int) -> Any:
    limit = asyncio.Semaphore(at_once)

    async def one(value: int) -> int:
        async with limit:
            return await function(value)

    return await asyncio.gather(*(one(value) for value in values))


async def _streamable(function: Function, values: Sequence[int], at_once: int) -> Any:
    from streamable import stream

    return [value async for value in stream(values).map(function, concurrency=at_once)]


async def _aiometer(function: Function, values: Sequence[int], at_once: int) -> Any:
    from aiometer import run_all

    return await run_all([partial(function, value) for value in values], max_at_once=at_once)


async def _aiometer_amap(function: Function, values: Sequence[int], at_once: int) -> Any:
    """In the order in which they end: their places travel with them."""
    from aiometer import amap

    async def placed(job: tuple[int, int]) -> tuple[int, int]:
        place, value = job
        return place, await function(value)

    results = [0] * len(values)
    async with amap(placed, list(enumerate(values)), max_at_once=at_once) as found:
        async for place, result in found:
            results[place] = result
    return results


async def _anyio_workers(function: Function, values: Sequence[int], at_once: int) -> Any:
    import anyio

    results = [0] * len(values)
    give, take = anyio.create_memory_object_stream[tuple[int, int]](at_once)

    async def work(jobs: Any) -> None:
        async with jobs:
            async for index, value in jobs:
                results[index] = await function(value)

    async with anyio.create_task_group() as group, give:
        with take:
            for _ in range(at_once):
                group.start_soon(work, take.clone())
        for job in enumerate(values):
            await give.send(job)
        give.close()
    return results


def _anyio(backend: str) -> Map:
    def run(function: Function, values: Sequence[int], at_once: int) -> Any:
        import anyio

        async def main() -> list[int]:
            results = [0] * len(values)
            limiter = anyio.CapacityLimiter(at_once)

            async def one(index: int, value: int) -> None:
                async with limiter:
                    results[index] = await function(value)

            async with anyio.create_task_group() as group:
                for index, value in enumerate(values):
                    group.start_soon(one, index, value)
            return results

        return anyio.run(main, backend=backend)

    return run


OURS = Way("concurkit", 'mode="async"', _ours, "ours")
OURS_IN_LOOP = Way("concurkit aio", 'mode="async"', _in_loop(_ours_in_loop), "ours")
OURS_ON_TRIO = Way("concurkit aio", 'mode="async", on trio', _ours_on_trio, "ours")
LOOP = Way("for loop of await", "no concurrency", _in_loop(_loop), "floor")
BARE_WORKERS = Way("bare workers", "by hand, one shared iterator", _in_loop(_bare_workers), "limit")
QUEUE_WORKERS = Way("workers + asyncio.Queue", "by hand", _in_loop(_queue_workers))
TASK_GROUP = Way("TaskGroup + Semaphore", "all tasks made at once", _in_loop(_task_group))
TASK_GROUP_ACQUIRED = Way(
    "TaskGroup + Semaphore", "acquired before each task is made", _in_loop(_task_group_acquired)
)
GATHER = Way("gather + Semaphore", "default", _in_loop(_gather))
STREAMABLE = Way("streamable map", "concurrency=at once", _in_loop(_streamable))
AIOMETER = Way("aiometer run_all", "max_at_once", _in_loop(_aiometer))
AIOMETER_AMAP = Way("aiometer amap", "max_at_once, put in order", _in_loop(_aiometer_amap))
ANYIO_WORKERS = Way("anyio workers", "memory object stream", _in_loop(_anyio_workers))
ANYIO = Way("anyio task group", "CapacityLimiter", _anyio("asyncio"))
ANYIO_TRIO = Way("anyio task group", "CapacityLimiter, on trio", _anyio("trio"))
