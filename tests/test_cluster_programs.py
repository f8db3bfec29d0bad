"""Programs that use clusters: by one word, by an address, with servers that are lost under them.

Each is a program of its own, as is each server; all of them listen on loopback, and end here.
"""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ENGINES
from waiting import wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and sessions of POSIX")

needs_dask = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")
needs_ray = pytest.mark.skipif("ray" not in ENGINES, reason="needs ray")

# Ray takes 127.0.0.1 for a name of the machine's other address, but this one for loopback.
RAY_HOST = "127.0.0.2"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, temp_home: Path) -> Iterator[Path]:
    """Where servers and programs that are killed may leave files; its path is short for sockets."""
    home = temp_home / "p"
    home.mkdir()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # the token would lie in the user's own folder
    for name in ("HOME", "TMPDIR", "DASK_TEMPORARY_DIRECTORY"):
        monkeypatch.setenv(name, str(home))
    yield home
    shutil.rmtree(home)


def start(program: str, path: Path, *words: object) -> subprocess.Popen[str]:
    """Start a program that stands in a file, in a session of its own."""
    path.write_text(program)
    return subprocess.Popen(
        [sys.executable, str(path), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 90) -> str:
    """What a program prints, once it has ended well."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        end(process)
    assert 0 == process.returncode, err
    return out


def end(process: subprocess.Popen[Any]) -> None:
    """End a program that is left, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


# ---- by one word --------------------------------------------------------------------------------

BY_NAME = """
import os, sys, psutil
from concurkit import Failure, Success, Task, iter_concurrently, run_concurrently

mode = sys.argv[1]
by = 3
print(run_concurrently(Task.map(lambda number: by * number, range(5)), mode=mode, max_workers=2))
if mode == "dask":  # Ray takes seconds to start
    outcomes = run_concurrently(
        [lambda: os._exit(7), lambda: 1 / 0, lambda: "fine"], mode=mode, max_workers=2,
        on_error="collect",
    )
    print(*[type(getattr(one, "error", one.value if isinstance(one, Success) else 0)).__name__
            for one in outcomes])
    with iter_concurrently(Task.map(abs, iter(range(10**9))), mode=mode, ordered=True) as run:
        print(next(run), next(run))

def is_ours(process):  # the interpreter's own fork server and resource tracker may stay
    words = " ".join(process.cmdline())
    return "multiprocessing.forkserver" not in words and "resource_tracker" not in words

left = [one.cmdline()[1:] for one in psutil.Process().children(recursive=True) if is_ours(one)]
print("left:", left)
"""


@pytest.mark.parametrize("mode", ENGINES)
def test_a_script_without_a_guard(mode: str, tmp_path: Path) -> None:
    """`mode="dask"` and `mode="ray"` start a cluster and leave nothing of it."""
    said = finish(start(BY_NAME, tmp_path / "program.py", mode)).splitlines()

    assert ["[0, 3, 6, 9, 12]", "left: []"] == [said[0], said[-1]]
    if mode == "dask":
        assert ["WorkerCrashedError ZeroDivisionError str", "0 1"] == said[1:-1]


INTERRUPTED = """
import os, time
from concurkit import Task, run_concurrently

def note_and_sleep(number):
    print("started", flush=True)
    time.sleep(60)

try:
    run_concurrently(Task.map(note_and_sleep, range(9)), mode="dask", max_workers=2)
except KeyboardInterrupt:
    print(time.monotonic())  # one clock for all processes
    raise
"""


@needs_dask
def test_ctrl_c(tmp_path: Path) -> None:
    """Ends a run on a cluster within a second, with the line that says how far it had come."""
    program = start(INTERRUPTED, tmp_path / "program.py")
    try:
        assert program.stdout is not None
        for _ in range(2):
            assert "started\n" == program.stdout.readline()
        pressed = time.monotonic()
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=20)
    finally:
        end(program)

    assert "KeyboardInterrupt: interrupted: 0 done, 2 running, 7 not started" in err
    assert 1 == err.count("Traceback")
    assert float(out) - pressed < 1.0 + 0.5


# ---- a scheduler of Dask's, and workers that are programs of their own --------------------------


