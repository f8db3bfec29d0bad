"""The same names for async callers: await a run, in every mode, on asyncio and on trio."""

# The overloads overlap on purpose, and the first that fits counts: a tuple is an iterable too.
# mypy: disable-error-code=overload-overlap
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Literal, Unpack, overload

import concurkit  # what is named by it here is imported when somebody looks at it

from ._adrive import carry_out
from ._astream import Run, iter_concurrently
from ._engage import Engagement
from ._inner_threads import InnerThreads
from ._options import Options
from ._signatures import (
    T1,
    T2,
    T3,
    T4,
    T5,
    T6,
    T7,
    T8,
    Async,
    Collecting,
    K,
    NineOrMore,
    Raising,
    T,
)
from .typing import Executor, Mode, OnError, RequireStop, RichProgress, Runnable

__all__ = ["Run", "iter_concurrently", "run_concurrently"]

# ---- values


@overload
async def run_concurrently(tasks: tuple[Async[T1]], **options: Unpack[Raising]) -> tuple[T1]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2]], **options: Unpack[Raising]
) -> tuple[T1, T2]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3]], **options: Unpack[Raising]
) -> tuple[T1, T2, T3]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4]], **options: Unpack[Raising]
) -> tuple[T1, T2, T3, T4]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4], Async[T5]], **options: Unpack[Raising]
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4], Async[T5], Async[T6]],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4], Async[T5], Async[T6], Async[T7]],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5, T6, T7]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Async[T1], Async[T2], Async[T3], Async[T4], Async[T5], Async[T6], Async[T7], Async[T8]
    ],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
async def run_concurrently(tasks: tuple[Runnable[T1]], **options: Unpack[Raising]) -> tuple[T1]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2]], **options: Unpack[Raising]
) -> tuple[T1, T2]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2], Runnable[T3]], **options: Unpack[Raising]
) -> tuple[T1, T2, T3]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2], Runnable[T3], Runnable[T4]], **options: Unpack[Raising]
) -> tuple[T1, T2, T3, T4]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2], Runnable[T3], Runnable[T4], Runnable[T5]],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Runnable[T1], Runnable[T2], Runnable[T3], Runnable[T4], Runnable[T5], Runnable[T6]
    ],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Runnable[T1],
        Runnable[T2],
        Runnable[T3],
        Runnable[T4],
        Runnable[T5],
        Runnable[T6],
        Runnable[T7],
    ],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5, T6, T7]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Runnable[T1],
        Runnable[T2],
        Runnable[T3],
        Runnable[T4],
        Runnable[T5],
        Runnable[T6],
        Runnable[T7],
        Runnable[T8],
    ],
    **options: Unpack[Raising],
) -> tuple[T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
async def run_concurrently(tasks: NineOrMore, **options: Unpack[Raising]) -> tuple[Any, ...]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T], ...], **options: Unpack[Raising]
) -> tuple[T, ...]: ...
@overload
async def run_concurrently(
    tasks: Mapping[K, Async[T]], **options: Unpack[Raising]
) -> dict[K, T]: ...
@overload
async def run_concurrently(
    tasks: Mapping[K, Runnable[T]], **options: Unpack[Raising]
) -> dict[K, T]: ...
@overload
async def run_concurrently(tasks: Iterable[Async[T]], **options: Unpack[Raising]) -> list[T]: ...
@overload
async def run_concurrently(tasks: Iterable[Runnable[T]], **options: Unpack[Raising]) -> list[T]: ...


# ---- outcomes


