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
        self._end(self._others(place))
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

    def _others(self, place: Made) -> list[tuple[Made, Any]]:
        """Workers as many as a call before wanted, of the kind that this one wants otherwise."""
        return self._unused(lambda one: one != place and one.mode == place.mode)

    def _unused(self, which: Any = lambda one: True) -> list[tuple[Made, Any]]:
        """Take out those that no call uses."""
        with self._lock:
            places = [one for one, kept in self._kept.items() if which(one) and not kept.users]
            return [(one, self._kept.pop(one).executor) for one in places]

    @staticmethod
    def _end(unused: list[tuple[Made, Any]]) -> None:
        for place, executor in unused:
            place.close(executor)
