"""Serial mode: one task after another, in the caller's own thread."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, overload

from .._batch import (
    STOPPING,
    Batch,
    Interrupted,
    Job,
    Progress,
    Report,
    Stopped,
    clock,
    run,
    task_context,
)
from .._belongings import Belongings
from .._setup import NOTHING, Setup
from .._worker_loop import finish
from ..exceptions import InitializerError, TaskCancelledError
from ._flight import Ended, Flight, GaveBack, Poll, Sight, Tell, Unfit
from ._frames import Footing
from ._map import SHUT_DOWN, MapExecutor

P = ParamSpec("P")
R = TypeVar("R")

_WORKER = "serial"


class SerialExecutor(MapExecutor):
    """Runs each task where and when it is given; for debugging, and as the measure of the others.

    Args:
        initializer: is called before the first task; if it raises, what was to run ends with
            InitializerError.
        initargs: what it is called with.

    Example:
        >>> from concurkit import SerialExecutor
        >>> SerialExecutor().submit(pow, 2, 5).result()
        32
    """

    mode = "serial"
    grain: float = 0.001
    ahead = 1
    shared = False
    strength: Stopped = "abandoned"
    max_workers = 1
    home = None

    def __init__(
        self,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self.closed: bool = False
        setup = Setup.check(initializer, initargs)
        self.setup: Setup = setup
        self._setup = setup  # what is still to be run
        self._belongings = Belongings()
        weakref.finalize(self, _close_apart, self._belongings)  # dropped, or left open at the end

    def launch(
        self,
        batches: Sequence[tuple[Batch, Flight | None]],
        job: Job,
        tell: Tell,
        again: bool = False,
    ) -> list[Flight]:
        """Let the caller's thread run the batches, each when it comes to it."""
        flights: list[Flight] = []
        for batch, _ in batches:
            flight = _Flight(batch, job, tell, self._belongings, self._make_ready)
            assert job.call is not None
            job.call(flight.run)
            flights.append(flight)
        return flights

    def _make_ready(self) -> InitializerError | None:
        """Run the initializer unless it has run; its error if it fails."""
        setup, self._setup = self._setup, NOTHING  # nested uses don't run it again
        error = setup.run("the serial worker", self._belongings)
        if error is not None:
            self._setup = setup
        return error

    def reachable(self) -> SerialExecutor:
        """This executor, wherever the caller waits."""
        return self

    @overload
    def submit(
        self, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]: ...

    @overload
    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call *fn* now and return a future that is already done."""
        if self.closed:
            raise RuntimeError(SHUT_DOWN)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        unfit = self._make_ready()
        if unfit is not None:
            future.set_exception(unfit)
            return future
        own = task_context(1, self.home)
        progress = self._belongings.enter_call(fn, own)
        progress.worker = "serial"
        try:
            value = own.run(fn, *args, **kwargs)
            if isinstance(value, CoroutineType):
                value = finish(value, own)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            progress.values.append(None)  # what it leaves running is not in it any more
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and close what `per_worker` made; there is nothing to wait for."""
        self.closed = True
        self._belongings.close()


def _close_apart(belongings: Belongings) -> None:
    """Close what tasks have made, in a context of its own.

    A garbage collection may bring us here in the middle of somebody's `ContextVar.set`. Closing
    sets a variable too, and in that same context this crashes Python 3.11 (python/cpython#148891).
    """
    copy_context().run(belongings.close)


class _Flight:
    """A batch in the caller's thread."""

    def __init__(
        self,
        batch: Batch,
        job: Job,
        tell: Tell,
        belongings: Belongings,
        make_ready: Callable[[], InitializerError | None],
    ) -> None:
        self.batch = batch
        self._job = job
        self._tell = tell
        self._make_ready = make_ready
        self.progress = Progress(batch.items, batch.indices[0], batch.attempt)
        self.progress.worker = _WORKER
        self.progress.belongings = belongings
        self._footing = Footing()

    def run(self) -> Callable[[], None]:
        """In the caller's thread: run the batch; returns what reports it."""
        unfit = self._make_ready()
        if unfit is not None:
            event = Unfit(self.batch.number, unfit)
            return lambda: self._tell(event)
        self._footing.enter()
        try:
            run(self._job, self.progress)
        except Interrupted as interrupted:  # the task that runs is the last
            self.progress.todo.take_back()
            report = self._report()
            report.lost = TaskCancelledError("the task was interrupted")
            interrupted.then = lambda: self._tell(Ended(self.batch.number, report))
            raise
        finally:
            self._footing.leave()
        return lambda: self._tell(Ended(self.batch.number, self._report()))

    def look(self) -> tuple[int, float | None]:
        return self.progress.look()

    def sight(self) -> Sight:
        return Sight(_WORKER, *self.progress.look())

    def stack(self) -> Poll | None:
        return self._footing.stack

    def recall(self, unbegun: bool) -> None:
        """Nothing is gained by sharing out: there is one worker."""

    def stop(self, position: int) -> None:
        """Tell the task; it runs where whoever could stop it waits."""
        self.progress.told = STOPPING
        kept = self.progress.todo.take_back()
        number = self.batch.number
        self._tell(GaveBack(number, kept) if kept else Ended(number, Report()))

    def abandon(self, position: int) -> Report | None:
        report = self._report()
        if self.progress.begun and self.progress.todo.kept > len(report.values):
            report.lost = TaskCancelledError("the task was abandoned")
            report.how = "abandoned"
        return report

    def _report(self) -> Report:
        progress = self.progress
        return Report(
            values=progress.values,
            failures=progress.failures,
            since=progress.since,
            busy=clock() - progress.since,
            ends=progress.ends,
            worker=_WORKER,
        )
