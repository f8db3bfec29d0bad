"""How many tasks go into a batch, learned from how long they take."""

from __future__ import annotations

from math import inf

# A batch grows at most this much over one that proved tiny.
_GROWTH = 8

_MOST = 1 << 16

# A task that takes longer is never drawn before a worker is free for it.
_TINY = 0.001


class Pace:
    """What is known of how long tasks take, and how large batches may be for it.

    Args:
        grain: seconds of work that a batch of tiny tasks is let grow to.
        chunksize: tasks in a batch, or None to choose.

    Attributes:
        fitting: how many tasks fit into a batch while there are enough.
    """

    def __init__(self, grain: float, chunksize: int | None) -> None:
        self._grain = grain
        self._chunksize = chunksize
        self.fitting = chunksize or 1
        self._each: float | None = None

    @property
    def hint(self) -> float:
        """Seconds that a task is expected to take; infinity while nothing is known."""
        return inf if self._each is None else self._each

    @property
    def quick(self) -> bool:
        """Whether batches are so short that one may wait behind another."""
        each = self._each
        return each is not None and each <= _TINY and each * self.fitting <= 2 * self._grain

    @property
    def slow(self) -> bool:
        """Whether tasks are known not to be quick."""
        return self._each is not None and not self.quick

    def size(self, left: int | None, workers: int) -> int:
        """How many tasks the next batch takes, of *left* tasks that have not started."""
        size = self.fitting
        if self._chunksize is None and left is not None and size > 1:
            # The last batches shrink, so that the workers end together.
            size = max(1, min(size, max(-(-left // (2 * workers)), size // 8)))
        return size

    def learn(self, busy: float, count: int) -> None:
        """A batch of *count* tasks took so long."""
        mean, old = busy / count, self._each
        # Slower is believed sooner than quicker: a batch too small costs little. But of a batch
        # only up to a point, since the system may have let it wait; if its tasks are slow indeed,
        # the next one is shared out again.
        if not old or (count == 1 and mean > old):
            each = mean
        else:
            each = min(mean, 4 * old) if mean > old else (old + mean) / 2
        self._each = each
        if self._chunksize is None:
            most = min(_MOST, max(count * _GROWTH, self.fitting))
            self.fitting = most if each * most <= self._grain else max(1, int(self._grain / each))

    def slowed(self, took: float = inf) -> None:
        """A batch was not done in time, whose tasks *took* so long each until then.

        Those that follow are thought slower still: none waits behind another until tasks prove
        quick again, and few go together, unless very many of that batch had ended.
        """
        each = min(4 * took, 4 * self._grain)
        self._each = max(self._each or 0.0, each)
        if self._chunksize is None:
            self.fitting = max(1, int(self._grain / self._each))
