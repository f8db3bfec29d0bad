"""The tasks of a run that have been drawn and not started, in the order in which they will."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple


class Piece(NamedTuple):
    """Tasks that have not started: their indices and items, side by side."""

    indices: Sequence[int]
    items: Sequence[Any]
    alone: bool = False

    def upto(self, bound: int) -> Piece:
        """Those with an index of at most *bound*."""
        keep = bisect_right(self.indices, bound)
        return Piece(self.indices[:keep], self.items[:keep], self.alone)

    def beyond(self, bound: int) -> Piece:
        """Those with a higher index than *bound*."""
        keep = bisect_right(self.indices, bound)
        return Piece(self.indices[keep:], self.items[keep:], self.alone)


class Waiting:
    """Tasks that may start, by their place in the input, and tasks that wait to be tried again."""

    def __init__(self) -> None:
        self.ready = 0  # how many may start now
        self._pieces: deque[Piece] = deque()
        self._later: list[tuple[float, int, Any]] = []

    def __bool__(self) -> bool:
        return bool(self.ready or self._later)

    def __len__(self) -> int:
        return self.ready + len(self._later)

    def add(self, piece: Piece) -> None:
        """Tasks that have just been drawn."""
        if piece.indices:
            self._pieces.append(piece)
            self.ready += len(piece.indices)

    def put_back(self, piece: Piece) -> None:
        """Tasks that were drawn before others which wait."""
        if piece.indices:
            insort(self._pieces, piece, key=_first)
            self.ready += len(piece.indices)

    def put_off(self, index: int, item: Any, until: float) -> None:
        """A task that may start again at a set moment."""
        heappush(self._later, (until, index, item))

    @property
    def next(self) -> float | None:
        """When a task that was put off may start."""
        return self._later[0][0] if self._later else None

    def ripen(self, now: float) -> None:
        """What was put off until now may start."""
        later = self._later
        while later and later[0][0] <= now:
            _, index, item = heappop(later)
            self.put_back(Piece((index,), (item,), alone=True))

    def take(self, size: int) -> Piece:
        """Up to *size* tasks to start together: one, if the first travels alone."""
        piece = self._pieces.popleft()
        size = 1 if piece.alone else size
        indices, items = piece.indices, piece.items
        if len(indices) > size:
            self._pieces.appendleft(Piece(indices[size:], items[size:], piece.alone))
            piece = Piece(indices[:size], items[:size], piece.alone)
        self.ready -= len(piece.indices)
        return piece

    def cut(self, bound: int) -> list[Piece]:
        """Drop all tasks above *bound* and return them."""
        dropped = [piece.beyond(bound) for piece in self._pieces]
        dropped += [Piece((index,), (item,)) for _, index, item in self._later if index > bound]
        self._later = [entry for entry in self._later if entry[1] <= bound]
        heapify(self._later)
        kept = [piece.upto(bound) for piece in self._pieces]
        self._pieces = deque(piece for piece in kept if piece.indices)
        self.ready = sum(len(piece.indices) for piece in self._pieces)
        return dropped


def _first(piece: Piece) -> int:
    return piece.indices[0]
