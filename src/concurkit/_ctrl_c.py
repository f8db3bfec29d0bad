"""Where Ctrl-C may break into code that runs in a loop of trio's.

trio raises KeyboardInterrupt at whatever the main thread is doing, also between two lines of ours
that belong together, unless the code is marked: then at the main task's next `await`. See "How
does Ctrl-C work?" and `trio.lowlevel.enable_ki_protection` in its documentation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_kept_whole: list[Callable[..., Any]] = []
_open_to_it: list[Callable[..., Any]] = []


def kept_whole(fn: F) -> F:
    """Decorate code of ours: Ctrl-C waits for its next `await`."""
    _kept_whole.append(fn)
    return fn


def open_to_it(fn: F) -> F:
    """Decorate what runs code of the caller's inside code that is `kept_whole`."""
    _open_to_it.append(fn)
    return fn


def tell_trio() -> None:
    """Mark what was decorated, in a program that uses trio."""
    lowlevel = sys.modules["trio"].lowlevel
    while _kept_whole:
        lowlevel.enable_ki_protection(_kept_whole.pop())
    while _open_to_it:
        lowlevel.disable_ki_protection(_open_to_it.pop())
