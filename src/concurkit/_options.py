"""The options of a run: the one place where arguments are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ._arguments import seconds, whole, wrong

OnError: TypeAlias = Literal["raise", "group", "collect"]

_ON_ERROR = ("raise", "group", "collect")


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller asked of a run, checked and carried whole."""

    mode: Any
    max_workers: int | None
    timeout: float | None
    chunksize: int | Literal["auto"]
    on_error: OnError

    @classmethod
    def check(
        cls,
        *,
        mode: object,
        max_workers: object,
        timeout: object,
        chunksize: object,
        on_error: object,
    ) -> Options:
        """Options from a caller's arguments.

        Raises:
            TypeError, ValueError: naming the argument, its value, the choices and the fix.
        """
        if isinstance(on_error, str) and on_error in _ON_ERROR:
            policy: Any = on_error
        else:
            raise wrong(on_error, "on_error", "'raise', 'group' or 'collect'", str)
        return cls(
            mode=mode,
            max_workers=None if max_workers is None else whole(max_workers, "max_workers", "None"),
            timeout=None if timeout is None else seconds(timeout, "timeout"),
            chunksize="auto" if chunksize == "auto" else whole(chunksize, "chunksize", "'auto'"),
            on_error=policy,
        )
