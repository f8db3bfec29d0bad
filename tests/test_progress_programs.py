"""Progress of real programs, in real terminals and pipes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shown_runs import on_screen

HERE = Path(__file__).parent


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from concurkit.observers.progress import observer_for
from shown_runs import Run
run = Run(observer_for("real"), 4)
{body}
"""


def on_pty(body: str, columns: int = 0, **environ: str) -> list[str]:
    """What stands on a real terminal after a program; without *columns* of no known size."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    main, side = pty.openpty()
    if columns:
        termios.tcsetwinsize(side, (24, columns))
    code = SCRIPT.format(here=str(HERE), body=body)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stderr=side,
        stdout=side,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environ},
    ) as program:
        os.close(side)
        written = b"".join(iter(lambda: _read(main), b""))
    os.close(main)
    assert program.returncode == 0, written
    return on_screen(written.decode().replace("\r\n", "\n"))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""


@pytest.mark.parametrize("columns", [0, 50, 120])
def test_a_real_terminal_of_any_width(columns: int) -> None:
    pytest.importorskip("tqdm")
    lines = on_pty("run.end(0, 1, 2, 3); run.close(); print('after')", columns)

    assert len(lines) == 2
    assert re.match(r"real: 100%\|█+\| 4/4 \[00:0\d<00:00,", lines[0])
    assert len(lines[0]) <= (columns or 80)
    assert lines[1] == "after"


def test_a_program_that_ends_in_a_run_ends_in_peace() -> None:
    """The bar is as it was, nothing is written by a thread when the interpreter is gone."""
    [last] = on_pty("run.end(0)")

    assert last.startswith("real:")
    assert "Error" not in last


def test_a_pipe_gets_lines() -> None:
    code = SCRIPT.format(here=str(HERE), body="run.end(0, 1, 2, 3); run.close()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert re.fullmatch(r"real: 4 of 4 tasks \(100%\) in 0:0\d.*\n", done.stderr)


def test_a_reader_that_went_away_ends_the_lines_only() -> None:
    code = SCRIPT.format(here=str(HERE), body="run.end(0); run.close(); print('went on')")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writing, text=True, check=False
    )
    os.close(writing)

    assert done.stdout == "went on\n"


def test_tqdm_can_be_turned_off_by_its_own_variable() -> None:
    pytest.importorskip("tqdm")
    assert on_pty("run.end(0)", TQDM_DISABLE="1") == []
