"""From a caller's arguments to a run ready to be driven: executor, terms, job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from ._batch import Job, inside, task_context
from ._cpus import default_workers
from ._debug_signal import note_run
from ._drive import Drive
from ._endings import Endings
from ._inner_threads import check_can_limit, limit_here, limiting
from ._options import Options
from ._orders import Block, Failed, Terms
from ._registry import (
    check_mode,
    executor_class,
    is_cluster,
    is_ours,
    launches,
    make_executor,
)
from ._schedule import Schedule
from ._setup import Setup
from ._source import Source, read
from ._stopping import check_can_time, check_stop

if TYPE_CHECKING:
    from ._watch import Watch

Inbox = Callable[[Any], None]

_numbers = count(1)  # of the runs of this process

_GIVE_IT = (
    "{0} is given, but the workers of the executor that is passed as mode may be there already; "
    "give it to the executor when it is made, as in ProcessExecutor(4, {1})."
)

_LET_IT = (
    "{0} is given, but workers of mode {1!r} are made by what was registered for it; "
    "let that give {0} to the executor that it makes."
)


class Collects(Protocol):
    """What takes in what a run's tasks came to."""

    keeps_outcomes: bool
    endings: Endings

    def settle(self, one: Block | Failed) -> None:
        """Take in what a block of tasks, or one that failed, came to."""
        ...


