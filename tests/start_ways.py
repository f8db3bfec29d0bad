"""Every way to start a program, with what it left behind when it ended.

The program is that of `start_kinds`, which is read as text and never imported here.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import uuid
import zipapp
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

SECONDS = 60.0  # for a program that hangs

TEXT = (Path(__file__).parent / "start_kinds.py").read_text(encoding="utf-8")
KINDS, _, RUN = TEXT.partition("# ---- the program\n")
GUARDED = f'{KINDS}\nif __name__ == "__main__":\n{indent(RUN, "    ")}'

# Whoever asks for "fork" is warned from Python 3.12 on; 3.15 lets that be an error.
STRICT = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]


@dataclass
class Start:
    """The arguments of the interpreter, and what the program reads from a pipe or a terminal."""

    args: list[Any]
    stdin: str | None = None
    typed: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    not_ours: str = "-"  # how the names of temporary files begin that others leave


@dataclass
class Ending:
    """What is known of a program after its end."""

    code: int
    out: str
    err: str
    left: list[str]
    home: Path

    @property
    def runs(self) -> list[str]:
        """The process of each time that the program's own text was run."""
        return (self.home / "runs").read_text().split()

    def table(self, name: str) -> Any:
        """What the program wrote down under this name."""
        path = self.home / "tables" / name
        assert path.exists(), f"exit code {self.code}\n{self.out}\n{self.err}"
        return json.loads(path.read_text())


# ---- the ways -----------------------------------------------------------------------------------


def _write(home: Path, name: str, text: str) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _script(text: str) -> Callable[[Path], Start]:
    return lambda home: Start([*STRICT, _write(home, "script.py", text)])


def _command(home: Path) -> Start:
    return Start([*STRICT, "-c", TEXT])


def _module(home: Path) -> Start:
    _write(home, "pkg/__init__.py", "")
    _write(home, "pkg/mod.py", TEXT)
    return Start([*STRICT, "-m", "pkg.mod"])


def _package(home: Path) -> Start:
    _write(home, "pkg/__init__.py", "")
    _write(home, "pkg/__main__.py", TEXT)
    return Start([*STRICT, "-m", "pkg"])


def _zipped(home: Path) -> Start:
    _write(home, "app/beside.py", "def give(value):\n    return value\n")
    beside = 'import beside\nKINDS["function of a module beside it"] = Task(beside.give, 1)\n'
    _write(home, "app/__main__.py", f"{KINDS}\n{beside}\n{RUN}")
    zipapp.create_archive(home / "app", home / "app.pyz")
    return Start([*STRICT, home / "app.pyz"])


def _standard_input(*args: str) -> Callable[[Path], Start]:
    return lambda home: Start([*STRICT, *args], stdin=TEXT)


def _terminal(**environ: str) -> Callable[[Path], Start]:
    return lambda home: Start([*STRICT, "-q", "-i"], typed=TEXT.split("\n\n"), environ=environ)


def _pytest(mode: str) -> Callable[[Path], Start]:
    tests = """
        import pytest

        @pytest.fixture
        def limit():
            return LIMIT

        @pytest.mark.parametrize("method", os.environ["STARTS_METHODS"].split())
        def test_every_kind(method):
            report(method)

        def test_local_functions(limit):
            def local(x):
                return x + limit

            assert [11, 12] == run_concurrently(Task.map(local, [1, 2]), mode="process")
    """

    def start(home: Path) -> Start:
        path = _write(home, "tests/test_kinds.py", KINDS + dedent(tests))
        options = ["-q", "-p", "no:cacheprovider", f"--import-mode={mode}", f"--rootdir={home}"]
        # Without -P the working directory is on the path, and with it what importlib mode imports.
        quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return Start([*STRICT, "-P", "-m", "pytest", *options, path], environ=quick)

    return start


def _notebook(home: Path) -> Start:
    redefined = """
        found.append(run_concurrently(Task.map(versioned, [1, 2]), mode="process"))
        found.append(run_concurrently(Task.map(versioned, [1, 2]), mode=kept))
        found.append(run_concurrently(Task.map(lambda x: add_later(x, 1), [1, 2]), mode=kept))
    """
    cells = [
        *KINDS.split("\n# ---- "),
        RUN,
        "def versioned(x):\n    return x + 1",
        "found, kept = [], ProcessExecutor(2)",
        dedent(redefined),
        "def versioned(x):\n    return x * 10",
        "async def add_later(x, y):\n    return versioned(x) + y",
        dedent(redefined),
        "kept.shutdown()",
        '_ = Path(os.environ["STARTS_TABLES"], "redefined").write_text(json.dumps(found))',
    ]
    cells = [cells[0], *(f"# {cell}" if cell in KINDS else cell for cell in cells[1:])]
    reader = f"""
        import json, sys
        import nbclient, nbformat
        from traitlets.config import Config

        # Where there is no network there may be no loopback either.
        config = Config(KernelManager=dict(transport="ipc"))
        cells = map(nbformat.v4.new_code_cell, json.loads({json.dumps(cells)!r}))
        notebook = nbformat.v4.new_notebook(cells=list(cells))
        client = nbclient.NotebookClient(
            notebook, timeout=60, startup_timeout=60, kernel_name="here", config=config
        )
        client.execute()
        for cell in notebook.cells:
            for output in cell.outputs:
                print(output, file=sys.stderr)
    """
    # A kernel that is interrupted on its way out drops its own task with a line in asyncio's log.
    quiet = """
        __import__("logging").getLogger("asyncio").addFilter(
            lambda record: "coro=<Kernel.dispatch_control()" not in record.getMessage()
        )
    """
    _write(home, "ipython/profile_default/startup/quiet.py", dedent(quiet))
    spec: dict[str, Any] = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR"],
        "display_name": "here",
        "language": "python",
    }
    spec["argv"] += ["-f", "{connection_file}"]
    _write(home, "jupyter/kernels/here/kernel.json", json.dumps(spec))
    environ = {
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_RUNTIME_DIR": str(home),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(home / "ipython"),
    }
    # The standard fork server's directory stays behind a kernel, with plain multiprocessing too.
    path = _write(home, "reader.py", dedent(reader))
    return Start([path], environ=environ, not_ours="pymp-")


