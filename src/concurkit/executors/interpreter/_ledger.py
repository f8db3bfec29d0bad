"""A few words of memory that a sub-interpreter shares with its parent: how far it has come.

Each has a lock of its own on its objects, so nothing of Python's keeps one from reading what the
other is writing, nor the processor from letting a store pass a load. So whoever reads or writes
here takes its turn first: a token in a queue, whose own lock is the whole process's.
"""

from __future__ import annotations

import time
from typing import Any

SIZE = 64

# Which flight runs, how many of its tasks have ended, how many have started or are about to, how
# many it may start, what the running task is told, since when it runs, which flight must not begin,
# and when the batch began.
_FLIGHT, _ENDED, _STARTED, _LIMIT, _TOLD, _SINCE, _RECALLED, _BEGUN = range(8)

# How long to wait before another look at whether the turn is free.
_MOMENT = 20e-6


class Ledger:
    """The account of one worker.

    Args:
        memory: so many bytes shared as `SIZE` says.
        token: a queue between interpreters that holds one token while it is nobody's turn.
    """

    def __init__(self, memory: Any, token: Any) -> None:
        self._words = memory.cast("Q")
        self._times = memory.cast("d")
        self._take = token.get_nowait
        self._pass_on = token.put
        self._empty = _queue_empty()

    def __enter__(self) -> None:
        while True:
            try:
                self._take()
            except self._empty:
                time.sleep(_MOMENT)
            else:
                return

    def __exit__(self, *_: object) -> None:
        self._pass_on(None)

    # ---- the worker's side --------------------------------------------------------------------

    def begin(self, flight: int, count: int, now: float) -> None:
        """A batch of so many tasks begins; with none that may start, if it was recalled."""
        with self:
            words = self._words
            words[_LIMIT] = 0 if words[_RECALLED] == flight else count
            words[_ENDED] = words[_STARTED] = words[_TOLD] = 0
            self._times[_BEGUN] = self._times[_SINCE] = now
            words[_FLIGHT] = flight

    def claim(self, ended: int, size: int, now: float) -> int:
        """So many tasks have ended; start *size* more, or what may start of these."""
        words = self._words
        self.__enter__()
        words[_ENDED] = ended
        size = min(size, words[_LIMIT] - ended)
        words[_STARTED] = ended + size
        self._times[_SINCE] = now
        self._pass_on(None)
        return size

    @property
    def told(self) -> int:
        """What the running task is told."""
        told: int = self._words[_TOLD]
        return told

    # ---- the parent's side --------------------------------------------------------------------

    @property
    def begun(self) -> float:
        """When the running batch began."""
        begun: float = self._times[_BEGUN]
        return begun

    @property
    def started(self) -> int:
        """How many tasks of the running batch have started or are about to."""
        with self:
            started: int = self._words[_STARTED]
            return started

    def look(self, flight: int) -> tuple[int, float | None]:
        """The position of the running task of a batch and since when it runs (None: not begun)."""
        with self:
            if self._words[_FLIGHT] != flight:
                return 0, None
            return self._words[_ENDED], self._times[_SINCE]

    def take_back(self, flight: int, unbegun: bool = False) -> int | None:
        """Let a batch start no more tasks; returns how many it has started, None if it is over.

        A batch that has begun is left alone if only an *unbegun* one is meant: None, too.
        """
        with self:
            words = self._words
            running: int = words[_FLIGHT]
            if running < flight:
                words[_RECALLED] = flight
                return 0
            if running > flight or unbegun:
                return None
            started: int = words[_STARTED]
            words[_LIMIT] = started
            return started

    def tell(self, flight: int, told: int) -> None:
        """Tell the running task of a batch something, unless it was told before."""
        with self:
            if self._words[_FLIGHT] == flight and not self._words[_TOLD]:
                self._words[_TOLD] = told


def _queue_empty() -> type[Exception]:
    from importlib import import_module

    empty: type[Exception] = import_module("concurrent.interpreters").QueueEmpty
    return empty
