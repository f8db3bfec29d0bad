"""Keeping Ctrl-C out of where it would leave half a step done: a task started that nobody knows."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Generator[None]:
    """A Ctrl-C that comes meanwhile takes effect afterwards; only the main thread sees any."""
    here = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGINT) if here else None
    if not callable(previous):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if came:
            previous(*came[0])
