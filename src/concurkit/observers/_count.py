"""How far a run has come, counted from what it says, and the words for it; no I/O, no clock."""

from __future__ import annotations

from ._events import Event, RunEnded, TaskEnded, TaskRetried, TasksEnded, TaskStarted


class Count:
    """The numbers of one run.

    Attributes:
        total: how many tasks there are; None while that is not known.
        done: tasks that returned.
        failed: tasks that failed for good.
        retried: attempts that failed and are tried again.
    """

    __slots__ = ("_alone", "_batches", "_most", "done", "failed", "retried", "total")

    def __init__(self, total: int | None, max_workers: int) -> None:
        self.total = total
        self.done = self.failed = self.retried = 0
        self._most = max_workers
        self._alone: set[int] = set()  # tasks that were handed out by themselves and run
        self._batches = False  # whether tasks may be running in batches, of which nothing is told

    @property
    def ended(self) -> int:
        """How many tasks have ended, in whichever way."""
        return self.done + self.failed

    @property
    def running(self) -> int | None:
        """How many tasks run; None where batches are out, since a few would be left out."""
        # A quick task may be handed out while another is still with its worker, to wait there.
        return None if self._batches else min(len(self._alone), self._most)

    def take(self, event: Event) -> bool:
        """Count what *event* tells; False if it is not of a task."""
        # This may be called for each task: the most frequent kind first, and all in line.
        if isinstance(event, TaskEnded):
            if event.error is None:
                self.done += 1
            else:
                self.failed += 1
            if event.index in self._alone:
                self._alone.remove(event.index)
            elif event.attempts and not event.waiting:
                self._batches = True
        elif isinstance(event, TaskStarted):
            self._alone.add(event.index)
            if self._batches and len(self._alone) >= self._most:
                self._batches = False  # no worker is left that could have one
        elif isinstance(event, TasksEnded):
            self.done += len(event.indices)
            self._batches = True
            if self._alone:
                self._alone.difference_update(event.indices)
        elif isinstance(event, TaskRetried):
            self.retried += 1
            if event.index in self._alone:
                self._alone.remove(event.index)
            else:
                self._batches = True
        else:
            return False
        return True

    def close(self, event: RunEnded) -> None:
        """The run is over: nothing runs, and a run that read all of its input knows its total."""
        self._alone.clear()
        self._batches = False
        if self.total is None and event.error is None:
            self.total = self.ended


def notes(count: Count) -> str:
    """What there is to say beside the number of tasks, as in "3 failed, 1 retried, 8 running"."""
    told = {"failed": count.failed, "retried": count.retried, "running": count.running}
    return ", ".join(f"{number} {word}" for word, number in told.items() if number)


def line(label: str, count: Count, elapsed: float) -> str:
    """All of it in a line, after *elapsed* seconds."""
    ended, total = count.ended, count.total
    rate = ended / elapsed if elapsed > 0 else 0.0
    share = f" of {total}" if total is not None else ""
    percent = f" ({ended * 100 // total}%)" if total else ""
    parts = [f"{label}: {ended}{share} tasks{percent} in {span(elapsed)}"]
    if noted := notes(count):
        parts.append(noted)
    if rate:
        parts.append(f"{rate:.3g} tasks/s" if rate < 1000 else f"{rate:.0f} tasks/s")
    if rate and total is not None and ended < total:
        parts.append(f"{span((total - ended) / rate)} left")
    return ", ".join(parts)


def span(seconds: float) -> str:
    """*seconds* as a person reads them: "0:07", "2:05", "1:02:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
