"""The attempts of tasks that are tried again."""

from __future__ import annotations

from collections.abc import Sequence

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
            trouble.__context__ = error
            return None, trouble
        if wait is not None:
            self._errors.setdefault(index, []).append(error)
        return wait, error

    def number(self, index: int, *, returned: bool) -> int:
        """Which attempt of task *index* has ended; if it *returned*, no other follows."""
        earlier = self._errors.get(index, ())
        if returned:
            self._errors.pop(index, None)
        return len(earlier) + 1

    def earlier(self, index: int) -> Sequence[BaseException]:
        """What the attempts before the last one of task *index* raised."""
        return self._errors.pop(index, ())