@pytest.fixture
def dask_servers(tmp_path: Path) -> Iterator[Any]:
    """A scheduler and two workers of one thread each; the scheduler's address and its process."""
    told = tmp_path / "scheduler.json"
    place = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    common = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    module = [sys.executable, "-m", "distributed.cli"]
    with ExitStack() as stack:

        def server(kind: str, *words: str) -> Any:
            command = [*module[:2], f"distributed.cli.{kind}", *common, *words]
            process = subprocess.Popen(command, **place)
            stack.callback(end, process)
            return process

        scheduler = server("dask_scheduler", "--port", "0", "--scheduler-file", str(told))
        wait_until(lambda: told.exists() and told.stat().st_size)
        options = ("--scheduler-file", str(told), "--nthreads", "1", "--no-nanny")
        for _ in range(2):
            server("dask_worker", *options)
        import json

        yield json.loads(told.read_text())["address"], scheduler


LOST = """
import os, signal, sys, time
from concurkit import DaskExecutor, Failure, Success, Task, run_concurrently

address, scheduler, mark = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.environ["DASK_SCHEDULER_ADDRESS"] = address

def note(number):
    if number == 8:
        open(mark, "w").close()
    time.sleep(0.05 if number < 8 else 0.5)
    return number

import threading, dask
dask.config.refresh()
print(run_concurrently(Task.map(abs, [-1, -2]), mode="dask"))  # by one word, where it is configured

def kill_it():
    while not os.path.exists(mark):
        time.sleep(0.01)
    os.kill(scheduler, signal.SIGKILL)
    global killed
    killed = time.monotonic()

thread = threading.Thread(target=kill_it)
thread.start()
outcomes = run_concurrently(
    Task.map(note, range(40)), mode=DaskExecutor(max_workers=2), chunksize=1, on_error="collect"
)
took = time.monotonic() - killed
thread.join()
print(len(outcomes), all(one.value == one.index for one in outcomes if isinstance(one, Success)))
print(sum(isinstance(one, Success) for one in outcomes) >= 7, took < 20)
print({type(one.error).__name__ for one in outcomes if isinstance(one, Failure)})
print(any("scheduler" in str(one.error) for one in outcomes if isinstance(one, Failure)))
sys.stdout.flush()
os._exit(0)  # Dask itself says more at the end of a program whose scheduler is gone
"""


@needs_dask
def test_a_scheduler_that_is_lost_in_mid_run(dask_servers: Any, tmp_path: Path) -> None:
    """What had ended is kept, the rest fails, within seconds; nobody tries to connect for ever."""
    address, scheduler = dask_servers

    said = finish(
        start(LOST, tmp_path / "program.py", address, scheduler.pid, tmp_path / "mark")
    ).splitlines()

    assert ["[1, 2]", "40 True", "True True", "{'WorkerCrashedError'}", "True"] == said


KILLED = """
import os, sys, time
from concurkit import DaskExecutor, Task, run_concurrently

def note_and_sleep(place):
    open(os.path.join(place, f"pid {os.getpid()}"), "w").close()
    time.sleep(60)

dask = DaskExecutor(sys.argv[1], max_workers=2)
if sys.argv[3] == "busy":
    run_concurrently([Task(note_and_sleep, sys.argv[2])] * 2, mode=dask)
pids = run_concurrently([os.getpid] * 4, mode=dask, chunksize=1)
for pid in pids:
    open(os.path.join(sys.argv[2], f"pid {pid}"), "w").close()
open(os.path.join(sys.argv[2], "done"), "w").close()
time.sleep(60)
"""


@needs_dask
@pytest.mark.parametrize("state", ["busy", "idle"])
def test_a_program_that_is_killed(dask_servers: Any, tmp_path: Path, state: str) -> None:
    """Its processes at the workers go with it, those that run a task and those that don't."""
    place = tmp_path / "pids"
    place.mkdir()
    program = start(KILLED, tmp_path / "program.py", dask_servers[0], place, state)
    try:
        wait_until(lambda: (place / "done").exists() or len([*place.glob("pid *")]) == 2, 60)
        pids = [int(one.name.split()[1]) for one in place.glob("pid *")]
        assert all(map(psutil.pid_exists, pids))
    finally:
        end(program)

    wait_until(lambda: not any(map(psutil.pid_exists, pids)), 5)


SECURE = """
import distributed, logging, os
from concurkit import DaskExecutor, Task, run_concurrently
from concurkit.exceptions import ModeUnavailableError

def main():
    security = distributed.Security.temporary()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, host="tls://127.0.0.1", security=security,
        dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
    ) as cluster:
        with DaskExecutor(cluster.scheduler_address, security=security) as dask:
            print(run_concurrently(Task.map(abs, [-1, -2]), mode=dask))
        try:
            DaskExecutor(cluster.scheduler_address)
        except ModeUnavailableError as error:
            print("security=" in str(error))

if __name__ == "__main__":
    main()
"""


