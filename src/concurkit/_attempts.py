"""The attempts of tasks that are tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._retry import Retry


class Attempts:
    """What the earlier attempts of tasks came to, and whether there are others.

    Args:
        retry: which failures are tried again; None is none.
    """

    def __init__(self, retry: Retry | None) -> None:
        self._retry = retry
        self._errors: dict[int, list[BaseException]] = {}

    def __bool__(self) -> bool:
        return bool(self._errors)

    def verdict(self, index: int, error: BaseException) -> tuple[float | None, BaseException]:
        """An attempt of task *index* failed: seconds until the next, None for none; its error."""
        if self._retry is None:
            return None, error
        earlier = self._errors.get(index, ())
        try:
            wait = self._retry.wait(error, len(earlier) + 1)
        except Exception as trouble:  # the caller's function that decides failed
            with contextlib.suppress(Exception):  # an exception class may forbid it
                chain([error, trouble])
            return None, trouble
        if wait is not None:
            self._errors.setdefault(index, []).append(error)
        return wait, error

    def next(self, index: int) -> int:
        """Which attempt of task *index* starts now."""
        return len(self._errors.get(index, ())) + 1

    def number(self, index: int, *, returned: bool) -> int:
        """Which attempt of task *index* has ended; if it *returned*, no other follows."""
        earlier = self._errors.get(index, ())
        if returned:
            self._errors.pop(index, None)
        return len(earlier) + 1

    def earlier(self, index: int) -> Sequence[BaseException]:
        """What the attempts before the last one of task *index* raised."""
        return self._errors.pop(index, ())


def chain(errors: Sequence[BaseException]) -> None:
    """Hang each error on the end of what the next one was raised in the context of."""
    for earlier, error in pairwise(errors):
        seen = {id(one) for one in _contexts(earlier)}
        last = error
        for one in _contexts(error):
            if id(one) in seen:  # the same exception again, or one raised from it
                break
            last = one
        else:
            last.__context__ = earlier


def _contexts(error: BaseException) -> list[BaseException]:
    """An error and what it was raised in the context of."""
    found, seen = [error], {id(error)}
    while (context := found[-1].__context__) is not None and id(context) not in seen:
        found.append(context)
        seen.add(id(context))
    return found
