"""`kill -USR1 PID` prints what all runs are at, in a program started with CONCURKIT_DEBUG=1.

The handler only wakes a thread of ours, which is there from the first run to the program's end:
the signal may come in the middle of anything.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ._daemons import DAEMON

if TYPE_CHECKING:
    from ._drive import Drive

_VARIABLE = "CONCURKIT_DEBUG"

_runs: dict[int, weakref.ref[Drive]] = {}  # under way, by their identity
_asked: SimpleQueue[None] = SimpleQueue()


class _State:
    """What is known of this program: whether it wants this, has it, and was told why not."""

    wanted: bool | None = None
    listening = False
    warned = False


def note_run(drive: Drive) -> None:
    """A run is about to start; the first one finds out whether the program wants this."""
    if _State.wanted is None:
        _State.wanted = os.environ.get(_VARIABLE, "") not in ("", "0") and DAEMON
    if not _State.wanted:
        return
    number = id(drive)
    _runs[number] = weakref.ref(drive, lambda _: _runs.pop(number, None))
    if not _State.listening:
        _listen()


def _listen() -> None:
    """Set the handler, or warn once why that can't be."""
    import signal
    import warnings

    usr1: Any = getattr(signal, "SIGUSR1", None)
    why = _why_not(usr1)
    if why is None:
        _State.listening = True
        threading.Thread(target=_serve, args=[_asked], name="concurkit-debug", daemon=True).start()
        if signal.getsignal(usr1) is not _ask:
            signal.signal(usr1, _ask)
    elif not _State.warned:
        _State.warned = True
        text = f"{_VARIABLE} is set, but kill -USR1 will not print what runs: {why}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _why_not(usr1: Any) -> str | None:
    """Why the handler can't be set; None if it can, or if a forked process has it already."""
    import signal

    if usr1 is None:
        return "this system has no SIGUSR1"
    handler = signal.getsignal(usr1)
    if handler is _ask:
        return None
    if threading.current_thread() is not threading.main_thread():
        return (
            "a run was started in another thread first, and only the main thread may set handlers"
        )
    if handler is signal.SIG_IGN:
        return "the program ignores SIGUSR1, or was started so"
    if handler is not signal.SIG_DFL or _is_caught(usr1):
        return "the program has a handler for SIGUSR1 of its own"
    return None


def _is_caught(number: int) -> bool:
    """Whether a signal has a handler, by the system: Python knows of none that was set in C.

    As faulthandler does, say. Only Linux tells; elsewhere it is False.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            caught = next((line for line in status if line.startswith("SigCgt:")), "SigCgt: 0")
    except OSError:
        return False
    return bool(int(caught.split()[1], 16) >> number - 1 & 1)


def _ask(*_: object) -> None:
    """Handle the signal; a call of this may interrupt another one."""
    if _State.listening:
        _asked.put(None)
        return
    # In a forked process that has begun no run there is no thread to ask, and a handler is no
    # place to start one. Nor for buffers, whose lock the interrupted code may have.
    with contextlib.suppress(Exception):
        os.write(sys.stderr.fileno(), _head(0).encode())


def _begin_anew() -> None:
    """In a forked process: the runs and the thread are the parent's, only the handler is there."""
    global _asked  # noqa: PLW0603 - the parent's thread may have been about to take from it
    _State.listening = False
    _asked = SimpleQueue()
    _runs.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _serve(asked: SimpleQueue[None]) -> None:
    import traceback

    while True:
        asked.get()
        try:
            text = report()
            sys.stderr.write(text)
            sys.stderr.flush()
        except Exception:
            traceback.print_exc()


def report() -> str:
    """What all runs of this program are at, with the stacks of their workers."""
    from ._stacks import stacks

    drives = [drive for ref in list(_runs.values()) if (drive := ref()) and not drive.over]
    lines = [_head(len(drives)).rstrip()]
    for drive in drives:
        running = stacks(drive)
        tally, length = drive.schedule.tally, drive.schedule.terms.length
        known = "" if length is None else f" of {length}"
        lines.append(
            f"a run: {tally.ended}{known} tasks ended, {tally.failed} of them failed, "
            f"{len(running)} running"
        )
        lines.extend(f"- {one}" for one in running)
    return "\n".join(lines) + "\n"


def _head(runs: int) -> str:
    return f"concurkit: {runs} run{'s' * (runs != 1)} under way (pid {os.getpid()})\n"
