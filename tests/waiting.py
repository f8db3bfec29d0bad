"""Waiting for a state that nothing announces."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    """What *condition* gives, once that is true; fails the test if it is not within *seconds*.

    Awake now and then: without a GIL, what another thread has let go is freed by its owner's.
    """
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.002)
    return found
