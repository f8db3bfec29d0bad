"""Checks of single arguments, with messages that name the value, the choices and the fix."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from contextvars import ContextVar
from math import isfinite
from typing import Any, SupportsIndex

from ._task import is_async, shown


def check_workers(max_workers: object) -> int | None:
    """*max_workers* as an executor takes it."""
    return None if max_workers is None else whole(max_workers, "max_workers", "None")


def whole(value: object, name: str, otherwise: str | None = None) -> int:
    """*value* as a whole number from 1 up; a NumPy integer is one too."""
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        number = value.__index__()
        if number >= 1:
            return number
    choices = "a whole number from 1 up" + (f", or {otherwise}" if otherwise else "")
    raise wrong(value, name, choices, int)


def seconds(value: object, name: str, otherwise: str = "for no limit") -> float:
    """*value* as a number of seconds."""
    return _above_zero(value, name, f"a number of seconds above 0, or None {otherwise}")


def per_second(value: object, name: str) -> float:
    """*value* as a number of times per second."""
    return _above_zero(value, name, "a number above 0, or None for no limit")


def amount(value: object, name: str) -> float:
    """*value* as a number of seconds that may be 0."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
        return 0.0
    return _above_zero(value, name, "a number of seconds from 0 up")


def _above_zero(value: object, name: str, choices: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number beyond what a float can be
            if value > 0 and isfinite(value):
                return float(value)
    raise wrong(value, name, choices, int, float)


def flag(value: object, name: str) -> bool:
    """*value* as one of True and False."""
    if isinstance(value, bool):
        return value
    raise wrong(value, name, "True or False")


def variables(value: object) -> tuple[ContextVar[Any], ...]:
    """*value* as context variables."""
    choices = "a list or tuple of ContextVars, as in propagate=[request_id]"
    if not isinstance(value, Iterable):
        raise TypeError(f"propagate is {shown(value)}; it must be {choices}.")
    found: tuple[Any, ...] = tuple(value)
    for one in found:
        if not isinstance(one, ContextVar):
            raise TypeError(f"propagate has {shown(one)} in it; it must be {choices}.")
    return found


def observing(value: object) -> tuple[Any, ...]:
    """*value* as observers."""
    choices = "a list or tuple of observers, which have on_event(event), as in observers=[mine]"
    if isinstance(value, type):
        raise TypeError(
            f"observers is the class {value.__name__}; it must be {choices}: "
            f"write observers=[{value.__name__}()]."
        )
    if callable(getattr(value, "on_event", None)):
        raise TypeError(
            f"observers is a single observer, {shown(value)}; it must be {choices}: "
            "put it into brackets."
        )
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise TypeError(f"observers is {shown(value)}; it must be {choices}.")
    found = tuple(value)
    for one in found:
        if isinstance(one, type):
            raise TypeError(
                f"observers has the class {one.__name__} in it, not an object made of it: "
                f"write {one.__name__}() where you wrote {one.__name__}."
            )
        on_event = getattr(one, "on_event", None)
        if not callable(on_event):
            raise TypeError(f"observers has {shown(one)} in it; it must be {choices}.")
        if is_async(on_event):
            raise TypeError(
                f"observers has {shown(one)} in it, whose on_event is async; nobody would await "
                "it: write def on_event(self, event) without async."
            )
    return found


def wrong(value: object, name: str, choices: str, *right: type) -> Exception:
    """The error for a value of the wrong kind, or of the right one but out of range."""
    in_kind = isinstance(value, right) and not isinstance(value, bool)
    return (ValueError if in_kind else TypeError)(
        f"{name} is {shown(value)}; it must be {choices}."
    )