@needs_dask
def test_a_cluster_with_tls(tmp_path: Path) -> None:
    """The engine's own security object goes through; without it the error says so."""
    said = finish(start(SECURE, tmp_path / "program.py"))

    assert "[1, 2]\nTrue\n" == said


LARGE = """
import distributed, logging
from concurkit import DaskExecutor, Success, Task, run_concurrently

def main():
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", memory_limit="250 MB",
        dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
    ) as cluster, DaskExecutor(cluster) as dask:
        outcomes = run_concurrently(
            [lambda: 1, Task(bytes, 600_000_000), lambda: 2], mode=dask, chunksize=1,
            on_error="collect", max_workers=1,
        )
        print(*[one.value if isinstance(one, Success) else type(one.error).__name__
                for one in outcomes])
        print(outcomes[1].error)

if __name__ == "__main__":
    main()
"""


@needs_dask
def test_a_result_larger_than_a_workers_memory(tmp_path: Path) -> None:
    """Dask kills that worker: its task fails, and says what may be the matter."""
    said = finish(start(LARGE, tmp_path / "program.py")).splitlines()

    assert "1 WorkerCrashedError 2" == said[0]
    assert "lack of memory" in said[1]


# ---- a head of Ray's ----------------------------------------------------------------------------

HEAD = """
import os, sys, time, psutil
from contextlib import suppress
from concurkit import RayExecutor, Success, Failure, Task, run_concurrently

home, address = sys.argv[1:3]
os.environ["RAY_ADDRESS"] = address
print(run_concurrently(Task.map(abs, [-1, -2]), mode="ray", max_workers=1))  # by one word

def note(number):
    if number == 8:
        open(os.path.join(home, "mark"), "w").close()
    time.sleep(0.05 if number < 8 else 0.5)
    return number

import threading

def kill_the_head():
    while not os.path.exists(os.path.join(home, "mark")):
        time.sleep(0.01)
    for one in psutil.process_iter(["name", "cmdline"]):
        words = " ".join(one.info["cmdline"] or ())
        if one.info["name"] in ("raylet", "gcs_server") and home in words:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    global killed
    killed = time.monotonic()

thread = threading.Thread(target=kill_the_head)
ray = RayExecutor(max_workers=2)
thread.start()
outcomes = run_concurrently(
    Task.map(note, range(60)), mode=ray, chunksize=1, on_error="collect"
)
took = time.monotonic() - killed
print(len(outcomes), all(one.value == one.index for one in outcomes if isinstance(one, Success)))
print(sum(isinstance(one, Success) for one in outcomes) >= 7, took < 45)
print({type(one.error).__name__ for one in outcomes if isinstance(one, Failure)})
sys.stdout.flush()
os._exit(0)  # Ray itself would wait for its head
"""


@pytest.fixture
def ray_head(home: Path) -> Iterator[tuple[Path, str]]:
    """A head of two CPUs: its folder and its address."""
    port = 6390
    ray = str(Path(sys.executable).with_name("ray"))
    words = [f"--node-ip-address={RAY_HOST}", f"--port={port}", f"--temp-dir={home}"]
    words += ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([ray, "start", "--head", *words], check=True, timeout=60, **quiet)
    try:
        yield home, f"{RAY_HOST}:{port}"
    finally:
        subprocess.run([ray, "stop", "--force"], check=False, timeout=60, **quiet)
        for one in ray_processes(home):  # what it does not find without its head
            with suppress(psutil.NoSuchProcess):
                one.kill()
        wait_until(lambda: not ray_processes(home))


def ray_processes(home: Path) -> list[psutil.Process]:
    """What runs of a cluster whose files are in *home*."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if str(home) in " ".join(one.info["cmdline"] or ())
    ]


@needs_ray
def test_a_head_that_is_lost_in_mid_run(ray_head: tuple[Path, str], tmp_path: Path) -> None:
    """What had ended is kept, the rest fails; Ray itself would end the program after a minute."""
    said = finish(start(HEAD, tmp_path / "program.py", *ray_head)).splitlines()

    assert ["[1, 2]", "60 True", "True True", "{'WorkerCrashedError'}"] == said
