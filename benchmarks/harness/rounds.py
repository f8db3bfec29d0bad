"""Rounds: A B C, then B C A, …, so that a slow minute of the machine falls on everybody."""

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import quiet
from .environment import BENCHMARKS, CHECKOUT, Environment
from .measured import NOT_AVAILABLE, Measured, Row, described
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

    def sits_out(self, number: int) -> bool:
        most = self.contender.rounds
        return self.failed is not None or (most is not None and number >= most)

    def row(self, metric: Metric) -> Row:
        return Row(
            name=self.contender.name,
            settings="; ".join([self.contender.settings, *self._given_less()]),
            kind=self.contender.kind,
            values=tuple(metric.of(sample) for sample in self.samples),
            samples=tuple(self.samples),
            failed=self.failed.reason if self.failed else None,
        )

    def _given_less(self) -> Iterator[str]:
        if self.samples and self.contender.share != 1:
            yield f"{self.samples[0].tasks:,} tasks"
        if self.samples and self.contender.rounds == len(self.samples):
            yield f"{len(self.samples)} rounds"


def play(
    scenario: Scenario, contenders: Sequence[Contender], effort: Effort, environment: Environment
) -> Measured:
    """Run all rounds of a scenario; a contender that fails sits out the rest."""
    records = [Record(contender) for contender in contenders]
    busiest = 0.0
    for number in range(effort.rounds):
        print(f"{scenario.name}: round {number + 1} of {effort.rounds}", file=sys.stderr)
        for record in rotated(records, number):
            if record.sits_out(number):
                continue
            busiest = max(busiest, quiet.wait(effort.patience))
            tasks = effort.tasks(scenario, record.contender)
            outcome = run_once(scenario, record.contender, tasks, environment)
            if isinstance(outcome, Failed):
                record.failed = outcome
            else:
                record.samples.append(outcome)
    return described(
        scenario,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        rounds=effort.rounds,
        quick=effort.quick,
        others_busy=round(busiest, 2),
        rows=tuple(record.row(scenario.metric) for record in records),
    )


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
        word = NOT_AVAILABLE if found["missing"] else "failed"
        return Failed(f"{word}: {found['error']}".replace(str(CHECKOUT), "."))
    return Sample(found["seconds"], found["tasks"], found["extras"])
