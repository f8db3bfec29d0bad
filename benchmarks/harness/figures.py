"""The JSON file: every sample, with what is needed to judge it. No host names, no paths."""

import datetime as dt
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .environment import Environment, requirements
from .rounds import Effort, Played, Record


def save(path: Path, played: Sequence[Played], effort: Effort, environment: Environment) -> None:
    whole = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "effort": asdict(effort),
        "versions": versions(environment),
        "scenarios": [_scenario(one) for one in played],
    }
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions(environment: Environment) -> dict[str, str]:
    """The installed version of ours and of every peer."""
    names = ["concurkit", *(wanted.partition("==")[0] for wanted in requirements())]
    script = (
        "import json, sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
        "found = {}\nfor name in sys.argv[1:]:\n"
        "    try: found[name] = version(name)\n"
        "    except PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    command: list[str | Path] = [environment.python, "-c", script, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _scenario(played: Played) -> dict[str, Any]:
    scenario = played.scenario
    return {
        "name": scenario.name,
        "title": scenario.title,
        "unit": scenario.metric.unit,
        "others_busy_cores": round(played.others_busy, 2),
        "contenders": [_contender(record, played) for record in played.ranked()],
    }


def _contender(record: Record, played: Played) -> dict[str, Any]:
    values = record.values(played.scenario.metric)
    ours = played.ours()
    return {
        "name": record.contender.name,
        "settings": record.contender.settings,
        "kind": record.contender.kind,
        "failed": record.failed.reason if record.failed else None,
        "median": _finite(statistics.median(values)) if values else None,
        "min": _finite(min(values)) if values else None,
        "max": _finite(max(values)) if values else None,
        "ratio_to_ours": _finite(statistics.median(values) / ours) if values and ours else None,
        "samples": [asdict(sample) for sample in record.samples],
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