@overload
async def run_concurrently(
    tasks: tuple[Async[T1]], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T1]]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2]], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T1], concurkit.Outcome[T2]]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3]], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T1], concurkit.Outcome[T2], concurkit.Outcome[T3]]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4]], **options: Unpack[Collecting]
) -> tuple[
    concurkit.Outcome[T1], concurkit.Outcome[T2], concurkit.Outcome[T3], concurkit.Outcome[T4]
]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4], Async[T5]],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4], Async[T5], Async[T6]],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
    concurkit.Outcome[T6],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[Async[T1], Async[T2], Async[T3], Async[T4], Async[T5], Async[T6], Async[T7]],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
    concurkit.Outcome[T6],
    concurkit.Outcome[T7],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Async[T1], Async[T2], Async[T3], Async[T4], Async[T5], Async[T6], Async[T7], Async[T8]
    ],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
    concurkit.Outcome[T6],
    concurkit.Outcome[T7],
    concurkit.Outcome[T8],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1]], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T1]]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2]], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T1], concurkit.Outcome[T2]]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2], Runnable[T3]], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T1], concurkit.Outcome[T2], concurkit.Outcome[T3]]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2], Runnable[T3], Runnable[T4]],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1], concurkit.Outcome[T2], concurkit.Outcome[T3], concurkit.Outcome[T4]
]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T1], Runnable[T2], Runnable[T3], Runnable[T4], Runnable[T5]],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Runnable[T1], Runnable[T2], Runnable[T3], Runnable[T4], Runnable[T5], Runnable[T6]
    ],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
    concurkit.Outcome[T6],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Runnable[T1],
        Runnable[T2],
        Runnable[T3],
        Runnable[T4],
        Runnable[T5],
        Runnable[T6],
        Runnable[T7],
    ],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
    concurkit.Outcome[T6],
    concurkit.Outcome[T7],
]: ...
@overload
async def run_concurrently(
    tasks: tuple[
        Runnable[T1],
        Runnable[T2],
        Runnable[T3],
        Runnable[T4],
        Runnable[T5],
        Runnable[T6],
        Runnable[T7],
        Runnable[T8],
    ],
    **options: Unpack[Collecting],
) -> tuple[
    concurkit.Outcome[T1],
    concurkit.Outcome[T2],
    concurkit.Outcome[T3],
    concurkit.Outcome[T4],
    concurkit.Outcome[T5],
    concurkit.Outcome[T6],
    concurkit.Outcome[T7],
    concurkit.Outcome[T8],
]: ...
@overload
async def run_concurrently(
    tasks: NineOrMore, **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[Any], ...]: ...
@overload
async def run_concurrently(
    tasks: tuple[Runnable[T], ...], **options: Unpack[Collecting]
) -> tuple[concurkit.Outcome[T], ...]: ...
@overload
async def run_concurrently(
    tasks: Mapping[K, Async[T]], **options: Unpack[Collecting]
) -> dict[K, concurkit.Outcome[T]]: ...
@overload
async def run_concurrently(
    tasks: Mapping[K, Runnable[T]], **options: Unpack[Collecting]
) -> dict[K, concurkit.Outcome[T]]: ...
@overload
async def run_concurrently(
    tasks: Iterable[Async[T]], **options: Unpack[Collecting]
) -> list[concurkit.Outcome[T]]: ...
@overload
async def run_concurrently(
    tasks: Iterable[Runnable[T]], **options: Unpack[Collecting]
) -> list[concurkit.Outcome[T]]: ...


