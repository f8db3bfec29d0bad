"""Running a small program in a fresh interpreter and reading what it prints."""

import subprocess
import sys
from pathlib import Path


class ProgramError(Exception):
    """Raised when the program fails; holds the last line it wrote to stderr."""


def output(*arguments: str | Path) -> str:
    """What a fresh interpreter of this environment prints, given these arguments."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        kind, _, text = last.partition(": ")
        if kind in {"ImportError", "ModuleNotFoundError"}:
            raise ImportError(text)
        raise ProgramError(last)
    return done.stdout
