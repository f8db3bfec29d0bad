"""The options of a run: the one place where arguments are checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias

from ._task import shown

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
            raise _wrong(on_error, "on_error", "'raise', 'group' or 'collect'", str)
        return cls(
            mode=mode,
            max_workers=None if max_workers is None else _whole(max_workers, "max_workers", "None"),
            timeout=None if timeout is None else _seconds(timeout, "timeout"),
            chunksize="auto" if chunksize == "auto" else _whole(chunksize, "chunksize", "'auto'"),
            on_error=policy,
        )


def check_workers(max_workers: object) -> int | None:
    """*max_workers* as an executor takes it."""
    return None if max_workers is None else _whole(max_workers, "max_workers", "None")


def _whole(value: object, name: str, otherwise: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise _wrong(value, name, f"a whole number from 1 up, or {otherwise}", int)


def _seconds(value: object, name: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value > 0 and isfinite(value):
            return float(value)
        raise _wrong(value, name, "a number of seconds above 0, or None for no limit", type(value))
    raise _wrong(value, name, "a number of seconds above 0, or None for no limit", float)


def _wrong(value: object, name: str, choices: str, right_type: type) -> Exception:
    kind = ValueError if isinstance(value, right_type) and type(value) is not bool else TypeError
    return kind(f"{name} is {shown(value)}; it must be {choices}.")
