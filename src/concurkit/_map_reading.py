"""A `map` as its reader sees it: waiting for results, and filling its buffer again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from queue import Empty
from typing import Any

from ._batch import clock, inside
from ._caller import PULSE
from ._map_run import FAILED, Asked, MapRun
from ._map_turns import Raised
from .exceptions import RunTimeoutError
from .executors._map import SHUT_DOWN

# A reader of a buffer that comes back sooner has it filled again twice as much at a time.
_SOON = 0.001

END = Raised(StopIteration())


class MapReading(MapRun):
    """A `map` that is read by threads, one at a time."""

    def __init__(self, executor: Any, asked: Asked, iterables: tuple[Iterable[Any], ...]) -> None:
        self._deadline = None if asked.timeout is None else clock() + asked.timeout
        self._lock = threading.RLock()
        self._reading = False
        self._every = 1
        self._refilled = 0.0
        super().__init__(executor, asked, iterables)
        self._ready = self.turns.ready

    def close(self) -> None:
        """Cancel what has not started, and give no more results."""
        super().close()
        with self._lock:
            self.turns.end(self._submitted)

    def take(self) -> Any:
        """The next result, as soon as it is there; an error is in a box."""
        with self._lock:
            if self._reading:  # by this thread, or it would not have the lock
                raise RuntimeError("the map's own input or serial call can't read the map")
            self._reading = True
            try:
                while True:
                    if not self._fetch():
                        return self._end()
                    if self.asked.buffersize is not None:
                        self._refill()
                    with contextlib.suppress(IndexError):  # another reader was quicker
                        return self._ready.popleft()
            except BaseException:
                self.state = FAILED
                raise
            finally:
                self._reading = False

    def _fetch(self) -> bool:
        """Wait until a result is ready; False when there are no more."""
        if self._ready:
            return True
        with self._lending(), self._caller.listening():
            try:
                while not self._ready:
                    if self.turns.next >= self._submitted:
                        return False
                    self._wait()
                self._attend_all()
            except BaseException as error:
                self._give_up(error)
        return True

    def _wait(self) -> None:
        """Wait for whatever comes first."""
        self._check_home()
        timeout, turn = self.asked.timeout, self.turns.next
        if self._over:
            self.turns.pass_over(self._why())
        elif not self._receive():
            self._why = lambda: RunTimeoutError(f"not started in map's timeout of {timeout:g} s")
            self.drain()
            self.turns.pass_over(
                RunTimeoutError(f"task {turn} had not ended in map's timeout of {timeout:g} s")
            )

    def _receive(self) -> bool:
        """Wait for results or for the end; False when the time is up."""
        inbox = self._caller.inbox
        while True:
            left = PULSE if self._deadline is None else min(PULSE, self._deadline - clock())
            try:
                self._attend(inbox.get(timeout=left) if left > 0 else inbox.get_nowait())
            except Empty:
                if left <= 0:
                    return False
            else:
                return True

    def _end(self) -> Raised:
        """What comes after all that was submitted."""
        error, self._end_error = self._end_error, None
        return END if error is None else Raised(error)

    # ---- its buffer ---------------------------------------------------------------------------

    def _refill(self) -> None:
        """Submit as much as there is room for once a result that is ready was read."""
        assert self.asked.buffersize is not None
        room = self.asked.buffersize - (self._submitted - self.turns.next) - len(self._ready) + 1
        if not self._more or (room < self._every and len(self._ready) > 1):
            return
        items, error = self._draw(room)
        if error is not None or len(items) < room:
            self._more = False
            self._end_error = error
        self._submitted += len(items)
        self._tell(*self._supply(items))
        if error is not None and not isinstance(error, Exception):
            self._end_error = None  # once, and now
            raise error
        now = clock()
        soon = now - self._refilled < _SOON
        self._every = max(1, min(2 * self._every, self.asked.buffersize // 4)) if soon else 1
        self._refilled = now

    def _draw(self, room: int) -> tuple[list[Any], BaseException | None]:
        """So many items of the input, for which the executor is held, and why there are fewer."""
        items: list[Any] = []
        trouble: BaseException | None = None
        try:
            if self._executor.closed:
                raise RuntimeError(SHUT_DOWN)
            try:
                items.extend(islice(self._input, room))
            except BaseException as error:
                position = self._submitted + len(items)
                with contextlib.suppress(Exception):  # an exception class may forbid notes
                    error.add_note(f"raised while reading task {position} of the input")
                trouble = error
            self._hold(len(items))
        except RuntimeError as closed:  # since it was looked at
            return [], closed
        return items, trouble

    def _lending(self) -> AbstractContextManager[None]:
        """While a task waits here for its own executor, its seat is lent to what it waits for."""
        if self._executor.home is None or self._executor.home not in inside().executors:
            return nullcontext()
        lending: AbstractContextManager[None] = self._executor.lending()
        return lending
