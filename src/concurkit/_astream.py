"""A run as a stream for async callers."""

# The overloads overlap on purpose, and the first that fits counts.
# mypy: disable-error-code=overload-overlap
# pyright: reportOverlappingOverload=false

from __future__ import annotations

import os
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar, Unpack, overload

import anyio

import concurkit  # what is named by it here is imported when somebody looks at it

from ._arguments import flag, whole
from ._async_reading import AsyncReading
from ._caller import PATIENCE
from ._ctrl_c import kept_whole
from ._engage import Engagement
from ._inner_threads import InnerThreads
from ._options import Options
from ._signatures import Async, StreamCollecting, StreamRaising, T
from ._snapshot import Running
from ._stats import Stats
from .exceptions import TaskCancelledError
from .typing import Executor, Mode, OnError, RequireStop, RichProgress, Runnable

R_co = TypeVar("R_co", covariant=True)
V = TypeVar("V")


class Run(AsyncIterator[R_co]):
    """A run under way: an async iterator over its results, and a context manager that ends it.

    Made by `concurkit.aio.iter_concurrently`. Nothing is drawn from the input before the first
    `anext()` or `async with`. One task at a time may read it. Cancelling the task that waits for a
    result ends the run.
    """

    def __init__(self, reading: Any) -> None:  # made here only; what it is made of is not public
        self._reading: AsyncReading = reading
        self._ready = reading.ready
        self._begun = False
        self._closed = False
        self._idle: anyio.Event | None = None  # set when the task that reads is done
        self._finalizer = weakref.finalize(self, reading.drop)

    def __aiter__(self) -> Self:
        return self

    @kept_whole
    async def __anext__(self) -> R_co:
        ready, reading = self._ready, self._reading
        if self._idle is not None:
            raise RuntimeError("another task reads this run, or the run's own input tried to")
        if ready:
            result: R_co = ready.popleft()
            if len(ready) <= reading.mark:
                await self._alone(lambda: reading.fetch(wait=False))
            return result
        return await self._alone(self._wait)

    @kept_whole
    async def __aenter__(self) -> Self:
        await self._alone(self._enter)
        return self

    @kept_whole
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close(None if error is None or isinstance(error, Exception) else PATIENCE)
        if isinstance(error, KeyboardInterrupt):
            self._reading.sum_up(error)

    @property
    def stats(self) -> Stats:
        """How far the run has come; may be asked at any time, from any thread."""
        return self._reading.stats()

    def snapshot(self) -> list[Running]:
        """Which task each worker is at; may be asked at any time, from any thread.

        Returns:
            The tasks that run, in order, without their stacks.
        """
        return self._reading.snapshot()

    async def stacks(self) -> list[Running]:
        """The same, with the Python stack of each task; takes up to a second where one is stuck.

        Returns:
            The tasks that ran when they were asked and run still; see `Running` for their stacks.
        """
        return await self._reading.stacks()

    def cancel(self) -> None:
        """End the run, from any thread, without waiting for it.

        What runs is stopped as by a timeout, but threads are waited for; nothing more starts.
        Whoever reads the run gets what had ended, then `TaskCancelledError`; with
        `on_error="collect"` the tasks that were drawn and had not ended are failures with that
        error, and it is raised only if the input was not read to its end.
        """
        self._reading.cancel()

    @kept_whole
    async def aclose(self) -> None:
        """End the run and wait until nothing of it is left; results not yet read are dropped.

        Threads can't be stopped, so those that run a task are waited for; see `check_cancelled`.
        """
        await self._close(None)

    async def _close(self, patience: float | None) -> None:
        reading = self._reading
        if os.getpid() != reading.home:  # the run is the parent's
            return
        self._closed = self._closed or not reading.over
        reading.halt(patience)
        with anyio.CancelScope(shield=True):
            while self._idle is not None:
                await self._idle.wait()
            self._begun = True
            await self._alone(reading.join)
        self._ready.clear()

    async def _enter(self) -> None:
        await self._begin()
        await self._reading.fetch(wait=False)

    async def _begin(self) -> None:
        self._reading.check_home()
        if not self._begun:
            self._begun = True
            await self._reading.begin()

    async def _wait(self) -> R_co:
        await self._begin()
        while not self._ready:
            if self._reading.over:
                await self._end()
            await self._reading.fetch(wait=True)
        result: R_co = self._ready.popleft()
        return result

    async def _end(self) -> NoReturn:
        """Say how the run ended."""
        reading = self._reading
        await reading.finish()
        if self._closed or reading.cut_off:
            raise TaskCancelledError("the run was closed before its end")
        error = reading.error()
        if error is not None:
            raise error
        raise StopAsyncIteration

    async def _alone(self, action: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Do something that only one task may do at a time."""
        self._idle = idle = anyio.Event()
        try:
            return await action()
        finally:
            self._idle = None
            idle.set()


@overload
def iter_concurrently(
    tasks: Mapping[Any, Async[T]], **options: Unpack[StreamRaising]
) -> Run[T]: ...
@overload
def iter_concurrently(
    tasks: Mapping[Any, Runnable[T]], **options: Unpack[StreamRaising]
) -> Run[T]: ...
@overload
def iter_concurrently(tasks: Iterable[Async[T]], **options: Unpack[StreamRaising]) -> Run[T]: ...
@overload
def iter_concurrently(tasks: Iterable[Runnable[T]], **options: Unpack[StreamRaising]) -> Run[T]: ...
@overload
def iter_concurrently(
    tasks: Mapping[Any, Async[T]], **options: Unpack[StreamCollecting]
) -> Run[concurkit.Outcome[T]]: ...
@overload
def iter_concurrently(
    tasks: Mapping[Any, Runnable[T]], **options: Unpack[StreamCollecting]
) -> Run[concurkit.Outcome[T]]: ...
@overload
def iter_concurrently(
    tasks: Iterable[Async[T]], **options: Unpack[StreamCollecting]
) -> Run[concurkit.Outcome[T]]: ...
@overload
def iter_concurrently(
    tasks: Iterable[Runnable[T]], **options: Unpack[StreamCollecting]
) -> Run[concurkit.Outcome[T]]: ...


def iter_concurrently(
    tasks: Iterable[Runnable[Any]] | Mapping[Any, Runnable[Any]],
    *,
    mode: Mode | str | Executor = "auto",
    max_workers: int | None = None,
    timeout: float | None = None,
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
    ordered: bool = False,
    buffersize: int | None = None,
) -> Run[Any]:
    """Run tasks at the same time, without blocking the event loop, and hand out what they return.

    It works on asyncio and on trio, in every mode. Results come while other tasks run. The input
    is drawn only as far as `max_workers + buffersize` beyond what was read, so it may be endless.
    A reader that is slow slows the workers.

    Args:
        tasks: an iterable or a mapping of tasks, as for `run_concurrently`.
        mode: where the tasks run: "async" (in the caller's own loop), "thread", "process",
            "interpreter", "serial", an executor, or "auto".
        max_workers: how many tasks may run at once.
        timeout: how many seconds each task may take, from its start.
        total_timeout: how many seconds the run may take, from the first `anext()` or `async with`.
        warn_after: after how many seconds of its own time a task that still runs is logged as a
            warning, with its stack, once per attempt, on the logger "concurkit"; by default never.
        retry: which failures are tried again: a `Retry`, or a number of attempts.
        max_per_second: how many attempts may start per second.
        chunksize: how many tasks travel to a worker in one message.
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
        on_error: "raise", the default, stops the run at the first failure, and raises it once
            what had ended was read; "group" leaves failed tasks out and raises all failures at
            the end as one `ExceptionGroup`; "collect" gives an `Outcome` for each task.
        progress: True shows on stderr how far the run is, a name does so under that name, and a
            `rich.progress.Progress` gets a task for it. By default nothing is shown.
        observers: objects with `on_event`, which are told what happens in the run, as it happens;
            see `concurkit.observers`.
        ordered: whether results come in the order of the tasks; by default as tasks end.
        buffersize: how many tasks may be drawn beyond those that run and those that were read, a
            whole number from 1 up. By default as many as there are workers, and up to 4,096 while
            tasks are tiny.

    Returns:
        A `Run`: iterate over it, best in an `async with` block, which ends the run when it is left.

    Raises:
        TypeError, ValueError, UnknownModeError: as `run_concurrently`, before anything starts.
            Reading the run raises what `run_concurrently` would raise.

    Example:
        >>> import asyncio
        >>> from itertools import count
        >>> from concurkit import Task, aio
        >>> async def double(x):
        ...     await asyncio.sleep(0)
        ...     return 2 * x
        >>> async def main() -> None:
        ...     async with aio.iter_concurrently(Task.map(double, count()), ordered=True) as run:
        ...         async for value in run:
        ...             if value > 5:
        ...                 print(value)
        ...                 break
        >>> asyncio.run(main())
        6
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
    ordered = flag(ordered, "ordered")
    ahead = 0 if buffersize is None else whole(buffersize, "buffersize", "None to leave it open")
    engagement = Engagement(tasks, options, inline=False)
    del tasks  # an input that nobody else holds is closed with the run
    return Run(AsyncReading(engagement, ordered=ordered, buffersize=ahead))
