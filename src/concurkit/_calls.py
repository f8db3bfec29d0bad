"""A task's call in words, short, whatever the arguments' own reprs do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from reprlib import Repr
from typing import Any

from ._task import name_of

_LONGEST = 200  # characters for all arguments together

_short = Repr()
_short.maxstring = _short.maxother = 40
_short.maxlevel = 3


def name_in(fn: Callable[..., Any] | None, item: Any) -> str:
    """The name of a task: of *fn* if that is the function of all, else its own."""
    return name_of(fn) if fn is not None else str(item.name or name_of(item.fn))


def arguments_in(fn: Callable[..., Any] | None, item: Any, *, single: bool) -> str:
    """What a task calls its function with; see `Job` for *fn*, *item* and *single*."""
    kwargs: dict[str, Any] = {}
    if fn is None:
        args, kwargs = item.args, item.kwargs
    else:
        args = (item,) if single else item
    parts = [*map(brief, args), *(f"{key}={brief(value)}" for key, value in kwargs.items())]
    return ", ".join(parts)


def cut(text: str) -> str:
    """*text*, short enough for a line."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def brief(value: Any) -> str:
    """A short repr; never an error, whatever the value's own repr does."""
    try:
        return _short.repr(value)
    except KeyboardInterrupt:
        if threading.current_thread() is threading.main_thread():  # perhaps somebody's Ctrl-C
            raise
    except BaseException:
        pass  # what it raised says nothing of the task
    return f"<{type(value).__name__}>"
