"""What is left of a run in which one task brings down, or holds up, its process."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from harness.model import Check, Extras, WrongResultError

from . import _processes as ways

GIVE_UP_SECONDS = 3.0
"""How long a pool that would hang for ever is waited for."""

Settled = int | BaseException
"""A task's value, or why there is none."""


class LostError(Exception):
    """Stands in for the results that a library did not hand over."""


def settle(get: Callable[[], int]) -> Settled:
    try:
        return get()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        return error


def settle_futures(futures: Iterable[Future[int]], timeout: float | None = None) -> list[Settled]:
    return [settle(lambda f=future: f.result(timeout)) for future in futures]  # type: ignore[misc]


def settle_iterator(results: Iterator[int], tasks: int) -> list[Settled]:
    """Whatever an ordered iterator gives; one that breaks off has lost the rest."""
    settled: list[Settled] = []
    while len(settled) < tasks:
        got = settle(lambda: next(results))
        if isinstance(got, StopIteration):
            break
        settled.append(got)
    return filled(settled, tasks)


def settle_whole(get: Callable[[], Iterable[int]], tasks: int) -> list[Settled]:
    """A call that gives all results or, when it raises, none."""
    try:
        return list(get())
    except Exception as error:
        return filled([error], tasks)


def filled(settled: list[Settled], tasks: int) -> list[Settled]:
    return settled + [LostError()] * (tasks - len(settled))


def count_kept(bad: int) -> Check:
    """A check for work in which task `bad` can't succeed: how many others did, what was raised."""

    def check(result: list[Settled], tasks: int) -> Extras:
        if len(result) != tasks:
            raise WrongResultError(f"{len(result)} results for {tasks} tasks")
        kept = 0
        for index, got in enumerate(result):
            if isinstance(got, BaseException):
                continue
            if got != index or index == bad:
                raise WrongResultError(f"task {index} gave {got!r}")
            kept += 1
        raised = {type(got).__name__ for got in result if isinstance(got, BaseException)}
        names = sorted(raised - {"LostError"}) or sorted(raised)
        return {"others kept": float(kept), "raised": ", ".join(names)}

    return check


def ours(function: Callable[[int], int], **options: Any) -> Callable[[Any, int], list[Settled]]:
    def run(pool: Any, tasks: int) -> list[Settled]:
        from concurkit import Task, run_concurrently

        outcomes = run_concurrently(
            Task.map(function, range(tasks)), mode=pool, on_error="collect", **options
        )
        return [settle(outcome.unwrap) for outcome in outcomes]

    return run


def anyio_process(function: Callable[[int], int], timeout: float | None) -> Any:
    """anyio.to_process with a task group: its workers start inside the run."""

    def run(tasks: int) -> list[Settled]:
        import anyio
        from anyio.to_process import run_sync

        async def main() -> list[Settled]:
            settled = filled([], tasks)
            limiter = anyio.CapacityLimiter(ways.WORKERS)

            async def one(index: int) -> None:
                try:
                    async with limiter:
                        with anyio.fail_after(timeout):
                            settled[index] = await run_sync(function, index, cancellable=True)
                except Exception as error:
                    settled[index] = error

            async with anyio.create_task_group() as group:
                for index in range(tasks):
                    group.start_soon(one, index)
            return settled

        return anyio.run(main)

    return run


@contextmanager
def loky_killed() -> Iterator[Any]:
    """loky, ended without waiting for its workers."""
    from loky import get_reusable_executor

    pool = get_reusable_executor(max_workers=ways.WORKERS)
    yield pool
    pool.shutdown(kill_workers=True)


def joblib(**settings: Any) -> ways.Open:
    def open_pool() -> ways.Pool:
        from joblib import Parallel

        pool: ways.Pool = Parallel(n_jobs=ways.WORKERS, **settings)
        return pool

    return open_pool
