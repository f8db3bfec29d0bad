"""The environment the contenders live in: `benchmarks/.venv/<python>`, made once, then reused."""

import hashlib
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
CHECKOUT = BENCHMARKS.parent
REQUIREMENTS = BENCHMARKS / "requirements.txt"
PROJECT = CHECKOUT / "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment for this interpreter's version and build."""

    home: Path

    @property
    def python(self) -> Path:
        folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return self.home / folder / name

    def holds(self, what: str, mark: str) -> bool:
        """Whether `what` was installed as `mark` says, in an earlier run."""
        stamp = self._stamp(what)
        return stamp.exists() and stamp.read_text() == mark

    def note(self, what: str, mark: str) -> None:
        self._stamp(what).write_text(mark)

    def _stamp(self, what: str) -> Path:
        return self.home / f"{what}.installed"

    def variables(self) -> dict[str, str]:
        """The variables of a run: the caller's, without those that change Python itself."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return kept | {"PYTHONPATH": str(BENCHMARKS)}


def fingerprint(file: Path) -> str:
    """Changes with the interpreter and with what the file says."""
    text = file.read_bytes() if file.exists() else b""
    return hashlib.sha256(sys.version.encode() + text).hexdigest()


def tag() -> str:
    """The folder's name: `3.13` or, free-threaded, `3.13t`."""
    free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info.major}.{sys.version_info.minor}{free_threaded}"


def prepare() -> Environment:
    """Make the environment, or reuse it; what can't be installed is told and left out."""
    environment = Environment(BENCHMARKS / ".venv" / tag())
    peers, ours = fingerprint(REQUIREMENTS), fingerprint(PROJECT)
    if not environment.holds("peers", peers):
        _say(f"preparing benchmarks/.venv/{tag()} …")
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment.home], check=True)
        _install_peers(environment)
        environment.note("peers", peers)
    if not environment.holds("concurkit", ours):
        if _install(environment, "--editable", str(CHECKOUT)):
            environment.note("concurkit", ours)
        else:
            _say("concurkit could not be installed from the checkout")
    return environment


def _install_peers(environment: Environment) -> None:
    """All at once; where that fails, one by one, since one peer may lag behind a new Python."""
    if _install(environment, "--requirement", str(REQUIREMENTS)):
        return
    for wanted in requirements():
        if not _install(environment, wanted):
            _say(f"{wanted} could not be installed for Python {tag()}")


def requirements() -> list[str]:
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return [line for line in lines if line]


def _install(environment: Environment, *what: str) -> bool:
    command: list[str | Path] = [environment.python, "-m", "pip", "install", "--quiet", *what]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
