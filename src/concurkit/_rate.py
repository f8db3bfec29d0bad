"""How many tasks may start per second."""

from __future__ import annotations

# A start that comes at most this late, since a clock rang late, is made up for by those after it;
# after a longer wait the starts go on evenly from there, without a burst.
_SLACK = 0.02


class Rate:
    """Moments at an even distance, one for each start.

    In any *w* seconds there are at most `per_second * (w + 0.02) + 1` starts. The moments are
    counted from the first, so lateness never adds up.
    """

    def __init__(self, per_second: float) -> None:
        self._every = 1 / per_second
        self.next: float | None = None  # when the next task may start; None: at once

    def due(self, now: float) -> bool:
        """Whether a task may start now."""
        return self.next is None or now >= self.next

    def take(self, now: float) -> None:
        """A task starts."""
        late = self.next is None or now - self.next > _SLACK
        self.next = (now if late else self.next or now) + self._every
