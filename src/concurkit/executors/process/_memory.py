"""How much memory a process takes: its resident size now, and the most it ever was."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec

from ..._arguments import whole, wrong

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_CHOICES = "a number of bytes from 1 up, a text such as '2GiB' or '500MB', or None for no limit"

_SIZE = re.compile(r"\s*(\d{1,15}(?:_\d{3})*(?:\.\d*)?|\.\d+)\s*([kmgt]?i?)b?\s*")

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def check_size(value: object, name: str) -> int | None:
    """*value* in bytes; None is no limit."""
    if value is None:
        return None
    if not isinstance(value, str):
        return whole(value, name, "a text such as '2GiB', or None for no limit")
    match = _SIZE.fullmatch(value.lower())
    unit = match and (_UNITS | _BINARY).get(match[2])
    size = int(float(match[1].replace("_", "")) * unit) if match and unit else 0
    if size < 1:
        raise wrong(value, name, _CHOICES, str)
    return size


def shown_size(size: float) -> str:
    """A number of bytes, short."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"


def can_tell() -> bool:
    """Whether the resident size of a process can be read on this system."""
    return sys.platform == "linux" or find_spec("psutil") is not None


def resident(pid: int) -> int:
    """The resident size of a process in bytes; 0 if it is gone.

    On Linux the kernel's own account; elsewhere psutil's.
    """
    try:
        return _resident(pid)
    except Exception:
        return 0


if sys.platform == "linux":

    def _resident(pid: int) -> int:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * _PAGE

else:

    def _resident(pid: int) -> int:
        import psutil

        return int(psutil.Process(pid).memory_info().rss)


if sys.platform == "win32":

    def peak() -> int:
        """The most memory that this process ever took, in bytes; 0 where it can't be told."""
        return 0

else:
    import resource

    def peak() -> int:
        """The most memory that this process ever took, in bytes; 0 where it can't be told."""
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
