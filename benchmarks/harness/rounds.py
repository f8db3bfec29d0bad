"""Rounds: A B C, then B C A, …, so that a slow minute of the machine falls on everybody."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import quiet
from .environment import BENCHMARKS, CHECKOUT, Environment
from .model import Contender, Metric, Sample, Scenario, label


@dataclass(frozen=True, slots=True)
class Failed:
    """A round that gave no sample, and why in one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is asked: rounds, small sizes or real ones, seconds to wait for a quiet machine."""

    rounds: int
    quick: bool
    patience: float

    def tasks(self, scenario: Scenario, contender: Contender) -> int:
        whole = scenario.quick_tasks if self.quick else scenario.tasks
        return max(1, round(whole * contender.share))


@dataclass(slots=True)
class Record:
    """All that one contender did in a scenario."""

    contender: Contender
    samples: list[Sample] = field(default_factory=list)
    failed: Failed | None = None

    def values(self, metric: Metric) -> list[float]:
        return [metric.of(sample) for sample in self.samples]


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario with its records, and how busy others kept the machine meanwhile."""

    scenario: Scenario
    effort: Effort
    records: Sequence[Record]
    others_busy: float

    def median(self, record: Record) -> float:
        return statistics.median(record.values(self.scenario.metric))

    def ranked(self) -> list[Record]:
        """Best and fastest first, those without a sample last."""
        done = [record for record in self.records if record.samples]
        done.sort(key=lambda record: (-self._best(record), self.median(record)))
        return done + [record for record in self.records if not record.samples]

    def _best(self, record: Record) -> float:
        name = self.scenario.best
        return min(float(sample.extras[name]) for sample in record.samples) if name else 0.0

    def ours(self) -> float | None:
        """The median that ratios are to: that of the first of ours that ran."""
        return self._first(lambda contender: contender.kind == "ours")

    def reference(self) -> float | None:
        return self._first(lambda contender: contender.name == self.scenario.reference)

    def _first(self, wanted: Callable[[Contender], bool]) -> float | None:
        found = (one for one in self.records if one.samples and wanted(one.contender))
        return next(map(self.median, found), None)


def play(
    scenario: Scenario, contenders: Sequence[Contender], effort: Effort, environment: Environment
) -> Played:
    """Run all rounds of a scenario; a contender that fails sits out the rest."""
    records = [Record(contender) for contender in contenders]
    busiest = 0.0
    for number in range(effort.rounds):
        print(f"{scenario.name}: round {number + 1} of {effort.rounds}", file=sys.stderr)
        for record in rotated(records, number):
            if record.failed:
                continue
            busiest = max(busiest, quiet.wait(effort.patience))
            tasks = effort.tasks(scenario, record.contender)
            outcome = run_once(scenario, record.contender, tasks, environment)
            if isinstance(outcome, Failed):
                record.failed = outcome
            else:
                record.samples.append(outcome)
    return Played(scenario, effort, records, busiest)


def rotated(records: Sequence[Record], by: int) -> Iterator[Record]:
    start = by % len(records)
    yield from records[start:]
    yield from records[:start]


def run_once(
    scenario: Scenario, contender: Contender, tasks: int, environment: Environment
) -> Sample | Failed:
    """One contender, one round, a fresh process; whatever it leaves behind is ended with it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "sample.json")
        command: list[str | Path] = [environment.python, "-m", "harness.child"]
        command += [scenario.name, label(contender), str(tasks), out]
        with Path(folder, "stderr.txt").open("w+") as stderr:
            process = subprocess.Popen(
                command,
                cwd=BENCHMARKS,
                env=environment.variables(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
            timed_out = _wait(process, scenario.limit)
            stderr.seek(0)
            return _read(out, stderr.read(), timed_out, scenario.limit)


def _wait(process: subprocess.Popen[bytes], limit: float) -> bool:
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        return True
    finally:
        _end_session(process)
    return False


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the session that this process leads, workers included."""
    if os.name == "nt":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(out: Path, stderr: str, timed_out: bool, limit: float) -> Sample | Failed:
    if not out.exists():
        if timed_out:
            return Failed(f"did not end within {limit:g} s")
        last = (stderr.strip().splitlines() or ["no word"])[-1]
        return Failed(f"its process died: {last}")
    found = json.loads(out.read_text())
    if "error" in found:
        word = "not available" if found["missing"] else "failed"
        return Failed(f"{word}: {found['error']}".replace(str(CHECKOUT), "."))
    return Sample(found["seconds"], found["tasks"], found["extras"])
