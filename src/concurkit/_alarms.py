"""When to look at which batch."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

# So many alarms that ring for nobody may be kept, besides as many as ring for somebody.
_STALE = 64


class Alarms:
    """One moment for each batch that is to be looked at."""

    def __init__(self) -> None:
        self._at: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, number: int, at: float) -> None:
        """Look at batch *number* at this moment, not when it was to be looked at before."""
        self._at[number] = at
        heappush(self._heap, (at, number))
        if len(self._heap) > 2 * len(self._at) + _STALE:  # most are of batches long over
            self._heap = [entry for entry in self._heap if self._rings(*entry)]
            heapify(self._heap)

    def forget(self, number: int) -> None:
        """Batch *number* is over."""
        self._at.pop(number, None)

    @property
    def next(self) -> float | None:
        """The first moment, if any."""
        heap = self._heap
        while heap and not self._rings(*heap[0]):
            heappop(heap)
        return heap[0][0] if heap else None

    def ring(self, now: float) -> list[int]:
        """The batches to look at by now; their alarms have rung."""
        heap, found = self._heap, []
        while heap and heap[0][0] <= now:
            at, number = heappop(heap)
            if self._rings(at, number):
                del self._at[number]
                found.append(number)
        return found

    def _rings(self, at: float, number: int) -> bool:
        return self._at.get(number) == at
