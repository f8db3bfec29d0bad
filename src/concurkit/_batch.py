"""A batch, running it inside a worker, and the report of what came of it.

Each task has a context of its own, errors are caught, progress is in sight.

The same code runs in every worker. What it leaves in a `Progress` can be read by another thread
at any moment: how many tasks have ended is the length of `values`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar, copy_context
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ._todo import Todo
from ._worker_loop import finish

if TYPE_CHECKING:
    from ._belongings import Belongings

Stopped: TypeAlias = Literal["cancelled", "killed", "abandoned"]
"""In which way a task was stopped."""


class Interrupted(KeyboardInterrupt):
    """A Ctrl-C that reached a task.

    It ends the run, where a task's own KeyboardInterrupt fails that task alone. `then` reports
    the task, once the run has been told to end.
    """

    then: Callable[[], None] | None = None


clock = monotonic  # one clock for all processes of a machine


class Batch(NamedTuple):
    """Tasks handed to a worker in one message.

    The indices follow one another. If *alone*, it must be known whether its one task ran. *hint* is
    how many seconds a task is expected to take, infinity while nothing is known. *attempt* is
    which attempt of its tasks this is, from 1 up.
    """

    number: int
    indices: Sequence[int]
    items: Sequence[Any]
    alone: bool
    hint: float
    attempt: int = 1


NO_TASK = range(-1, 0)  # the indices of a batch that is ours, and no task of a run


class Report:
    """What became of a batch, as its executor saw it.

    Attributes:
        values: what the tasks that ended returned, in order; None where one failed.
        failures: position in the batch and exception of each task that raised.
        since: when the first task started, on the run's clock.
        busy: seconds that the tasks took.
        ends: when each task ended, where the run keeps times; else empty.
        worker: the worker's name.
        lost: what became of the task at position `len(values)`, if it was running when the
            worker was lost or stopped; the tasks behind it never started.
        how: in which way that task was stopped; with none lost, those that failed since they
            were told to end.
        unsure: how many tasks from `len(values)` on may have run without a trace, when `lost`.
        gone: whether the worker was lost with the whole batch, whose tasks then are failures.
    """

    # Written out, as `Job` is: each worker would wait for the import of dataclasses.
    __slots__ = (
        "busy",
        "ends",
        "failures",
        "gone",
        "how",
        "lost",
        "since",
        "unsure",
        "values",
        "worker",
    )

    def __init__(
        self,
        values: Sequence[Any] = (),
        failures: Sequence[tuple[int, BaseException]] = (),
        since: float = 0.0,
        busy: float = 0.0,
        ends: Sequence[float] = (),
        worker: str = "",
        lost: BaseException | None = None,
        how: Stopped | None = None,
        unsure: int = 0,
        gone: bool = False,
    ) -> None:
        self.values: Sequence[Any] = values
        self.failures: Sequence[tuple[int, BaseException]] = failures
        self.since: float = since
        self.busy: float = busy
        self.ends: Sequence[float] = ends
        self.worker: str = worker
        self.lost: BaseException | None = lost
        self.how: Stopped | None = how
        self.unsure: int = unsure
        self.gone: bool = gone


class Job:
    """What the batches of one run have in common.

    Attributes:
        fn: the function of every task, or None when each item is a `Task`.
        single: whether an item is the one argument of `fn`, not a tuple of arguments.
        context: the caller's context variables; each task runs in a copy.
        timed: whether the end of each task is noted.
        fast: whether a batch ends with its first failure.
        exact: whether it must be known of each single task whether it ran.
        share: how many workers share the machine while the run lasts.
        label: what to call the worker, where its own name would mislead.
        call: runs a function in the caller's own thread, for executors that work there.
        propagate: which of the caller's context variables to take along where not all can be.
        lent: whether no task may write to large arguments, also where only one is given them.
        run: the number of the run; 0 for calls that were submitted.
        preludes: are called in the context of each batch's tasks, where they run, before the first
            of them; they are pickled where tasks are.
        kept: room for what an executor prepares once for all batches of the run.
    """

    __slots__ = (
        "call",
        "context",
        "exact",
        "fast",
        "fn",
        "kept",
        "label",
        "lent",
        "preludes",
        "propagate",
        "run",
        "share",
        "single",
        "timed",
    )

    def __init__(
        self,
        fn: Callable[..., Any] | None,
        context: Context,
        *,
        single: bool = False,
        timed: bool = False,
        fast: bool = False,
        exact: bool = False,
        share: int = 1,
        label: str = "",
        call: Callable[[Callable[[], Any]], None] | None = None,
        propagate: Sequence[ContextVar[Any]] = (),
        lent: bool = False,
        run: int = 0,
        preludes: Sequence[Callable[[], object]] = (),
    ) -> None:
        self.fn: Callable[..., Any] | None = fn
        self.context: Context = context
        self.single: bool = single
        self.timed: bool = timed
        self.fast: bool = fast
        self.exact: bool = exact
        self.share: int = share
        self.label: str = label
        self.call: Callable[[Callable[[], Any]], None] | None = call
        self.propagate: Sequence[ContextVar[Any]] = propagate
        self.lent: bool = lent
        self.run: int = run
        self.preludes: Sequence[Callable[[], object]] = preludes
        self.kept: dict[str, Any] = {}


class Progress:
    """How far a batch has come, what its running task is told, and which task that is.

    Args:
        items: its tasks.
        first: the index of the first of them; -1 if they are no tasks of a run.
        attempt: which attempt of each this is.
    """

    __slots__ = (
        "attempt",
        "begun",
        "belongings",
        "context",
        "ends",
        "failures",
        "first",
        "fn",
        "items",
        "outer",
        "run",
        "since",
        "todo",
        "told",
        "values",
        "worker",
    )

    context: Context

    def __init__(self, items: Sequence[Any], first: int = -1, attempt: int = 1) -> None:
        self.first: int = first
        self.attempt: int = attempt
        self.items: Sequence[Any] = items  # for their names, unless all have one function
        self.fn: Callable[..., Any] | None = None
        self.run: int = 0
        self.worker: str = ""  # its name
        self.todo: Todo = Todo(items)
        self.values: list[Any] = []
        self.failures: list[tuple[int, BaseException]] = []
        self.ends: list[float] = []
        self.since: float = 0.0
        self.begun: bool = False
        self.told: str = ""  # why the running task should end
        self.outer: Progress | None = None
        self.belongings: Belongings | None = None  # of the worker; its seat puts them here

    def begin(self, job: Job) -> None:
        """The batch begins; its tasks will know it by their context."""
        self.context = job.context.copy()
        self.outer = self.context.get(_progress)
        self.context.run(_progress.set, self)
        self.run = job.run
        if job.fn is not None:
            self.fn, self.items = job.fn, ()
        for prelude in job.preludes:
            _play(prelude, self.context)
        self.since = clock()
        self.begun = True

    def end(self) -> None:
        """The batch has ended: refer to its tasks no more, nor, by its context, to itself."""
        self.items, self.fn = (), None
        del self.context

    def forget(self) -> None:
        """The batch has ended, and its results are sent: refer to none of them any more."""
        self.todo.take_back()
        self.values.clear()
        self.failures.clear()

    def look(self) -> tuple[int, float | None]:
        """The position of the running task and since when it runs; None before the batch begins."""
        position = len(self.values)
        if not self.begun:
            return position, None
        # `ends` grows before `values`, so a task is never taken for older than it is.
        return position, self.ends[-1] if self.ends else self.since


def _play(prelude: Callable[[], object], context: Context) -> None:
    """Call an observer's prelude; tasks don't fail because it does."""
    try:
        context.run(prelude)
    except Exception as error:
        from logging import getLogger

        getLogger("concurkit").error("the prelude of an observer failed", exc_info=error)


def run(job: Job, progress: Progress) -> None:
    """Run the tasks of a batch one after another."""
    progress.begin(job)
    if job.fn is None or job.timed:
        run_some(job, progress, progress.todo)
    else:
        run_quickly(job, progress, progress.todo)
    progress.end()


def run_quickly(job: Job, progress: Progress, todo: Any) -> None:
    """Calls of one function whose times nobody asks for."""
    fn, copy, single = job.fn, progress.context.copy, job.single
    assert fn is not None
    values = progress.values
    done = values.append
    for item in todo:
        try:
            own = copy()
            value = own.run(fn, item) if single else own.run(fn, *item)
            if value.__class__ is CoroutineType:
                value = finish(value, own)
        except Interrupted:
            raise
        except BaseException as error:
            progress.failures.append((len(values), error))
            done(None)
            if job.fast:
                return
            continue
        done(value)


def run_some(job: Job, progress: Progress, todo: Any) -> None:
    """Calls of any functions, timed if the job says so."""
    fn, copy, single, timed = job.fn, progress.context.copy, job.single, job.timed
    values, ends = progress.values, progress.ends
    for item in todo:
        value: Any = None
        try:
            own = copy()
            if fn is None:
                value = own.run(item.fn, *item.args, **item.kwargs)
            else:
                value = own.run(fn, item) if single else own.run(fn, *item)
            if value.__class__ is CoroutineType:
                value = finish(value, own)
        except Interrupted:
            raise
        except BaseException as error:
            progress.failures.append((len(values), error))
            value = None
        if timed:
            ends.append(clock())
        values.append(value)
        if job.fast and progress.failures:
            return


# ---- contexts -----------------------------------------------------------------------------------


class Inside(NamedTuple):
    """Where the calling code is: in a task of these executors, one run inside another.

    Attributes:
        share: how many workers share the machine; 1 outside any task.
        executors: the executors whose workers wait for this code, the outermost first.
        run: the number of the run of this process whose task it is; 0 if it is none.
    """

    share: int = 1
    executors: tuple[object, ...] = ()
    run: int = 0


_inside: ContextVar[Inside] = ContextVar("concurkit_inside", default=Inside())  # noqa: B039


# The batch that the calling code is a task of.
_progress: ContextVar[Progress | None] = ContextVar("concurkit_progress", default=None)


def check_cancelled() -> None:
    """Inside a task, raise if its run is stopping or its time is up; outside any, do nothing.

    A thread can't be stopped from outside, so a long task that runs in one should call this now
    and then; it takes a fraction of a microsecond. Coroutines are cancelled and processes are
    killed without it.

    Raises:
        TaskCancelledError: let it pass, and the worker is free.

    Example:
        >>> import time
        >>> from concurkit import Task, check_cancelled, run_concurrently
        >>> def poll():
        ...     while True:
        ...         check_cancelled()
        ...         time.sleep(0.01)
        >>> [outcome] = run_concurrently([poll], mode="thread", timeout=0.1, on_error="collect")
        >>> outcome.error
        TaskTimeoutError('the task ran longer than its timeout of 0.1 s')
    """
    progress = _progress.get()
    while progress is not None:
        if progress.told:
            from .exceptions import TaskCancelledError

            raise TaskCancelledError(progress.told)
        progress = progress.outer


STOPPING = "the run is stopping"
OVERDUE = "the task's time is up"


def inside() -> Inside:
    """Where the calling code is."""
    return _inside.get()


def task_context(workers: int, executor: object, run: int = 0) -> Context:
    """The calling context for tasks of an executor with so many workers that share the machine."""
    context = copy_context()
    share, executors, _ = inside()
    context.run(_inside.set, Inside(share * workers, (*executors, executor), run))
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:  # which loop runs here says nothing of the loop that runs the task
        context.run(sniffio.current_async_library_cvar.set, None)
    return context


def worker_context(share: int, variables: Sequence[tuple[ContextVar[Any], Any]] = ()) -> Context:
    """The context of tasks in a process of their own, with values of the caller's."""
    context = copy_context()
    context.run(_inside.set, Inside(share))
    for variable, value in variables:
        context.run(variable.set, value)
    return context
