"""The JSON file: every sample, with what is needed to judge it. No host names, no paths.

A run adds to the file: a scenario that is measured anew takes the place of its old figures, the
others stay. So a long run can be made in parts, on one machine and with one set of versions.
"""

import json
import math
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import machine
from .environment import Environment, requirements
from .measured import Measured, Row
from .model import Sample


class OtherMachineError(Exception):
    """Raised when figures would be mixed with some of another machine, Python or version."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the file holds: where it was measured, and each scenario."""

    machine: dict[str, Any]
    versions: dict[str, str]
    scenarios: tuple[Measured, ...] = ()

    def scenario(self, name: str) -> Measured | None:
        return next((one for one in self.scenarios if one.name == name), None)

    def adding(self, measured: Measured, order: Sequence[str]) -> "Figures":
        """With these figures in the place of older ones, in the order that is told."""
        kept = [one for one in self.scenarios if one.name != measured.name]
        places = {name: place for place, name in enumerate(order)}
        scenarios = sorted([*kept, measured], key=lambda one: places.get(one.name, len(places)))
        return replace(self, scenarios=tuple(scenarios))


def beginning(path: Path | None, environment: Environment) -> Figures:
    """What a run adds to: the file's figures, if it is there and was measured here."""
    here = Figures(machine.description(), versions(environment))
    if path is None or not path.exists():
        return here
    there = load(path)
    if (there.machine, there.versions) != (here.machine, here.versions):
        raise OtherMachineError(
            f"{path} holds figures of another machine, Python or version of a library; "
            "remove it, or name another file"
        )
    return there


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


# Writing and reading -----------------------------------------------------------------------------


def save(path: Path, figures: Figures) -> None:
    whole = {
        "machine": figures.machine,
        "versions": figures.versions,
        "scenarios": [_scenario(one) for one in figures.scenarios],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> Figures:
    found = json.loads(path.read_text(encoding="utf-8"))
    scenarios = tuple(_measured(one) for one in found["scenarios"])
    return Figures(found["machine"], found["versions"], scenarios)


def _scenario(measured: Measured) -> dict[str, Any]:
    base = measured.base()
    rows = [_row(row, base) for row in measured.rows]
    return asdict(replace(measured, rows=())) | {"rows": rows}


def _row(row: Row, base: float | None) -> dict[str, Any]:
    """The row, and what follows from it, for readers without this code."""
    summary = {
        "median": _finite(row.median) if row.values else None,
        "ratio_to_ours": _finite(row.median / base) if row.values and base else None,
    }
    return asdict(row) | summary | {"values": [_finite(value) for value in row.values]}


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def _measured(found: dict[str, Any]) -> Measured:
    rows = tuple(_row_of(row) for row in found["rows"])
    columns, drawn = tuple(found["columns"]), tuple(found["drawn"])
    return Measured(**found | {"rows": rows, "columns": columns, "drawn": drawn})


def _row_of(found: dict[str, Any]) -> Row:
    return Row(
        name=found["name"],
        settings=found["settings"],
        kind=found["kind"],
        values=tuple(math.inf if value is None else value for value in found["values"]),
        samples=tuple(Sample(**sample) for sample in found["samples"]),
        failed=found["failed"],
    )
