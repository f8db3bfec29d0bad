"""Runs made up by hand for the tests of progress, and a terminal to show them in.

The fixtures are known to all tests by conftest.py.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest

from concurkit._stats import Stats
from concurkit.observers import (
    Observer,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    _bars,
    _lines,
    _plain,
    _rich,
    _show,
    progress,
)

_numbers = count(1)
_open: list[Run] = []


def close_all() -> None:
    """Close the runs that a test which failed has left, that no thread draws on."""
    for run in [*_open]:
        run.close()


class Run:
    """What a run would say to *observer*."""

    def __init__(
        self,
        observer: Observer | None,
        total: int | None = None,
        *,
        max_workers: int = 4,
        inside: Run | None = None,
    ) -> None:
        assert observer is not None
        self.tell = observer.on_event
        self.number = next(_numbers)
        _open.append(self)
        self.tell(
            RunStarted(
                run=self.number,
                at=0.0,
                mode="thread",
                max_workers=max_workers,
                total=total,
                inside=None if inside is None else (inside.number, 0),
            )
        )

    def start(self, *indices: int) -> None:
        for index in indices:
            self.tell(TaskStarted(run=self.number, at=0.0, index=index, name="task", attempt=1))

    def end(self, *indices: int, error: BaseException | None = None, attempts: int = 1) -> None:
        for index in indices:
            self.tell(
                TaskEnded(
                    run=self.number,
                    at=0.0,
                    index=index,
                    name="task",
                    attempts=attempts,
                    worker="worker 1" if attempts else "",
                    started=0.0,
                    duration=0.0,
                    error=error,
                )
            )

    def retry(self, index: int) -> None:
        self.tell(
            TaskRetried(
                run=self.number,
                at=0.0,
                index=index,
                name="task",
                attempt=1,
                worker="worker 1",
                started=0.0,
                duration=0.0,
                error=OSError(),
                wait=0.1,
            )
        )

    def end_batch(self, indices: Sequence[int]) -> None:
        self.tell(
            TasksEnded(
                run=self.number,
                at=0.0,
                indices=indices,
                name="task",
                worker="worker 1",
                started=0.0,
                duration=0.0,
            )
        )

    def close(self, error: BaseException | None = None) -> None:
        _open.remove(self)
        self.tell(RunEnded(run=self.number, at=0.0, stats=Stats(), error=error))


def drawing() -> list[threading.Thread]:
    """The threads that draw."""
    return [one for one in threading.enumerate() if one.name == "concurkit-progress"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and knows what stands on it."""

    def __init__(self, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self._written = threading.Condition()
        self.broken = False

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str, /) -> int:
        if self.broken:
            raise BrokenPipeError
        with self._written:
            self._written.notify_all()
            return super().write(text)

    @property
    def lines(self) -> list[str]:
        """The lines on it, without those that are empty at its end."""
        return on_screen(self.getvalue())

    def wait_until(self, shows: Callable[[list[str]], bool]) -> None:
        """Wait until it shows what is waited for."""
        with self._written:
            assert self._written.wait_for(lambda: shows(self.lines), timeout=20), self.lines


def on_screen(written: str) -> list[str]:
    """The lines that a terminal shows after *written*; the cursor moves as tqdm moves it."""
    rows, row, column = [""], 0, 0
    for one in written.replace("\x1b[A", "\v"):
        if one == "\r":
            column = 0
        elif one == "\v":
            row = max(row - 1, 0)
        elif one == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        else:
            line = rows[row].ljust(column)
            rows[row] = line[:column] + one + line[column + 1 :]
            column += 1
    lines = [line.rstrip() for line in rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines


# ---- fixtures -----------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """What sys.stderr is; draws are quick, and so are runs inside others."""
    stream = Terminal()
    monkeypatch.setattr(progress, "_stderr", lambda: stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for way in (_bars, _plain, _rich, _lines):
        monkeypatch.setattr(way, "PERIOD", 0.01)
    monkeypatch.setattr(_show, "INSIDE_AFTER", 0.0)
    yield stream
    close_all()


@pytest.fixture
def log(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What sys.stderr is when it is a file."""
    stream = Terminal(is_terminal=False)
    monkeypatch.setattr(progress, "_stderr", lambda: stream)
    return stream


@pytest.fixture(params=["bars", "plain"])
def either(request: pytest.FixtureRequest, terminal: Terminal) -> Terminal:
    """A terminal, with tqdm and without."""
    if request.param == "plain":
        request.getfixturevalue("no_tqdm")
    else:
        pytest.importorskip("tqdm")
    return terminal


@pytest.fixture
def no_tqdm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    _bars.bar_class.cache_clear()
    yield
    _bars.bar_class.cache_clear()
