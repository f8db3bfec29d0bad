"""Which batches of an executor have come to a process, at whichever of its nodes there."""

from __future__ import annotations

import threading

from ._carried import CarriedFlight
from ._wire import LostError


class Batches:
    """The batches of one executor in this process; each comes once, or never if it is unwanted.

    Attributes:
        lock: is held while one begins.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._here: dict[tuple[str, int], CarriedFlight] = {}
        self._unwanted: set[tuple[str, int]] = set()
        self._last: dict[str, int] = {}  # the number of each seat's latest batch

    def comes(self, seat: str, number: int) -> bool:
        """A batch has come; whether it is to run. Under the lock.

        Raises:
            LostError: it was here before: an engine may repeat a call whose worker it has lost.
        """
        if number <= self._last.get(seat, 0):
            raise LostError("the batch was here before")
        self._last[seat] = number
        if (seat, number) in self._unwanted:
            self._unwanted.discard((seat, number))
            return False
        return True

    def begins(self, seat: str, number: int, flight: CarriedFlight) -> None:
        """It has a flight. Under the same lock as `comes`."""
        self._here[seat, number] = flight

    def ends(self, seat: str, number: int) -> None:
        """It is over."""
        with self.lock:
            del self._here[seat, number]

    def find(self, seat: str, number: int) -> CarriedFlight | None:
        """The flight of a batch that is here."""
        with self.lock:
            return self._here.get((seat, number))

    def forgo(self, seat: str, number: int) -> bool:
        """Whether a batch has not come here, and so will not run; what has begun goes on."""
        with self.lock:
            ahead = number > self._last.get(seat, 0)
            if ahead:
                self._unwanted.add((seat, number))
            return ahead
