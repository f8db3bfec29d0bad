"""Which failures are tried again, and when."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any, TypeAlias

from ._arguments import amount, whole, wrong

Verdict: TypeAlias = bool | float | timedelta | None
Predicate: TypeAlias = Callable[[BaseException], Verdict]

_CHOICES = (
    "an exception class, a tuple of them, or a function that takes the exception and returns "
    "whether to try again, or the seconds to wait first"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a task that failed is tried again, after which errors, and how long it waits.

    Before attempt n + 1 it waits `wait_initial * 2 ** (n - 1)` seconds plus a random part of
    `wait_jitter`, and never more than `wait_max`. The names and the formula are those of stamina
    (https://stamina.hynek.me). Waiting holds no worker.

    Args:
        attempts: how many attempts there are in all, the first included; by default 3.
        on: which errors are tried again: an exception class, a tuple of classes, or a function
            that is given the error and returns True or False, or the seconds to wait in place of
            the formula (a server's Retry-After, say) as a number or a `timedelta`. It is called
            in any thread and must be quick. By default `(OSError, TimeoutError)`.
        wait_initial: seconds before the second attempt; by default 0.1.
        wait_max: the most seconds to wait by the formula; by default 5.0.
        wait_jitter: the most seconds that chance adds; by default 1.0.

    Raises:
        TypeError, ValueError: when an argument is of the wrong type or out of range.

    Example:
        >>> from concurkit import Retry, Task, run_concurrently
        >>> failures = [OSError("busy"), OSError("busy")]
        >>> def fetch():
        ...     if failures:
        ...         raise failures.pop()
        ...     return "page"
        >>> policy = Retry(attempts=3, on=OSError, wait_initial=0.01, wait_jitter=0)
        >>> run_concurrently([fetch], mode="thread", retry=policy)
        ['page']
    """

    attempts: int = 3
    on: type[BaseException] | tuple[type[BaseException], ...] | Predicate = (OSError, TimeoutError)
    wait_initial: float = 0.1
    wait_max: float = 5.0
    wait_jitter: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "attempts", whole(self.attempts, "attempts"))
        for name in ("wait_initial", "wait_max", "wait_jitter"):
            object.__setattr__(self, name, amount(getattr(self, name), name))
        on: object = self.on
        if isinstance(on, tuple | type):
            classes = on if isinstance(on, tuple) else (on,)
            right = bool(classes) and all(map(_is_exception_class, classes))
        else:
            right = callable(on)
        if not right:
            raise wrong(on, "on", _CHOICES)

    def wait(self, error: BaseException, attempt: int) -> float | None:
        """Seconds to wait after this *attempt* failed with *error*; None if it was the last."""
        if attempt >= self.attempts:
            return None
        if isinstance(self.on, type | tuple):
            return self._backoff(attempt) if isinstance(error, self.on) else None
        verdict = self.on(error)
        if verdict is None or isinstance(verdict, bool):
            return self._backoff(attempt) if verdict else None
        seconds: Any = verdict.total_seconds() if isinstance(verdict, timedelta) else verdict
        if not isinstance(seconds, int | float) or not isfinite(seconds) or seconds < 0:
            choices = "True, False, or a number of seconds from 0 up"
            raise wrong(verdict, "what retry's function returned", choices, int, float, timedelta)
        return float(seconds)

    def _backoff(self, attempt: int) -> float:
        doubled: float = self.wait_initial * 2.0 ** min(attempt - 1, 60)
        return min(self.wait_max, doubled + random.uniform(0.0, self.wait_jitter))


def _is_exception_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def as_retry(value: object) -> Retry:
    """What was passed as `retry=`: a policy, or a number of attempts on any Exception."""
    if isinstance(value, Retry):
        return value
    choices = "a concurkit.Retry, a whole number of attempts from 1 up, or None for one attempt"
    try:
        attempts = whole(value, "retry")
    except (TypeError, ValueError) as error:
        raise wrong(value, "retry", choices, int) from error.__cause__
    return Retry(attempts=attempts, on=Exception)