WAYS: dict[str, Callable[[Path], Start]] = {
    "script with a guard": _script(GUARDED),
    "script without a guard": _script(TEXT),
    "python -c": _command,
    "python -m pkg.mod": _module,
    "python -m pkg": _package,
    "python app.pyz": _zipped,
    "python < file": _standard_input(),
    "python - < file": _standard_input("-"),
    "terminal": _terminal(),
    "basic terminal": _terminal(PYTHON_BASIC_REPL="1"),
    "notebook": _notebook,
    "pytest": _pytest("prepend"),
    "pytest, importlib mode": _pytest("importlib"),
}


# ---- carrying them out --------------------------------------------------------------------------


def carry_out(start: Start, home: Path, methods: list[str]) -> Ending:
    """Start a program, wait for its end, and see what is left of it."""
    mark = uuid.uuid4().hex
    for name in ("temp", "tables"):
        (home / name).mkdir()
    (home / "runs").touch()
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HOME": str(home),  # for the history of a terminal
        "TMPDIR": str(home / "temp"),
        "TERM": "xterm",
        "NO_COLOR": "1",
        "STARTS_MARK": mark,
        "STARTS_METHODS": " ".join(methods),
        "STARTS_RUNS": str(home / "runs"),
        "STARTS_TABLES": str(home / "tables"),
        **start.environ,
    }
    command = [sys.executable, *map(str, start.args)]
    options: dict[str, Any] = {"cwd": home, "env": environ, "start_new_session": True}
    try:
        talk = _typed if start.typed else _piped
        code, out, err = talk(start, command, options)
        _, alive = psutil.wait_procs(_marked(mark), timeout=10)
        left = [" ".join(process.cmdline()) for process in alive]
        names = [path.name for path in (home / "temp").iterdir()]
        left += [name for name in names if not name.startswith(start.not_ours)]
    finally:
        for process in _marked(mark):
            process.kill()
    return Ending(code, out, err, left, home)


def _marked(mark: str) -> list[Any]:
    """The processes that a program started, wherever they went."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STARTS_MARK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _piped(start: Start, command: list[str], options: dict[str, Any]) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        **options,
        input=start.stdin or "",
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


# ---- a terminal ---------------------------------------------------------------------------------

PASTE_ON, PASTE, PASTED = "\x1b[?2004h", "\x1b[200~", "\x1b[201~"


def _typed(start: Start, command: list[str], options: dict[str, Any]) -> tuple[int, str, str]:
    """Type each block when the one before it is done, as a whole where that can be told."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (200, 200))
    process = subprocess.Popen(
        command,
        **options,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    os.close(theirs)
    terminal = _Terminal(ours)
    try:
        terminal.read_until(">>> ")
        for number, block in enumerate(start.typed):
            if PASTE_ON in terminal.seen:
                done = f"print('done', {number})"
                terminal.type(f"{PASTE}{block.strip()}\n{done}\n{PASTED}")
                terminal.read_until(re.escape(done))
                terminal.type("\r")
                terminal.read_until(rf"(?s)done {number}\r\n.*>>> ")
            else:
                for line in [*block.strip().split("\n"), ""]:
                    terminal.type(f"{line}\n")
                    terminal.read_until(r"\n(>>>|\.\.\.) \Z")
        terminal.type("exit()\r")
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
    return process.returncode, terminal.seen, err


class _Terminal:
    """The keyboard and the screen of a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._new = ""  # what was seen since the last key
        self.seen = ""

    def type(self, text: str) -> None:
        """Press these keys, while reading what they echo: or both sides would wait."""
        self._new = ""
        keys = text.encode()
        while keys:
            _, writable, _ = select.select([], [self._descriptor], [], SECONDS)
            assert writable, self.seen
            keys = keys[os.write(self._descriptor, keys[:256]) :]
            while select.select([self._descriptor], [], [], 0)[0]:
                self._read()

    def read_until(self, pattern: str) -> None:
        """Wait until this is seen, after what was there when the last key was pressed."""
        while not re.search(pattern, self._new):
            assert select.select([self._descriptor], [], [], SECONDS)[0], self.seen
            self._read()

    def _read(self) -> None:
        found = os.read(self._descriptor, 65536).decode(errors="replace")
        self.seen += found
        self._new += found
