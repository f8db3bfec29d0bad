"""The executors of one backend, which stay warm from call to call for as long as that lives."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ..._daemons import DAEMON
from ._places import Made, Place

# So long are workers waited for that end since nobody refers to their backend any more.
_PATIENCE = 5.0


@dataclass
class _Kept:
    """An executor, and how many calls use it now."""

    executor: Any
    users: int = 0


class Workers:
    """Opens executors for calls, and keeps them for those that follow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Made, _Kept] = {}
        self._closed = False

    def take(self, place: Place) -> Any:
        """An executor for a call there; `give_back` must follow."""
        if not isinstance(place, Made):
            return place.open()
        self._end(self._unused(place))  # of another size
        with self._lock:
            kept = self._kept.get(place)
            if kept is None:
                kept = self._kept[place] = _Kept(place.open())
            kept.users += 1
            return kept.executor

    def give_back(self, place: Place, executor: Any) -> None:
        """A call no longer uses what it took."""
        if not isinstance(place, Made):
            place.close(executor)
            return
        with self._lock:
            self._kept[place].users -= 1
        if self._closed:
            self._end(self._unused())

    def close(self) -> None:
        """Keep none any more: end those that no call uses, and each other with its last call."""
        self._closed = True
        self._end(self._unused())

    def drop(self) -> None:
        """As `close`, where nobody may wait for long: a garbage collection may bring us here."""
        self._closed = True
        if not self._kept:
            return
        closing = threading.Thread(target=self.close, name="concurkit-closing", daemon=DAEMON)
        try:
            closing.start()
        except RuntimeError:  # the interpreter ends, and with it all executors
            return
        closing.join(_PATIENCE)

    def _unused(self, wanted: Made | None = None) -> list[tuple[Made, Any]]:
        """Take out those that no call uses; for one *wanted*, others of its mode only."""
        with self._lock:
            unused = [
                place
                for place, kept in self._kept.items()
                if not kept.users
                and (wanted is None or (place != wanted and place.mode == wanted.mode))
            ]
            return [(place, self._kept.pop(place).executor) for place in unused]

    @staticmethod
    def _end(unused: list[tuple[Made, Any]]) -> None:
        for place, executor in unused:
            place.close(executor)
