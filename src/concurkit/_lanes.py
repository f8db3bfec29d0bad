"""Which batches share a worker: one that runs and, while all is quick, one that waits behind it."""

from __future__ import annotations

# So many batches of quick tasks are under way where workers take turns.
_FEW = 2


class Lanes:
    """The workers of a run, as the batches that they have.

    Args:
        workers: how many there are.
        ahead: whether a worker may have a batch that waits behind the one that runs.
        shared: whether the workers take turns.
    """

    def __init__(self, workers: int, *, ahead: bool = False, shared: bool = False) -> None:
        self.busy = 0  # workers that have a batch
        self._workers = workers
        self._ahead = ahead
        self._shared = shared
        self._leader: dict[int, int] = {}  # of each batch that waits, the one that runs before it
        self._follower: dict[int, int] = {}
        self._open: dict[int, None] = {}  # batches that another may wait behind
        self._slow: set[int] = set()  # batches that run for long

    def room(self, *, quick: bool) -> int:
        """How many batches may start now, if tasks are *quick* or if not."""
        free = self._workers - self.busy
        if quick and self._ahead:
            return free + len(self._open)
        if quick and self._shared:
            return min(free, _FEW - (self.busy - len(self._slow)))
        return free

    def enter(self, number: int) -> int | None:
        """A batch starts: the one that it waits behind, None on a worker of its own."""
        if self.busy < self._workers:
            self.busy += 1
            self._open[number] = None
            return None
        leader = next(iter(self._open))  # the oldest is the first to end
        del self._open[leader]
        self._leader[number] = leader
        self._follower[leader] = number
        return leader

    def leave(self, number: int) -> None:
        """A batch has ended, perhaps without ever having begun."""
        leader = self._leader.pop(number, None)
        if leader is not None:
            del self._follower[leader]
            self._reopen(leader)
            return
        self._open.pop(number, None)
        self._slow.discard(number)
        follower = self._follower.pop(number, None)
        if follower is None:
            self.busy -= 1
        else:
            del self._leader[follower]
            self._reopen(follower)

    def lane(self, number: int) -> int:
        """The same for all batches that share a worker."""
        return self._leader.get(number, number)

    def waits(self, number: int) -> bool:
        """Whether a batch waits behind another."""
        return number in self._leader

    def slow(self, number: int) -> None:
        """A batch, or the one before it, takes long: let none wait behind that one again."""
        number = self._leader.get(number, number)
        self._slow.add(number)
        self._open.pop(number, None)

    def _reopen(self, number: int) -> None:
        if number not in self._slow:
            self._open[number] = None
