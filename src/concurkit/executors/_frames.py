"""Stacks in words, as faulthandler writes them: the most recent call first, and none of ours."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

from .._worker_loop import awaited_in

_DEEPEST = 100  # frames, as with faulthandler

_FRAME = re.compile(r'^  File "(.*)", line (?:\d+|\?\?\?) in (.*)$')
_OURS = re.compile(r"concurkit.(_batch|_setup|_worker_loop|executors._slot_flight)\.py$")
_BETWEEN = re.compile(_OURS.pattern + r"|asyncio.(runners|base_events|events)\.py$")


def python_stack(dump: str) -> str:
    """The frames of the task from what faulthandler wrote, without ours below them."""
    frames = [found for found in map(_FRAME.match, dump.splitlines()) if found is not None]
    ours = [at for at, frame in enumerate(frames) if _OURS.search(frame[1])]
    if ours:  # the lowest may have others above it, of runs inside the task
        lowest = ours[-1]
        while lowest and _BETWEEN.search(frames[lowest - 1][1]):
            lowest -= 1
        frames = frames[:lowest]
    return "\n".join(frame[0] for frame in frames[:_DEEPEST])


def thread_stack(ident: int, base: FrameType | None = None) -> str | None:
    """What a thread of this interpreter does for its task: all that is above *base*, less ours.

    If the task is a coroutine that waits, where it does: its loop only waits for that. None if
    the thread is not at a task.
    """
    return task_stack(awaited_in(ident), ident, base)


def task_stack(awaited: Any, ident: int, base: FrameType | None = None) -> str | None:
    """What a coroutine does: where it waits, or else what the thread of its loop does."""
    if _waits(awaited):
        return coroutine_stack(awaited)
    frame = sys._current_frames().get(ident)
    frames: list[FrameType] = []
    while frame is not None and frame is not base:
        frames.append(frame)
        frame = frame.f_back
    if _waits(awaited):  # by now, and perhaps when the frames were taken
        return coroutine_stack(awaited)
    if not any(_OURS.search(frame.f_code.co_filename) for frame in frames):
        return None
    return python_stack(_written(frames))


def _waits(awaited: Any) -> bool:
    """Whether this is a coroutine that has neither ended nor is at work."""
    return getattr(awaited, "cr_frame", None) is not None and not awaited.cr_running


def coroutine_stack(coroutine: Any) -> str:
    """Where a coroutine waits: what it awaits, and what that awaits, down to the last."""
    frames: list[FrameType] = []
    awaited = coroutine
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:  # a future, or something else that is no code of Python's
            break
        frames.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return _written(reversed(frames[-_DEEPEST:]))


def _written(frames: Iterable[FrameType]) -> str:
    lines = []
    for frame in frames:
        code, line = frame.f_code, frame.f_lineno
        where = "???" if line is None else line  # pyright: ignore[reportUnnecessaryComparison]
        lines.append(f'  File "{code.co_filename}", line {where} in {code.co_name}')
    return "\n".join(lines)


class Footing:
    """Where a batch runs that is in a thread of somebody else's."""

    __slots__ = ("_base", "_ident")

    def __init__(self) -> None:
        self._ident: int | None = None
        self._base: FrameType | None = None

    def enter(self) -> None:
        """The calling code runs the batch."""
        self._ident = threading.get_ident()
        self._base = sys._getframe(1)

    def leave(self) -> None:
        """It does no more; the frame is let go."""
        self._ident = self._base = None

    def stack(self) -> str | None:
        """What the running task does; None if the batch does not run here."""
        ident, base = self._ident, self._base
        return None if ident is None else thread_stack(ident, base)
