"""The tasks of a batch that have not started, which another thread may take back."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

if getattr(sys, "_is_gil_enabled", lambda: True)():

    class Todo:  # pyright: ignore[reportRedeclaration]
        """Tasks to run, from which another thread may take back those that have not started."""

        __slots__ = ("_items", "kept")

        def __init__(self, items: Sequence[Any]) -> None:
            self._items = iter(items)
            self.kept = len(items)

        def __iter__(self) -> Iterator[Any]:
            return self._items

        def take_back(self) -> int:
            """Take away what has not started; returns how many tasks are left or have started."""
            # One C call over a list iterator: under the GIL nothing comes in between.
            self.kept -= len(list(self._items))
            return self.kept

else:

    class Todo:  # type: ignore[no-redef]
        """Tasks to run, from which another thread may take back those that have not started."""

        __slots__ = ("_items", "kept")

        def __init__(self, items: Sequence[Any]) -> None:
            # Without a GIL a list iterator may give an item to two threads; a deque may not.
            self._items = deque(items)
            self.kept: int = len(items)

        def __iter__(self) -> Iterator[Any]:
            take = self._items.popleft
            while True:
                try:
                    item = take()
                except IndexError:
                    return
                yield item

        def take_back(self) -> int:
            """Take away what has not started; returns how many tasks are left or have started."""
            try:
                while True:
                    self._items.pop()
                    self.kept -= 1
            except IndexError:
                return self.kept
