"""Progress as lines, for a log file: one every ten seconds, and one at the end."""

from __future__ import annotations

from typing import TextIO

from ._count import line
from ._events import RunEnded
from ._show import Subject

PERIOD = 10.0


class Lines:
    """Writes lines to a stream.

    A *quiet* one, and one of a run inside a task, says nothing of a run that is short.
    """

    def __init__(self, stream: TextIO, quiet: bool, subject: Subject) -> None:
        self.period = PERIOD
        self._stream = stream
        self._subject = subject
        self._quiet = quiet or subject.inside

    def begin(self) -> None:
        """Nothing: a line every ten seconds is enough."""

    def draw(self) -> None:
        """Write a line."""
        self._quiet = False
        self._write(self._line())

    def end(self, event: RunEnded) -> None:
        """Write the last line."""
        if not self._quiet:
            self._write(self._line() + ending(event))

    def _line(self) -> str:
        subject = self._subject
        return line(subject.label or "concurkit", subject.count, subject.elapsed)

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")  # in one call: threads and processes may write too
        self._stream.flush()


def ending(event: RunEnded) -> str:
    """What ended the run before its end, as the end of a line."""
    return "" if event.error is None else f"; ended by {type(event.error).__name__}"
