"""The machine, in words that a reader can judge figures by. No host name, no paths."""

import os
import platform
import sys
from pathlib import Path
from typing import Any


def description() -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cpus": cpus(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {_major_minor(platform.release())}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
    }


def cpus() -> int:
    """The processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _memory_gb() -> int | None:
    kilobytes = _field(Path("/proc/meminfo"), "MemTotal").split()
    return round(int(kilobytes[0]) / 2**20) if kilobytes else None


def _field(file: Path, name: str) -> str:
    """What a file of `name: value` lines says of a name, or nothing."""
    if file.exists():
        for line in file.read_text().splitlines():
            if line.startswith(name):
                return line.partition(":")[2].strip()
    return ""


def _major_minor(release: str) -> str:
    """A kernel's number without the builder's own words behind it."""
    return ".".join(release.split("-")[0].split(".")[:2])
