"""What `progress=` shows of a run: a bar, a widget, a line or lines, as fits where it is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TextIO, TypeGuard

from .._daemons import DAEMON
from .._running_loop import _in_notebook
from .._task import shown
from ._events import Event, Observer, RunEnded, RunStarted

if TYPE_CHECKING:
    from rich.progress import Progress

    from ._show import Shown, Way

_CHOICES = "True, False, a name, or a rich.progress.Progress"


def observer_for(progress: object) -> Observer | None:
    """The observer that shows a run's progress in the way that `progress=` asks for.

    Args:
        progress: True for a bar, a `str` for a bar with that label, a `rich.progress.Progress` for
            a task in that; False or None for nothing.

    Returns:
        The observer, or None if nothing is to be shown or there is nowhere to show it.

    Raises:
        TypeError: if *progress* is something else.

    Example:
        >>> from concurkit.observers.progress import observer_for
        >>> observer_for(False) is None
        True
        >>> observer_for(7)
        Traceback (most recent call last):
        TypeError: progress is 7; it must be True, False, a name, or a rich.progress.Progress.
    """
    if progress is None or progress is False:
        return None
    if _is_rich(progress):
        from ._rich import Rich

        return _Shows("tasks", partial(Rich, progress))
    if progress is not True and not (isinstance(progress, str) and progress.strip()):
        raise TypeError(f"progress is {shown(progress)}; it must be {_CHOICES}.")
    way = _fitting()
    # A label with a line break in it would break the line.
    label = " ".join(progress.split()) if isinstance(progress, str) else ""
    return None if way is None else _Shows(label, way)


class _Shows:
    """Shows each run that it hears of."""

    wants_ends = False  # tasks are only counted

    def __init__(self, label: str, way: Way) -> None:
        self._label = label
        self._way = way
        self._runs: dict[int, Shown] = {}
        self._counts: dict[int, Callable[[Event], bool]] = {}

    def on_event(self, event: Event, /) -> None:
        try:
            told = self._counts[event.run](event)
        except KeyError:
            told = False
        if not told:
            self._frame(event)

    def _frame(self, event: Event) -> None:
        """Take in what is of the run, not of its tasks."""
        if isinstance(event, RunStarted):
            from ._show import Shown

            run = self._runs[event.run] = Shown(event, self._label, self._way)
            self._counts[event.run] = run.count.take
        elif isinstance(event, RunEnded) and event.run in self._runs:
            del self._counts[event.run]
            self._runs.pop(event.run).end(event)


def _is_rich(progress: object) -> TypeGuard[Progress]:
    module = sys.modules.get("rich.progress")  # whoever has one has imported it
    return module is not None and isinstance(progress, module.Progress)


def _fitting() -> Way | None:
    """The way that fits where the program's stderr goes; None if it goes nowhere."""
    stream = _stderr()
    if stream is None or getattr(stream, "closed", False):  # pythonw, a service
        return None
    if _in_notebook():
        return _bars(stream)
    if not _is_terminal(stream):
        from ._lines import Lines

        return partial(Lines, stream, _in_worker() or _in_task())
    # The program draws on that terminal, and two that move one cursor spoil the picture.
    return None if _in_worker() else _bars(stream)


def _stderr() -> TextIO | None:
    return sys.stderr


def _bars(stream: TextIO) -> Way:
    """Bars by tqdm, or without it a line that is written over."""
    from ._bars import Bars, bar_class

    try:
        bar_class()  # now, not when the run has begun
    except ImportError:
        from ._plain import Plain

        return partial(Plain, stream)
    return partial(Bars, stream)


def _is_terminal(stream: TextIO) -> bool:
    """Whether *stream* is a terminal that can write over a line."""
    isatty = getattr(stream, "isatty", None)  # a program may have put anything in its place
    return isatty is not None and isatty() and os.environ.get("TERM") != "dumb"


def _in_worker() -> bool:
    """Whether this is a worker process or a sub-interpreter: the terminal is the program's."""
    if not DAEMON:
        return True
    process = sys.modules.get("multiprocessing.process")  # in a worker, that is imported
    return process is not None and process.parent_process() is not None


def _in_task() -> bool:
    """Whether a task asks, on whichever machine."""
    from .._batch import _progress

    return _progress.get() is not None
