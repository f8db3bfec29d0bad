"""How busy the machine is with other things, asked while no contender runs (Linux; else 0)."""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
LOOK_SECONDS = 0.2
QUIET = 0.25
"""Cores: up to here the machine counts as quiet."""


def wait(patience: float) -> float:
    """Wait up to `patience` seconds for a quiet machine; return the cores last seen in use."""
    until = time.monotonic() + patience
    busy = look()
    while busy > QUIET and time.monotonic() < until:
        busy = look()
    return busy


def look() -> float:
    """Cores in use just now."""
    if not STAT.exists():
        return 0.0
    before, start = _busy_seconds(), time.monotonic()
    time.sleep(LOOK_SECONDS)
    return (_busy_seconds() - before) / (time.monotonic() - start)


def _busy_seconds() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, STAT.read_text().split("\n", 1)[0].split()[1:9]
    )
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")