async def run_concurrently(
    tasks: Iterable[Runnable[Any]] | Mapping[Any, Runnable[Any]],
    *,
    mode: Mode | str | Executor = "auto",
    max_workers: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the limit of a task, not of this call
    total_timeout: float | None = None,
    warn_after: float | None = None,
    retry: concurkit.Retry | int | None = None,
    max_per_second: float | None = None,
    chunksize: int | Literal["auto"] = "auto",
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    inner_threads: InnerThreads = "auto",
    propagate: Iterable[ContextVar[Any]] = (),
    require_stop: RequireStop | None = None,
    on_error: OnError = "raise",
    progress: bool | str | RichProgress = False,
    observers: Iterable[concurkit.observers.Observer] = (),
) -> Any:
    """Run tasks at the same time, without blocking the event loop, and return what they return.

    It works on asyncio and on trio, in every mode; cancelling the caller cancels the run.

    Args:
        tasks: an iterable, a tuple or a mapping of tasks. A task is a `Task`, any callable that
            takes no argument, sync or async, or, in async mode, a coroutine object. A list, tuple
            or mapping is checked whole before anything starts, an iterator while it is read.
        mode: where the tasks run: "async" (in the caller's own loop), "thread", "process",
            "interpreter" (from Python 3.14 on), "serial" (one after another, in one thread), or an
            executor of concurkit's, which then stays open. "auto", the default, is "async" if the
            first task is an async function, else "thread".
        max_workers: how many tasks may run at once. By default `cpu_count()` on processes,
            `min(32, cpu_count() + 4)` on threads, 100 in async mode.
        timeout: how many seconds each task may take, from its start; by default there is no
            limit. A task over it fails, and no other: in a process it is killed, in async mode
            cancelled; a thread can't be stopped, so there it is abandoned.
        total_timeout: how many seconds the run may take; by default there is no limit. When they
            are over, what runs is stopped as by *timeout*, and the rest never starts.
        warn_after: after how many seconds of its own time a task that still runs is logged as a
            warning, with its stack, once per attempt, on the logger "concurkit"; by default never.
        retry: which failures are tried again, as a `Retry`, or a number of attempts on any
            `Exception`; by default none are. A timeout or a crash is a failure like any other.
        max_per_second: how many attempts may start per second, at even distances; by default there
            is no limit.
        chunksize: how many tasks travel to a worker in one message; by default "auto", as many
            as prove tiny.
        initializer: is called in each worker of this run before its first task, with *initargs*; if
            it raises, the run ends with InitializerError.
        initargs: what the initializer is called with.
        inner_threads: how many threads native libraries (OpenMP, BLAS, ...) may use in each worker.
            "auto", the default, gives each process its part of the CPUs. In other modes, which
            share one process, only a number changes anything, by threadpoolctl, while the run
            lasts.
        propagate: context variables whose values of now are seen by tasks in processes; in other
            modes tasks see all of the caller's.
        require_stop: "cancel" refuses a mode or an executor that can't stop a running task, which
            is one on threads; "kill" also one that can only ask it to stop: it takes processes.
            By default each stops what it can, and an outcome's `stopped` tells how.
        on_error: "raise", the default, stops the run at the first failure and raises that task's
            own exception; "group" runs everything, then raises all failures as one
            `ExceptionGroup`; "collect" gives an `Outcome` in place of each value.
        progress: True shows on stderr how far the run is, a name does so under that name, and a
            `rich.progress.Progress` gets a task for it. By default nothing is shown.
        observers: objects with `on_event`, which are told what happens in the run, as it happens;
            see `concurkit.observers`.

    Returns:
        The values in the order of the tasks: a tuple for a tuple, a dict with the same keys for a
        mapping, else a list. With `on_error="collect"`, the tasks' outcomes instead.

    Raises:
        TypeError: when *tasks* holds something that is not a task, or an argument is of the wrong
            type; before anything has started, unless *tasks* is an iterator.
        ValueError: when an argument is out of range.
        UnknownModeError: when *mode* is neither a known name nor an executor.
        ExceptionGroup: when tasks failed and *on_error* is "group".
        RunTimeoutError: when the run lasted longer than *total_timeout*; `.outcomes` holds what had
            ended. With `on_error="collect"` the tasks that had not are failures instead, unless
            *tasks* is an iterator that was not read to its end.
        BaseException: whatever a task or the input raised, as it was raised; also the loop's own
            when the caller is cancelled.

    Example:
        >>> import asyncio
        >>> from concurkit import Task, aio
        >>> async def main() -> None:
        ...     print(await aio.run_concurrently(Task.map(pow, [2, 3], [5, 2]), mode="thread"))
        >>> asyncio.run(main())
        [32, 9]
    """
    options = Options.check(
        mode=mode,
        max_workers=max_workers,
        timeout=timeout,
        total_timeout=total_timeout,
        warn_after=warn_after,
        retry=retry,
        max_per_second=max_per_second,
        chunksize=chunksize,
        initializer=initializer,
        initargs=initargs,
        inner_threads=inner_threads,
        propagate=propagate,
        require_stop=require_stop,
        on_error=on_error,
        progress=progress,
        observers=observers,
    )
    engagement = Engagement(tasks, options, inline=False)
    del tasks  # a generator is closed when the run is over, not when its error is forgotten
    return await carry_out(engagement)
