"""Progress on a terminal without tqdm: one line that is written over, for all runs together."""

from __future__ import annotations

import os
import threading
from itertools import accumulate
from typing import TextIO
from unicodedata import east_asian_width

from ._count import line
from ._events import RunEnded
from ._lines import ending
from ._show import Subject

PERIOD = 0.1

_lock = threading.RLock()
_runs: list[Plain] = []  # those that are shown, in the order in which they came
_width = 0  # of what stands in the line now


class Plain:
    """One run's part of the line; when it ends, its words stay in a line of their own."""

    def __init__(self, stream: TextIO, subject: Subject) -> None:
        self.period = PERIOD
        self._stream = stream
        self._subject = subject
        self._over = False

    def begin(self) -> None:
        """Show it, unless it might be over at once."""
        self.draw()

    def draw(self) -> None:
        """Write the line again."""
        with _lock:
            if self not in _runs and not self._over and not self._subject.early:
                _runs.append(self)
            if self in _runs:
                _write(self._stream, "", end="")

    def end(self, event: RunEnded) -> None:
        """Leave its words, if it was not inside a task of another run."""
        with _lock:
            self._over = True
            if self in _runs:
                _runs.remove(self)
                last = "" if self._subject.inside else self.words() + ending(event)
                _write(self._stream, last, end="\n" if last else "")

    def words(self) -> str:
        """What is said of it now."""
        subject = self._subject
        return line(subject.label or "concurkit", subject.count, subject.elapsed)


def _write(stream: TextIO, last: str, end: str) -> None:
    """Write *last* over what stands in the line, then the line itself."""
    global _width  # noqa: PLW0603 - there is one line
    wide = _columns(stream) - 1
    now = _fit(" | ".join(run.words() for run in _runs[:5]), wide)  # more never fit
    written = ""
    if end:
        written = f"\r{last}{' ' * (_width - _wide(last))}{end}"
        _width = 0
    stream.write(f"{written}\r{now}{' ' * (_width - _wide(now))}")
    stream.flush()
    _width = _wide(now)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def _fit(text: str, columns: int) -> str:
    """*text*, cut so that it stays in one line."""
    ends = accumulate(map(_wide, text))  # where each letter ends
    return "".join(one for one, end in zip(text, ends, strict=True) if end <= columns)


def _wide(text: str) -> int:
    """How many columns *text* takes."""
    return sum(2 if east_asian_width(one) in "FW" else 1 for one in text)