class Engagement:
    """A run that has been checked and has not started.

    Args:
        tasks: what the caller passed.
        options: what the caller asked for.
        inline: whether tasks may run in the caller's own thread; an event loop's may not.
    """

    def __init__(self, tasks: object, options: Options, *, inline: bool) -> None:
        check_mode(options.mode)
        self.options = options
        self.source: Source = read(tasks)
        self.kept = not isinstance(options.mode, str)
        place: Any = _as_ours(options.mode) if self.kept else None
        self._place = place
        if self.kept and place.closed:
            raise RuntimeError(f"{options.mode!r} was shut down; make a new executor")
        self.mode = ""
        self._inline = inline
        self._made: Any = None  # by what was registered for the mode
        self._limits: Any = None  # of the native libraries in this process, for the run
        if self.kept and options.setup.initializer is not None:
            raise ValueError(_GIVE_IT.format("initializer", "initializer=..."))
        if self.source.opened:
            self.open()

    def open(self) -> None:
        """Settle where the tasks run, which may take a look at the first of them."""
        if self.mode:
            return
        self.source.open()
        name = self._place.mode if self.kept else self.options.mode
        if name == "auto":
            name = "async" if self.source.starts_async else "thread"
        if self.options.require_stop is not None and (self.kept or is_ours(name)):
            place = self._place if self.kept else executor_class(name)
            check_stop(self.options.require_stop, place.strength, self.options.mode)
        if self.kept:
            self._check_time(self._place)
        self.mode = name
        if self.mode != "async":
            self.source.refuse_coroutines(self.mode)
        if isinstance(self.options.inner_threads, int):
            if self.kept and self._apart:
                raise ValueError(_GIVE_IT.format("inner_threads", "inner_threads=..."))
            if not self._apart:
                check_can_limit(self.options.inner_threads)

    @property
    def _apart(self) -> bool:
        """Whether tasks run in other processes than this one."""
        if self._place is not None:
            return bool(getattr(self._place, "apart", False))
        return self.mode == "process" or is_cluster(self.mode)

    @property
    def connects(self) -> bool:
        """Whether `workers` has a cluster to wait for."""
        return not self.kept and is_cluster(self.mode)

    def workers(self) -> int:
        """How many tasks may run at once."""
        asked = self.options.max_workers
        if not self.kept and not is_ours(self.mode):
            self._take_on(self._make())
        place = self._place
        if place is not None:
            most = int(place.max_workers)
            if asked is None:
                return most
            return min(asked, most) if getattr(place, "sized", True) else asked
        if self.mode == "serial":
            return 1
        return asked if asked is not None else default_workers(self.mode, inside().share)

    def executor(self, workers: int) -> Any:
        """The executor that the run is carried out on."""
        options = self.options
        timed = options.timeout is not None or options.total_timeout is not None
        if self.mode == "serial" and (not self._inline or timed):
            # To give up a task that is overdue, or to leave an event loop free, it must run in
            # another thread: one, so that tasks still run one after another.
            return executor_class("thread")(1, **self._thread_setup()._asdict())
        if self.kept:
            return self._place.reachable() if self._inline else self._place
        if self.mode == "serial":
            return executor_class("serial")(**options.setup._asdict())
        setup = self._thread_setup() if self.mode == "thread" else options.setup
        more: dict[str, Any] = setup._asdict()
        if self.mode == "process":
            more["inner_threads"] = options.inner_threads
        return executor_class(self.mode)(workers, **more)

    def _make(self) -> Any:
        """An executor of a registered mode, as the run asks for it."""
        options = self.options
        given: dict[str, Any] = {}
        if options.max_workers is not None:
            given["max_workers"] = options.max_workers
        if options.setup.initializer is not None:
            given.update(options.setup._asdict())
        if is_cluster(self.mode):
            given["inner_threads"] = options.inner_threads
        return make_executor(self.mode, **given)

    def _take_on(self, made: Any) -> None:
        """Go on as with an executor that the caller has passed, but for its end."""
        options, name = self.options, self.mode
        try:
            place = _as_ours(made, owned=True)
            self.mode = place.mode
            if self.mode != "async":
                self.source.refuse_coroutines(self.mode)
            if options.require_stop is not None:
                check_stop(options.require_stop, place.strength, name)
            apart = getattr(place, "apart", False) and not is_cluster(name)
            if isinstance(options.inner_threads, int) and apart:
                raise ValueError(_LET_IT.format("inner_threads", name))
            self._check_time(place)
        except BaseException:
            made.shutdown()
            raise
        self._place = self._made = place
        self.kept = True

    def _check_time(self, place: Any) -> None:
        """Refuse to time tasks where an executor of others can't tell when they start."""
        options = self.options
        if not hasattr(place, "silent"):  # one of ours
            return
        if options.timeout is not None:
            check_can_time(place, options.chunksize, options.mode, "a timeout")
        if options.warn_after is not None:
            check_can_time(place, options.chunksize, options.mode, "warn_after")

    def _thread_setup(self) -> Setup:
        """What threads do first: OpenMP's limit holds in the thread that sets it."""
        inner, setup = self.options.inner_threads, self.options.setup
        if self.kept:  # a serial executor, whose tasks are run in a thread instead
            setup = self._place.setup
        return limiting(setup, inner) if isinstance(inner, int) else setup

    def unlimit(self) -> None:
        """Let native libraries have their threads again; in the thread that started the run."""
        limits, self._limits = self._limits, None
        if limits is not None:
            limits.restore_original_limits()

    def drive(
        self,
        launcher: Any,
        workers: int,
        inbox: Inbox,
        collector: Collects,
        *,
        call: Inbox | None = None,
        window: int | None = None,
    ) -> Drive:
        """The run, ready to start.

        Args:
            launcher: the executor.
            workers: how many tasks may run at once.
            inbox: is given what must run in the caller's thread.
            collector: is given what the tasks came to.
            call: is given serial tasks in place of the inbox.
            window: see `Terms`.
        """
        options, source = self.options, self.source
        if isinstance(options.inner_threads, int) and not self._apart:
            self._limits = limit_here(options.inner_threads)
        chunksize = None if options.chunksize == "auto" else options.chunksize
        timed = options.timeout is not None or options.warn_after is not None
        if timed and hasattr(launcher, "silent"):  # not one of ours
            launcher.timing = True
            chunksize = 1
        terms = Terms(
            workers=workers,
            grain=launcher.grain,
            ahead=launcher.ahead,
            timeout=options.timeout,
            total_timeout=options.total_timeout,
            retry=options.retry,
            max_per_second=options.max_per_second,
            chunksize=chunksize,
            fail_fast=options.on_error == "raise",
            shared=launcher.shared,
            strength=launcher.strength,
            length=source.length,
            window=window,
            complete=window is None and options.on_error == "collect" and source.length is not None,
            observed=bool(options.observers),
            warn_after=options.warn_after,
        )
        number = next(_numbers)
        preludes, wants_ends = self._wishes(number)
        sharing = 1 if self.mode == "async" else workers
        job = Job(
            source.fn,
            task_context(sharing, launcher.home, number),
            single=source.single,
            timed=timed or collector.keeps_outcomes or wants_ends,
            fast=options.on_error == "raise" and options.retry is None,
            exact=options.timeout is not None or chunksize == 1 or terms.max_per_second is not None,
            share=inside().share * sharing,
            label="serial" if self.mode == "serial" else "",
            call=call or inbox,
            propagate=(*getattr(launcher, "propagate", ()), *options.propagate),
            run=number,
            preludes=preludes,
        )
        watch = self._watch(number, terms, collector.endings) if options.observers else None
        drive = Drive(Schedule(terms), launcher, job, source, collector.settle, inbox, watch)
        note_run(drive)
        return drive

    def _wishes(self, number: int) -> tuple[Sequence[Callable[[], object]], bool]:
        """What the run's observers ask of it; see `observers._wishes`."""
        if not self.options.observers:
            return (), False
        from .observers._wishes import wishes_of  # few runs have any

        return wishes_of(self.options.observers, number)

    def _watch(self, number: int, terms: Terms, endings: Endings) -> Watch:
        """What tells the observers of the run."""
        from ._watch import Watch  # few runs have any

        observers = self.options.observers
        return Watch(observers, number=number, mode=self.mode, terms=terms, endings=endings)

    def finish(self, drive: Drive, launcher: Any) -> None:
        """Leave nothing behind of a run that is over; waits for workers to be gone."""
        drive.close()
        if launcher is not self.options.mode:  # that is the caller's
            launcher.shutdown()
        if self._made is not None and self._made is not launcher:
            self._made.shutdown()
        self.source.close()

    def lending(self) -> AbstractContextManager[None]:
        """While a task waits here for a run on its own executor, its seat is lent to that run."""
        lend = getattr(self._place, "lending", None)
        return lend() if lend is not None else nullcontext()


def _as_ours(executor: Any, *, owned: bool = False) -> Any:
    """*executor* with what a run needs besides `submit`; one of ours has that."""
    if launches(executor):
        return executor
    # One that waits for the calling code can't be waited for by it.
    if any(executor is one for one in inside().executors):
        return executor_class("serial")()
    from .executors._given import GivenExecutor

    return GivenExecutor(executor, owned=owned)
