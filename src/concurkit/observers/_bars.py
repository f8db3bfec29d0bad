"""Progress as bars, drawn by tqdm: one per run in a terminal, a widget in a notebook."""

from __future__ import annotations

import os
import sys
import threading
from functools import cache
from importlib import import_module
from itertools import count as numbers
from typing import Any, TextIO

from ._count import notes
from ._events import RunEnded
from ._show import Subject

PERIOD = 0.1


@cache
def bar_class() -> Any:
    """The bars of tqdm that fit the place, as they are used here.

    Raises:
        ImportError: there is no tqdm.
    """
    tqdm = import_module("tqdm.auto").tqdm  # it ships no types

    # tqdm's thread would stay after the run; one of ours looks after the bar. And a bar that is
    # collected, as in a forked child, should not draw itself a last time.
    changes = {"monitor_interval": 0, "_lock": _lock(tqdm), "__del__": _leave_alone}
    return type("Bar", (tqdm,), changes)


def _lock(tqdm: Any) -> Any:
    """A lock that keeps bars of ours and bars of the program from mixing.

    tqdm's own is made of two, and that for processes can start a helper process. The other half is
    enough, since workers draw nothing.
    """
    own: Any = import_module("tqdm.std").TqdmDefaultWriteLock
    lock = getattr(tqdm, "_lock", None)  # which a program may have set
    if lock is None or isinstance(lock, own):
        lock = getattr(own, "th_lock", None) or threading.RLock()
    return lock


def _leave_alone(_bar: object) -> None:
    """Do nothing."""


# The bars in a terminal: each under the numbers of the runs that it is inside of, and its own.
_bars: dict[tuple[int, ...], Any] = {}


class Bars:
    """Shows one run as a bar. One inside a task of another run is drawn below it, and goes."""

    def __init__(self, stream: TextIO, subject: Subject) -> None:
        self.period = PERIOD
        self._stream = stream
        self._subject = subject
        self._path: tuple[int, ...] = ()
        self._bar: Any = None

    def begin(self) -> None:
        """Draw it, unless it might be over at once."""
        if not self._subject.early:
            self._open()

    def draw(self) -> None:
        """Draw it as it is now."""
        if self._bar is not None:
            self._update()
        else:
            self.begin()

    def end(self, event: RunEnded) -> None:
        """Draw it a last time, and leave that there if the run was not inside another."""
        bar = self._bar
        if bar is None or bar.disable:
            return
        try:
            self._update()
        finally:
            if bar.gui:
                bar.close()
            else:
                _close(self._path, self._stream, keep=not self._subject.inside)

    def _open(self) -> None:
        subject = self._subject
        bar = self._bar = bar_class()(
            total=subject.count.total,
            desc=subject.label or None,
            unit="task",
            leave=not subject.inside,
            file=self._stream,
            smoothing=0,  # the rate of the whole run: that of an instant makes the time left jump
            **_place(self._stream),
        )
        if bar.disable:  # by TQDM_DISABLE in the environment
            return
        bar.delay = 0
        bar.start_t -= subject.elapsed  # the time of the run: the bar may come later
        if not bar.gui:
            self._path = _add(bar, subject, self._stream)
        self._update()

    def _update(self) -> None:
        bar, count = self._bar, self._subject.count
        bar.set_postfix_str(notes(count), refresh=False)
        bar.n = count.ended
        bar.total = count.total
        # With nolock=False it would keep the lock when a write fails, and hold up all other bars.
        with bar_class().get_lock():
            bar.refresh(nolock=True)


def _place(stream: TextIO) -> dict[str, Any]:
    """What depends on where it is drawn. It is as wide as the terminal is at any time, if known."""
    notebook = sys.modules.get("tqdm.notebook")
    if notebook is not None and issubclass(bar_class(), notebook.tqdm_notebook):
        return {}  # the page sees to that
    first: dict[str, Any] = {"delay": 1e-9}  # it draws itself when it is made, unless it is to wait
    try:
        known = os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):
        known = False
    return first | ({"dynamic_ncols": True} if known else {"ncols": 79, "nrows": 24})


def _add(bar: Any, subject: Subject, stream: TextIO) -> tuple[int, ...]:
    """Give a new bar its place below the run that it is inside of; return its key."""
    run = subject.run
    with bar_class().get_lock():
        outer: tuple[int, ...] = ()
        if run.inside is not None:
            outer = next((path for path in _bars if path[-1] == run.inside[0]), run.inside[:1])
        path = (*outer, run.run)
        _bars[path] = bar
        moves = _moves()
        if any(one.pos != place for one, place in moves):
            with bar_class().external_write_mode(file=stream):  # all are cleared, and drawn again
                _carry_out(moves)
    return path


def _close(path: tuple[int, ...], stream: TextIO, keep: bool) -> None:
    """Take a bar away. If it is to be kept, it stays above all that still go on."""
    with bar_class().get_lock():
        bar = _bars.pop(path)
        last = str(bar)
        bar.leave = False
        with bar_class().external_write_mode(file=stream):
            bar.close()
            if keep:
                stream.write(last + "\n")
            _carry_out(_moves())
        stream.flush()


def _moves() -> list[tuple[Any, int]]:
    """Our bars in order, each with its place among the lines that no bar of the program has."""
    ours = [bar for _, bar in sorted(_bars.items())]
    known = {id(bar) for bar in ours}  # bars are equal where their places are
    others = [bar for bar in bar_class()._instances if id(bar) not in known]
    taken = {abs(bar.pos) for bar in others if hasattr(bar, "pos")}
    free = (place for place in numbers() if place not in taken)
    return list(zip(ours, free, strict=False))


def _carry_out(moves: list[tuple[Any, int]]) -> None:
    for bar, place in moves:
        bar.pos = place
