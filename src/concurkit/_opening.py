"""How a value that a factory made is opened, and what is to be called to close it again.

As with `with`, it is the class of the value that counts: a module or a class is nothing to close,
and an object that makes up attributes as they are asked for has no `close()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import CoroutineType
from typing import Any, TypeAlias

# What closes a value, called one after another; what they return is awaited if it can be.
Ends: TypeAlias = Sequence[Callable[[], Any]]


def opened(made: Any) -> tuple[Any, Ends]:
    """The value that *made* stands for, entered if it is a context manager."""
    kind: Any = type(made)
    if kind is CoroutineType:
        made.close()
        raise TypeError(
            f"the factory of per_worker returned a coroutine, {made.__qualname__}(); give "
            "per_worker the async function itself, and await its value: await connection()."
        )
    if not _has(kind, "__enter__", "__exit__"):
        return made, _ends(kind, made)
    value = kind.__enter__(made)
    leave = partial(kind.__exit__, made, None, None, None)
    # Leaving a sqlite3 connection commits; only close() closes it.
    return value, [leave, made.close] if value is made and _has(kind, "close") else [leave]


async def opened_in_loop(made: Any) -> tuple[Any, Ends]:
    """The same for what an async factory made, which may be an async context manager."""
    kind: Any = type(made)
    if not _has(kind, "__aenter__", "__aexit__"):
        return opened(made)
    value = await kind.__aenter__(made)
    return value, [partial(kind.__aexit__, made, None, None, None)]


def _ends(kind: Any, made: Any) -> Ends:
    """What closes a value that was not entered."""
    for name in ("close", "aclose"):
        if _has(kind, name):
            return [getattr(made, name)]
    if _has(kind, "__aexit__"):
        return [partial(kind.__aexit__, made, None, None, None)]
    return ()


def _has(kind: type, *names: str) -> bool:
    return all(callable(getattr(kind, name, None)) for name in names)
