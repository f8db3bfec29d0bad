"""Progress as a task in a `rich.progress.Progress` of the caller's."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ._count import notes
from ._events import RunEnded
from ._show import Subject

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PERIOD = 0.1

_lock = threading.Lock()
_started: WeakKeyDictionary[Progress, int] = WeakKeyDictionary()  # by us, and for how many runs


class Rich:
    """Shows one run as a task, whose `fields` are `failed`, `retried` and `running`, for columns.

    A `Progress` that was not started is, and is stopped after the last run that it shows.
    """

    def __init__(self, progress: Progress, subject: Subject) -> None:
        from rich.markup import escape

        self.period = PERIOD
        self._progress = progress
        self._subject = subject
        self._label = escape(subject.label)
        self._task: TaskID | None = None

    def begin(self) -> None:
        """Add the task, unless it might be over at once."""
        if self._subject.early:
            return
        _start(self._progress)
        try:
            self._task = self._progress.add_task(total=self._subject.count.total, **self._now())
        except BaseException:  # a column of the caller's may fail when it is drawn
            with suppress(Exception):  # as it is once more
                _stop(self._progress)
            raise

    def draw(self) -> None:
        """Tell the task how far it is."""
        if self._task is None:
            self.begin()
            return
        with suppress(KeyError):  # the caller may remove it
            self._progress.update(self._task, completed=self._subject.count.ended, **self._now())

    def end(self, event: RunEnded) -> None:
        """Leave the task as it is at the end; take away that of a run inside another's task."""
        if self._task is None:
            return
        try:
            with suppress(KeyError):
                self._finish(self._task)
        finally:
            _stop(self._progress)

    def _finish(self, task: TaskID) -> None:
        progress, total = self._progress, self._subject.count.total
        if self._subject.inside:
            progress.remove_task(task)
        else:
            progress.update(task, total=total)
            self.draw()
            progress.stop_task(task)
        progress.refresh()

    def _now(self) -> dict[str, Any]:
        count = self._subject.count
        noted = notes(count)
        return {
            "description": f"{self._label}, {noted}" if noted else self._label,
            "failed": count.failed,
            "retried": count.retried,
            "running": count.running,
        }


def _start(progress: Progress) -> None:
    with _lock:
        if progress in _started:
            _started[progress] += 1
        elif not progress.live.is_started:
            try:
                progress.start()
            except BaseException:  # it counts as started all the same
                with suppress(Exception):
                    _halt(progress)
                raise
            _started[progress] = 1


def _stop(progress: Progress) -> None:
    with _lock:
        if progress not in _started:
            return
        _started[progress] -= 1
        if _started[progress]:
            return
        del _started[progress]
        _halt(progress)


def _halt(progress: Progress) -> None:
    refreshing = getattr(progress.live, "_refresh_thread", None)
    try:
        progress.stop()
    finally:
        if refreshing is not None:  # rich does not wait for its thread; after a run there is none
            refreshing.join(timeout=2)
