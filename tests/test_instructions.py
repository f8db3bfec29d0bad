"""What a task costs, in instructions: a busy machine does not change how many there are.

callgrind counts them while a program runs tasks of each mode. What is compared is the cost of a
task with that of a plain loop on the same Python. A feature that slows the common path is seen
here; whoever makes it quicker lowers the figure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),  # under valgrind all takes fifty times as long
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind to count"),
]

# Each time it calls getppid(), callgrind writes down what was counted since the time before.
PROGRAM = """
    import os, sys
    from concurkit import ProcessExecutor, Task, run_concurrently

    def same(x):
        return x

    async def same_async(x):
        return x

    def plain(count):
        results = []
        for x in range(count):
            results.append(same(x))

    def run(mode, fn, workers, count):
        tasks = Task.map(fn, range(count))
        found = run_concurrently(tasks, mode=mode, max_workers=workers, chunksize=500)
        assert len(found) == count

    def unhurried():  # tasks are put down in pieces, by the time they take; here in one
        from concurkit.executors import _windows
        _windows._WINDOW = _windows.TINY = 1e9

    def measure(go, mark):
        go(500)
        for count in (500, 500, 6500):
            mark()
            go(count)
        mark()

    if sys.argv[1] == "here":
        measure(plain, os.getppid)
        measure(lambda count: run("serial", same, 1, count), os.getppid)
        measure(lambda count: run("thread", same, 2, count), os.getppid)
        measure(lambda count: run("async", same_async, 100, count), os.getppid)
    else:
        with ProcessExecutor(1, initializer=unhurried) as processes:
            def mark():
                run_concurrently([Task(os.getppid)], mode=processes)
                os.getppid()

            print(os.getpid(), run_concurrently([Task(os.getpid)], mode=processes)[0])
            measure(lambda count: run(processes, abs, 1, count), mark)
"""

# So many times what a turn of the plain loop costs may a task cost. What was measured is a tenth
# less; the worker's figure is for a builtin function, which costs less to call.
MOST = {"serial": 3.3, "thread": 3.4, "async": 10.0, "process": 2.4, "its worker": 3.5}


def counted(program: Path, where: str, *options: str) -> tuple[str, dict[str, list[int]]]:
    """What the program prints, and what was counted between its marks, by process."""
    environ = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    out = f"--callgrind-out-file={program.parent}/{where}.%p"
    count = ["valgrind", "-q", "--tool=callgrind", "--dump-before=getppid", out, *options]
    done = subprocess.run(
        [*count, sys.executable, program, where],
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    found: dict[str, dict[int, int]] = {}
    for path in program.parent.glob(f"{where}.*.*"):
        _, pid, part = path.name.split(".")
        total = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
        assert total is not None
        found.setdefault(pid, {})[int(part)] = int(total[1])
    return done.stdout, {pid: [parts[n] for n in sorted(parts)] for pid, parts in found.items()}


def each(parts: list[int]) -> float:
    """The cost of a task: of 6,500 less that of 500, which leaves out what a run costs."""
    *_, few, many = parts
    return (many - few) / 6000


def test_what_a_task_costs(tmp_path: Path) -> None:
    """Beside a plain loop, by default, with every law on."""
    program = tmp_path / "program.py"
    program.write_text(dedent(PROGRAM))

    _, here = counted(program, "here")
    [parts] = here.values()
    plain, *others = (each(parts[i : i + 4]) for i in range(0, len(parts), 4))
    costs = dict(zip(["serial", "thread", "async"], others, strict=True))
    pids, by_process = counted(program, "processes", "--trace-children=yes")
    for name, pid in zip(["process", "its worker"], pids.split(), strict=True):
        costs[name] = each(by_process[pid])

    ratios = {name: round(cost / plain, 2) for name, cost in costs.items()}
    assert {name: most for name, most in MOST.items() if ratios[name] > most} == {}, ratios
