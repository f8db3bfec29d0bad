"""Which task each worker of a run is at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from ._batch import Batch, Job, clock
from ._calls import arguments_in, cut, name_in

if TYPE_CHECKING:
    from ._drive import Drive
    from .executors._flight import Flight, Sight


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A task that runs; printed, a line with its call, and its stack.

    Attributes:
        worker: where it runs, as in "thread worker 3"; empty where that is not known.
        index: which task of the run it is.
        name: its name.
        arguments: what its function was called with, shortened, as in "'/tmp/a.csv', sep=','".
        seconds: for how long it has run. In a batch of tiny tasks, which are not timed one by one,
            for how long the batch has.
        attempt: its how-manieth attempt this is, from 1 up.
        behind: how many tasks of its batch wait for it.
        unsure: so many of those behind it may be the one that runs, in its place; 0 where it is
            known, as it is but for tasks under 2 µs in processes and interpreters.
        stack: what it does, as `run.stacks()` asks: its frames as faulthandler writes them, the
            most recent call first; "no answer" if that did not come in time; empty if it is in C
            code that no code of Python's has called; None where nobody can tell.

    Example:
        >>> from threading import Event
        >>> from concurkit import Task, iter_concurrently
        >>> started, go_on = Event(), Event()
        >>> def wait(seconds):
        ...     started.set()
        ...     go_on.wait(seconds)
        >>> with iter_concurrently([Task(wait, 60)], mode="thread") as run:
        ...     _ = started.wait()
        ...     [running] = run.snapshot()
        ...     go_on.set()
        >>> running.name, running.arguments, running.index, running.attempt
        ('wait', '60', 0, 1)
    """

    worker: str
    index: int
    name: str
    arguments: str
    seconds: float
    attempt: int
    behind: int
    unsure: int = 0
    stack: str | None = None

    def __str__(self) -> str:
        more = f", {self.behind} behind it" if self.behind else ""
        if self.unsure:
            more += f"; or it is one of the next {self.unsure}"
        worker = f" on {self.worker}" if self.worker else ""
        line = f"{self.call} · {self.seconds:.1f} s{worker}, attempt {self.attempt}{more}"
        if self.stack is None:
            return line
        return f"{line}\n{self.stack or '  in C code'}"

    @property
    def call(self) -> str:
        """The task and its call, as in "task 17 fetch('http://…')"."""
        return f"task {self.index} {self.name}({self.arguments})"


def spotted(drive: Drive) -> list[tuple[Flight, Sight, Running]]:
    """The tasks of a run that run now, each with its batch and how that looked; from any thread."""
    found = []
    for batch, kept, flight in drive.under_way():
        sight = flight.sight()
        if sight.since is None or sight.position >= kept:  # not begun, or all of it has ended
            continue
        found.append((flight, sight, _running(drive.job, batch, kept, sight)))
    return sorted(found, key=lambda one: one[2].index)


def snapshot(drive: Drive | None) -> list[Running]:
    """The tasks of a run that run now, in order; from any thread, never waiting for another."""
    return [] if drive is None else [running for _, _, running in spotted(drive)]


def _running(job: Job, batch: Batch, kept: int, sight: Sight) -> Running:
    position, since = sight.position, sight.since
    assert since is not None
    item = batch.items[position]
    return Running(
        worker=sight.worker,
        index=batch.indices[position],
        name=name_in(job.fn, item),
        arguments=cut(arguments_in(job.fn, item, single=job.single)),
        seconds=max(0.0, clock() - since),
        attempt=batch.attempt,
        behind=kept - position - 1,
        unsure=min(sight.window, kept - position) - 1,
    )
