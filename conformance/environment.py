"""Where the contenders are installed: `conformance/.venv/<python>`, made once, then reused."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
REQUIREMENTS = HERE / "requirements.txt"


def tag() -> str:
    """The Python by its version: `3.13` or, free-threaded, `3.13t`."""
    free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info.major}.{sys.version_info.minor}{free_threaded}"


def prepare() -> Path:
    """The environment's Python; what can't be installed for it is told and left out."""
    home = HERE / ".venv" / tag()
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    python, stamp = home / folder / name, home / "installed"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"preparing conformance/.venv/{tag()} ...", file=sys.stderr)
    make = [CHECKOUT / ".ci" / "make-venv", home, sys.executable]
    if os.name == "nt":
        make = [sys.executable, "-m", "venv", "--clear", home]
    subprocess.run(make, check=True, capture_output=True)
    for one in ["--editable=" + str(CHECKOUT), *_lines(wanted)]:
        command = [python, "-m", "pip", "install", "--quiet", one]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            print(f"{one} could not be installed for Python {tag()}", file=sys.stderr)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def version(python: Path, package: str) -> str | None:
    """The version of a package in the environment; None if it is not there."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _lines(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
