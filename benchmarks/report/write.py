"""Writes the page and its pictures from a JSON file."""

import subprocess
import sys
from pathlib import Path

from harness.environment import BENCHMARKS, Environment
from harness.figures import load

from .page import page


def write(figures: Path, target: Path, environment: Environment) -> None:
    """`docs/benchmarks.md`, and beside it `docs/benchmarks/` with the pictures."""
    folder = target.with_suffix("")
    drawn = draw(figures, folder, environment)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = page(load(figures), folder.name if drawn else None)
    target.write_text(text, encoding="utf-8")


def draw(figures: Path, folder: Path, environment: Environment) -> bool:
    """In the contenders' environment; where that has no Matplotlib, it is told and left out."""
    command: list[str | Path] = [environment.python, "-m", "report.draw"]
    command += [figures.resolve(), folder.resolve()]
    done = subprocess.run(
        command, cwd=BENCHMARKS, env=environment.variables(), capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        print(f"no pictures: {last}", file=sys.stderr)
    return done.returncode == 0
