"""How many tasks a worker accounts for together: one, unless they are tiny."""

from __future__ import annotations

# Tasks below this are accounted for in windows, of about so many seconds of work.
TINY = 2e-6
_WINDOW = 100e-6

_FIRST = 32


def first_window(hint: float, exact: bool) -> int:
    """How many tasks to account for together at first, if one is expected to take *hint* s."""
    return 1 if exact or hint >= TINY else _FIRST


def next_window(size: int, each: float) -> int:
    """How many next, after *size* that took *each* so many seconds."""
    if each >= TINY:
        return 1
    return max(1, min(size * 8, int(_WINDOW / max(each, 1e-8))))
