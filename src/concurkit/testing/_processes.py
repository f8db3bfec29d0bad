"""Which processes and descriptors there are: from /proc where there is one, else from psutil."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ._check import NotApplicable

# In the environment of all that a check starts, so that none of it is missed at the end.
MARK = "CONCURKIT_CHECK"

_DYING = 5.0  # seconds within which what was killed should be gone
_PROC = Path("/proc")
_LINUX = sys.platform == "linux" and (_PROC / "self" / "stat").exists()


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    if _LINUX:
        return _state(pid) not in ("", "Z", "X")
    psutil = _psutil()
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def count_alive(pids: Iterable[int]) -> int:
    """How many of these processes run."""
    return sum(map(alive, pids))


def descendants(pid: int) -> set[int]:
    """The processes that *pid* has started, and those that they have."""
    if not _LINUX:
        return {child.pid for child in _psutil().Process(pid).children(recursive=True)}
    parents = {child: _parent(child) for child in _pids()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def descriptors() -> Iterator[str]:
    """What each open descriptor of this process is: a pipe, a socket, a file by its name."""
    if not _LINUX:
        yield from ["descriptor"] * _handles(_psutil().Process())
        return
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the one that listed the directory
            yield os.readlink(f"/proc/self/fd/{number}").partition(":")[0]


def end_marked(mark: str) -> None:
    """Kill every process that has *mark* in its environment, and wait until it is gone."""
    until = time.monotonic() + _DYING
    while found := list(_marked(mark)):  # again, since one may have started another
        for pid in found:
            with suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        if time.monotonic() > until:
            return
        time.sleep(0.005)


def _marked(mark: str) -> Iterator[int]:
    if _LINUX:
        wanted = f"{MARK}={mark}".encode()
        for pid in _pids():
            with suppress(OSError):
                if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                    yield pid
        return
    try:
        psutil = _psutil()
    except NotApplicable:  # they are left to end by themselves
        return
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                yield process.pid


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may have spaces and brackets itself."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "0"]


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _handles(process: Any) -> int:
    count: Callable[[], int] = getattr(process, "num_fds", None) or process.num_handles
    return count()


def _psutil() -> Any:
    try:
        import psutil  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise NotApplicable("this needs psutil on this system: pip install psutil") from None
    return psutil
