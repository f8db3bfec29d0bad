"""Progress in a `rich.progress.Progress`, and in a notebook."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from shown_runs import Run

from concurkit.observers import _rich, _show
from concurkit.observers.progress import observer_for

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rich, "PERIOD", 0.01)
    monkeypatch.setattr(_show, "INSIDE_AFTER", 0.0)


@pytest.fixture
def progress() -> Any:
    """A Progress that draws into a file that is a terminal of 100 columns."""
    rich_progress = pytest.importorskip("rich.progress")
    console = pytest.importorskip("rich.console").Console(
        file=io.StringIO(), force_terminal=True, width=100, color_system=None
    )
    return rich_progress.Progress(console=console)


def written(progress: Any) -> str:
    return str(progress.console.file.getvalue())


def test_rich_shows_a_run_as_a_task(progress: Any) -> None:
    with progress:
        run = Run(observer_for(progress), 10)
        run.start(0, 1)
        run.end(0, error=ValueError())
        run.retry(1)
        run.end_batch(range(2, 10))
        run.end(1)
        run.close()
        assert progress.live.is_started  # the caller's to stop
        [task] = progress.tasks

    assert (task.completed, task.total) == (10, 10)
    assert task.fields == {"failed": 1, "retried": 1, "running": 0}
    assert task.description == "tasks, 1 failed, 1 retried"
    assert "tasks, 1 failed, 1 retried ━" in written(progress)


def test_a_progress_that_is_not_started_is_started_and_stopped(progress: Any) -> None:
    before = set(threading.enumerate())
    first, second = (Run(observer_for(progress), 10) for _ in range(2))
    assert progress.live.is_started
    first.close()
    assert progress.live.is_started
    second.close(ValueError())
    assert not progress.live.is_started

    assert set(threading.enumerate()) == before
    assert written(progress).rstrip().endswith("\x1b[?25h")  # the cursor is there again


def test_an_unknown_total_in_rich(progress: Any) -> None:
    run = Run(observer_for(progress))
    run.end_batch(range(7))
    assert progress.tasks[0].total is None
    run.close()

    assert (progress.tasks[0].completed, progress.tasks[0].total) == (7, 7)


def test_a_run_inside_a_task_goes_from_rich(progress: Any) -> None:
    outer = Run(observer_for(progress), 10)
    inner = Run(observer_for(progress), 5, inside=outer)
    assert len(progress.tasks) == 2
    inner.close()
    assert len(progress.tasks) == 1
    outer.close()


def test_a_task_that_the_caller_removes_stays_away(
    progress: Any, caplog: pytest.LogCaptureFixture
) -> None:
    observer: Any = observer_for(progress)
    run = Run(observer, 10)
    progress.remove_task(progress.task_ids[0])
    run.end(0)
    assert observer._runs[run.number]._ticker._tick()
    run.close()

    assert (progress.tasks, caplog.records) == ([], [])
    assert not progress.live.is_started


CELL = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from concurkit.observers.progress import observer_for
from shown_runs import Run
for total in (4, None):
    run = Run(observer_for("parse"), total)
    run.end(0, 1, 2)
    run.end(3, error=ValueError())
    run.close()
"""
NOTEBOOK = f"""
import json, sys
import nbclient, nbformat
from traitlets.config import Config

# Where there is no network there may be no loopback either.
config = Config(KernelManager=dict(transport="ipc"))
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell({CELL!r})])
client = nbclient.NotebookClient(
    notebook, timeout=60, startup_timeout=60, kernel_name="here", config=config
)
client.execute()
states = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
bars = [one["state"] for one in states.values() if one["model_name"] == "FloatProgressModel"]
widths = [one["state"].get("width") for one in states.values() if "Layout" in one["model_name"]]
json.dump([notebook.cells[0].outputs, bars, widths], sys.stdout)
"""


def test_a_notebook_gets_a_widget(tmp_path: Path) -> None:
    """In the saved notebook it is there as text too, for pages that run no scripts."""
    for needed in ("nbclient", "ipykernel", "ipywidgets", "tqdm"):
        pytest.importorskip(needed)
    kernel = tmp_path / "kernels" / "here" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR"]
    spec = {"argv": [*command, "-f", "{connection_file}"], "display_name": "", "language": "python"}
    kernel.write_text(json.dumps(spec))
    places = ("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environ = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        env={**environ, **dict.fromkeys(places, str(tmp_path))},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    outputs, bars, widths = json.loads(done.stdout)
    assert [one["output_type"] for one in outputs] == ["display_data"] * 2
    assert {None, "20px"} == set(widths)  # as wide as the page has it; the second has no end
    for output in outputs:
        assert "application/vnd.jupyter.widget-view+json" in output["data"]
        assert "parse:" in output["data"]["text/plain"]
    assert [(bar["bar_style"], bar["value"], bar["max"]) for bar in bars] == [
        ("success", 4.0, 4.0),
        ("success", 1.0, 1.0),
    ]


def test_a_rich_that_can_not_be_drawn_is_stopped(progress: Any) -> None:
    """Nor does its thread stay, which the fixture looks for."""
    rich_progress = pytest.importorskip("rich.progress")
    column = rich_progress.TextColumn("{task.fields[unknown]}")
    broken = rich_progress.Progress(
        column,
        console=progress.console,
        refresh_per_second=0.001,  # by its thread, where that would be an error of the test
    )

    run = Run(observer_for(broken), 10)
    assert not broken.live.is_started
    run.close()
    assert not broken.live.is_started


def test_a_rich_that_can_not_be_started_is_stopped(progress: Any) -> None:
    """Where nothing can be written, rich takes it for started; another can be, then."""

    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError("no space left")

    good, progress.console.file = progress.console.file, Full()
    run = Run(observer_for(progress), 10)
    assert not progress.live.is_started
    run.close()

    progress.console.file = good
    second = Run(observer_for(progress), 10)
    assert progress.live.is_started
    second.end_batch(range(10))
    second.close()
    assert not progress.live.is_started
    assert "100%" in written(progress)
