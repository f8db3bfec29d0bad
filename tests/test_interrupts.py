"""Whole programs: Ctrl-C, a parent that is killed, exits, and scripts without a guard."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from conftest import MODES

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="signals and process groups are POSIX's here"
)

# What a second is allowed to take on a machine that is busy with other things.
SECOND = 1.0 + 1.0


@dataclass
class Program:
    """A Python program in a process group of its own, as a terminal would start it."""

    process: subprocess.Popen[str]
    home: Path

    @property
    def group(self) -> list[psutil.Process]:
        """The processes of the group that are alive, the program's own apart."""
        found = []
        for one in psutil.process_iter():
            try:
                alive = one.status() != psutil.STATUS_ZOMBIE
                if (
                    os.getpgid(one.pid) == self.process.pid
                    and one.pid != self.process.pid
                    and alive
                ):
                    found.append(one)
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        return found

    def lines(self, name: str) -> list[str]:
        """The lines of a file that the program writes."""
        path = self.home / name
        return path.read_text().split() if path.exists() else []

    def wait_for(self, condition: Callable[[], Any], seconds: float = 30.0) -> float:
        """Wait until something is true of the program; returns how long that took."""
        start = time.monotonic()
        while not condition():
            assert self.process.poll() is None or seconds < 30, self.last_words()
            assert time.monotonic() - start < seconds, "it took too long"
            time.sleep(0.002)
        return time.monotonic() - start

    def last_words(self) -> str:
        """What it wrote to stderr; its processes are killed, or they would hold the pipe open."""
        for one in self.group:
            one.kill()
        return self.process.communicate(timeout=30)[1]

    def press_ctrl_c(self) -> None:
        """Interrupt the whole group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str, str, float]:
        """Wait for its end: exit code, stdout, stderr, seconds."""
        start = time.monotonic()
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err, time.monotonic() - start


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts programs; none outlives the test, nor does a temporary file of one."""
    programs: list[Program] = []
    temp = tmp_path / "temp"
    temp.mkdir()

    def start(code: str, *, args: list[str] | None = None, stdin: str | None = None) -> Program:
        script = tmp_path / "script.py"
        script.write_text(dedent(code), encoding="utf-8")
        # Whoever asks for "fork" is warned from Python 3.12 on; 3.15 lets that be an error.
        warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
        command = [sys.executable, *warnings, *(args or [str(script)])]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "TMPDIR": str(temp),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        program = Program(process, tmp_path)
        programs.append(program)
        assert process.stdin is not None
        if stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
            process.stdin = None
        return program

    yield start

    for program in programs:
        killed = program.process.poll() in (None, -signal.SIGKILL)
        for one in [*program.group, *([program.process] if killed else [])]:
            one.kill()
        program.process.communicate(timeout=30)
        # The fork server's socket of a program that was killed is nobody's to remove.
        assert killed or not list(temp.iterdir())


# How each call is written in a script; {options} are those of the run.
CALLS = {
    "blocking": "run_concurrently(tasks, {options})",
    "asyncio": "asyncio.run(aio.run_concurrently(tasks, {options}))",
    "trio": "trio.run(partial(aio.run_concurrently, tasks, {options}))",
    "stream": "[*iter_concurrently(tasks, {options})]",
    "asyncio stream": "asyncio.run(read(aio.iter_concurrently(tasks, {options})))",
    "trio stream": "trio.run(read, aio.iter_concurrently(tasks, {options}))",
}
IMPORTS = """
    import asyncio, os, signal, sys, time, trio
    from functools import partial
    import sample_tasks
    from concurkit import *

    async def read(run):
        return [value async for value in run]
"""


def calling(call: str, options: str) -> str:
    """The line of a script that makes the call."""
    return CALLS[call].format(options=options)


# ---- Ctrl-C -------------------------------------------------------------------------------------

# asyncio's own runner raises the KeyboardInterrupt; the line stands by the cancellation before it.
INTERRUPTED = re.compile(
    r"^(?:KeyboardInterrupt: )?interrupted: (\d+) done, (\d+) running, (\d+) not started$",
    re.MULTILINE,
)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_returns_within_a_second(start: Start, call: str, mode: str) -> None:
    """With one traceback and one line that says how far the run had come; nothing is left."""
    fn = "note_and_overstay_async" if mode == "async" else "note_and_overstay"
    program = start(
        f"""{IMPORTS}
    tasks = [sample_tasks.nothing] * 3 + [Task(sample_tasks.{fn}, "started", None)] * 10
    {calling(call, f"mode={mode!r}, max_workers=2")}
    """
    )
    running = 1 if mode == "serial" else 2
    program.wait_for(lambda: len(program.lines("started")) >= running)

    program.press_ctrl_c()

    code, out, err, took = program.end()
    assert took < SECOND
    assert ("", True) == (out, code in (130, -signal.SIGINT, 1))
    assert expected_tracebacks(call) == err.count("Traceback (most recent call last)")
    assert [("3", str(running), str(10 - running))] == INTERRUPTED.findall(err)
    assert err.rstrip().splitlines()[-1].startswith("KeyboardInterrupt")
    program.wait_for(lambda: not program.group, SECOND)


def expected_tracebacks(call: str) -> int:
    """One; asyncio's own runner shows the cancellation that became the KeyboardInterrupt too."""
    return 2 if call.startswith("asyncio") else 1


@pytest.mark.parametrize(
    ("call", "where"),
    [
        ("trio", "concurkit._schedule.Schedule.orders"),
        ("trio stream", "concurkit._schedule.Schedule.orders"),
        ("trio stream", "concurkit._schedule.Schedule.taken"),
        ("trio stream", "concurkit._reading.Reading.set_mark"),
    ],
)
def test_ctrl_c_in_the_middle_of_what_we_do_in_a_loop_of_trios(
    start: Start, call: str, where: str
) -> None:
    """There trio raises at any line. Ours are kept whole, and the run ends as it does elsewhere."""
    program = start(
        f"""{IMPORTS}
    import pkgutil, signal, threading
    import concurkit._schedule, concurkit._async_reading
    owner = pkgutil.resolve_name({where.rpartition(".")[0]!r})
    name = {where.rpartition(".")[2]!r}
    inner, pressed = getattr(owner, name), []

    def press(*args):
        if threading.current_thread() is threading.main_thread() and not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
        return inner(*args)

    setattr(owner, name, press)
    fn = sample_tasks.note_and_overstay
    tasks = [sample_tasks.nothing] * 3 + [Task(fn, "started", None)] * 10
    {calling(call, "mode='thread', max_workers=2")}
    """
    )

    _, _, err, took = program.end()

    assert took < SECOND + 3.0  # with its start
    assert 1 == err.count("Traceback (most recent call last)")
    assert re.match(r"KeyboardInterrupt: interrupted: \d+ done, ", err.rstrip().splitlines()[-1])


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_that_does_not_wake_the_main_thread(start: Start, call: str) -> None:
    """As when it comes just before a wait begins: Python sees it after that wait only."""
    program = start(
        f"""{IMPORTS}
    import signal, threading
    def press():
        while not os.path.exists("started"):
            time.sleep(0.01)
        time.sleep(0.3)  # the main thread waits for long; the signal is told to this one
        open("pressed", "w").close()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    threading.Thread(target=press, daemon=True).start()
    tasks = [Task(sample_tasks.note_and_overstay, "started", None)]
    {calling(call, "mode='thread'")}
    """
    )
    program.wait_for(lambda: (program.home / "pressed").exists())

    _, _, err, took = program.end()

    assert took < SECOND
    assert [("0", "1", "0")] == INTERRUPTED.findall(err)


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_while_a_stream_is_not_being_read(start: Start, mode: str) -> None:
    """The `with` block ends the run and has the line, too."""
    program = start(
        f"""{IMPORTS}
    with iter_concurrently([partial(abs, -1)] * 3, mode={mode!r}, max_workers=1) as run:
        next(run)
        sample_tasks.append("started", "yes")
        time.sleep(60)
    """
    )
    program.wait_for(lambda: program.lines("started"))

    program.press_ctrl_c()

    _, _, err, took = program.end()
    assert took < SECOND
    assert 1 == len(INTERRUPTED.findall(err))
    assert err.rstrip().splitlines()[-1].startswith("KeyboardInterrupt: interrupted: ")
    assert 1 == err.count("Traceback (most recent call last)")


@pytest.mark.parametrize("call", CALLS)
def test_a_second_ctrl_c_abandons_what_the_first_waits_for(start: Start, call: str) -> None:
    """Neither for a thread that was told to stop, nor for what patience the first one had."""
    program = start(
        f"""{IMPORTS}
    from concurkit import _adrive, _caller, _reading
    _adrive.PATIENCE = _caller.PATIENCE = _reading.PATIENCE = 60.0  # what the first one waits for

    def overstay():
        # Before the run listens, Ctrl-C ends the program's own code, which waits for nothing.
        while signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            time.sleep(0.001)
        sample_tasks.note_and_overstay("started", None)

    tasks = [overstay]
    {calling(call, "mode='thread'")}
    """
    )
    program.wait_for(lambda: program.lines("started"))
    program.press_ctrl_c()
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(1.0)

    program.press_ctrl_c()

    _, _, err, took = program.end()
    assert took < SECOND
    # On asyncio it is the loop that the second one ends, and with it the run.
    expected = [] if call.startswith("asyncio") else [("0", "1", "0")]
    assert expected == INTERRUPTED.findall(err)


def test_ctrl_c_reaches_a_run_of_sync_functions_on_a_loop(start: Start) -> None:
    """In async mode, a function that blocks its thread holds nothing up."""
    program = start(
        f"""{IMPORTS}
    run_concurrently([Task(sample_tasks.note_and_overstay, "started", None)] * 4, mode="async")
    """
    )
    program.wait_for(lambda: len(program.lines("started")) >= 4)

    program.press_ctrl_c()

    _, _, err, took = program.end()
    assert took < SECOND
    assert [("0", "4", "0")] == INTERRUPTED.findall(err)
    assert 1 == err.count("Traceback (most recent call last)")


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_stops_many_quick_tasks(start: Start, mode: str) -> None:
    """In the middle of batches of tiny tasks, from an input that has no end."""
    program = start(
        f"""{IMPORTS}
    from itertools import count
    def numbers():
        for number in count():
            if number == 100_000:
                sample_tasks.append("started", "far")
            yield number
    fn = sample_tasks.add_async if {mode!r} == "async" else abs
    run_concurrently(Task.map(fn, numbers()), mode={mode!r}, max_workers=2)
    """
    )
    program.wait_for(lambda: program.lines("started"))

    program.press_ctrl_c()

    _, _, err, took = program.end()
    assert took < SECOND
    [(done, running, rest)] = INTERRUPTED.findall(err)
    assert 10_000 < int(done)
    assert int(running) <= 2
    assert 1 == err.count("Traceback (most recent call last)")
    assert rest.isdigit()
    program.wait_for(lambda: not program.group, SECOND)


@pytest.mark.parametrize("mode", ["thread", "process", "async"])
def test_a_kept_executor_survives_ctrl_c(start: Start, mode: str) -> None:
    """A program that catches the KeyboardInterrupt goes on with the same executor."""
    kind = {"thread": "ThreadExecutor", "process": "ProcessExecutor", "async": "AsyncExecutor"}[
        mode
    ]
    program = start(
        f"""{IMPORTS}
    with {kind}(2) as executor:
        try:
            tasks = [Task(sample_tasks.note_and_overstay_async, "started", None)] * 5
            run_concurrently(tasks, mode=executor)
        except KeyboardInterrupt as error:
            print(error)
        print(run_concurrently([Task(abs, -1), Task(abs, -2)], mode=executor))
        print(executor.submit(abs, -3).result(timeout=20))
    """
    )
    program.wait_for(lambda: len(program.lines("started")) >= 2)

    program.press_ctrl_c()

    code, out, err, took = program.end()
    lines = ["interrupted: 0 done, 2 running, 3 not started", "[1, 2]", "3"]
    assert (0, lines, "") == (code, out.splitlines(), err)
    assert took < SECOND


def test_a_handler_of_the_programs_own_is_called(start: Start) -> None:
    """A program that has set a handler for SIGINT decides itself what Ctrl-C does."""
    program = start(
        f"""{IMPORTS}
    import signal
    signal.signal(signal.SIGINT, lambda *_: open("go", "w").close())
    task = Task(sample_tasks.tell_and_wait_for_file, "started", "go")
    print(run_concurrently([task] * 2, mode="thread"))
    """
    )
    program.wait_for(lambda: len(program.lines("started")) >= 2)

    program.press_ctrl_c()

    code, out, err, took = program.end()
    assert (0, "['go', 'go']\n", "") == (code, out, err)
    assert took < SECOND


def test_a_second_ctrl_c_waits_for_nothing(start: Start) -> None:
    """Who presses twice gets what pressing once gives: one traceback, at once."""
    program = start(
        f"""{IMPORTS}
    run_concurrently([Task(sample_tasks.note_and_overstay, "started", None)] * 2, mode="thread")
    """
    )
    program.wait_for(lambda: len(program.lines("started")) >= 2)

    program.press_ctrl_c()
    time.sleep(0.1)  # as a person would; both may come in any order with what the run does
    if program.process.poll() is None:
        program.press_ctrl_c()

    _, _, err, took = program.end()
    assert took < SECOND
    assert err.rstrip().splitlines()[-1].startswith("KeyboardInterrupt")


# ---- a parent that is killed --------------------------------------------------------------------

BUSY = {
    "idle": "time.sleep(60)",
    "waiting": "run_concurrently([Task(time.sleep, 60)] * 2, mode=executor)",
    "computing": "run_concurrently([Task(sample_tasks.compute, 60)] * 2, mode=executor)",
    "talking": "run_concurrently(Task.map(bytes, [100_000] * 10**6), mode=executor)",
}


@pytest.mark.parametrize("doing", BUSY)
@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_workers_of_a_killed_parent_are_gone_within_a_second(
    start: Start, doing: str, method: str
) -> None:
    """Whether they are idle or busy, no process stays behind when the parent is killed."""
    program = start(
        f"""{IMPORTS}
    if __name__ == "__main__":
        executor = ProcessExecutor(2, start_method={method!r})
        run_concurrently([Task(sample_tasks.sleep, 0.05)] * 2, mode=executor)
        sample_tasks.append("started", "yes")
        {BUSY[doing]}
    """
    )
    program.wait_for(lambda: program.lines("started"))
    assert len(program.group) >= 2

    program.process.kill()

    program.process.wait(30)
    assert program.wait_for(lambda: not program.group, 10) < SECOND


# ---- the end of the interpreter -----------------------------------------------------------------


@pytest.mark.parametrize("mode", ["serial", "thread", "async"])
def test_an_abandoned_thread_does_not_keep_the_interpreter(start: Start, mode: str) -> None:
    """The program ends though a task that was given up still runs."""
    program = start(
        f"""{IMPORTS}
    options = {{"mode": {mode!r}, "timeout": 0.1, "on_error": "collect"}}
    [outcome] = run_concurrently([Task(time.sleep, 60)], **options)
    print(type(outcome.error).__name__, outcome.stopped, flush=True)
    sample_tasks.append("started", "over")
    """
    )
    program.wait_for(lambda: program.lines("started"))

    code, out, err, took = program.end()

    assert (0, "TaskTimeoutError abandoned\n", "") == (code, out, err)
    assert took < SECOND


@pytest.mark.parametrize(
    "kind", ["SerialExecutor", "ThreadExecutor", "ProcessExecutor", "AsyncExecutor"]
)
def test_an_executor_left_open_does_not_keep_the_interpreter(start: Start, kind: str) -> None:
    """Nor does one that nobody has shut down; it leaves nothing behind."""
    program = start(
        f"""{IMPORTS}
    executor = {kind}()
    print(executor.submit(abs, -3).result(), flush=True)
    print(run_concurrently([Task(abs, -4)], mode=executor), flush=True)
    sample_tasks.append("started", "over")
    """
    )
    program.wait_for(lambda: program.lines("started"))

    code, out, err, took = program.end()

    assert (0, "3\n[4]\n", "") == (code, out, err)
    assert took < SECOND
    program.wait_for(lambda: not program.group, SECOND)


@pytest.mark.parametrize("kind", ["ThreadExecutor", "ProcessExecutor", "AsyncExecutor"])
def test_what_was_submitted_is_finished_before_the_interpreter_ends(
    start: Start, kind: str
) -> None:
    """As with the executors of the standard library."""
    program = start(
        f"""{IMPORTS}
    executor = {kind}(1)
    for number in range(3):
        executor.submit(sample_tasks.append_later, 0.05, "done", number)
    """
    )

    code, _, err, _ = program.end()

    assert (0, "") == (code, err)
    assert ["0", "1", "2"] == program.lines("done")


# ---- scripts without a guard --------------------------------------------------------------------

UNGUARDED = """
    from concurkit import ProcessExecutor, Task, run_concurrently
    from dataclasses import dataclass
    import enum, os

    print("started")
    FACTOR = 3

    def times(number):
        return number * FACTOR

    async def times_later(number):
        return times(number)

    class Odd(Exception):
        def __init__(self, number, place):
            super().__init__(f"{number} in {place}")
            self.number = number

    def refuse(number):
        raise Odd(number, "script")

    @dataclass
    class Point:
        x: int

        def moved(self, by):
            return Point(self.x + by)

    class Colour(enum.Enum):
        RED = 1

    def closure(number):
        return lambda: number + FACTOR

    print(run_concurrently(Task.map(times, [1, 2]), mode="process"))
    print(run_concurrently([lambda: FACTOR, closure(1), Task(times_later, 4)], mode="process"))
    tasks = [Task(Point(1).moved, 2), Task(lambda point: point.x, Point(5))]
    print(run_concurrently(tasks, mode="process"))
    same = run_concurrently([lambda: Colour.RED, lambda: Point(3)], mode="process")
    print(same[0] is Colour.RED, isinstance(same[1], Point))
    try:
        run_concurrently([Task(refuse, 7)], mode="process")
    except Odd as error:
        print(error, error.number)
    with ProcessExecutor(2) as processes:
        print(list(processes.map(times, range(4))), processes.submit(lambda: 5).result())
    pids = run_concurrently([lambda: os.getpid()] * 3, mode="process")
    print(os.getpid() in pids)
"""
UNGUARDED_OUTPUT = """
    started
    [3, 6]
    [3, 4, 12]
    [Point(x=3), 5]
    True True
    7 in script 7
    [0, 3, 6, 9] 5
    False
"""


@pytest.mark.parametrize("way", ["script", "-c", "stdin", "-m", "directory", "-i"])
def test_a_script_needs_no_guard(start: Start, way: str, tmp_path: Path) -> None:
    """Functions, lambdas, classes and errors of `__main__` work however the program is started."""
    code = dedent(UNGUARDED)
    package = tmp_path / "package"
    package.mkdir()
    (package / "__main__.py").write_text(code)
    args = {
        "script": None,
        "-c": ["-c", code],
        "stdin": ["-"],
        "-m": ["-m", "script"],
        "directory": ["package"],
        "-i": ["-q", "-i", "script.py"],
    }[way]

    code_, out, err, _ = start(UNGUARDED, args=args, stdin=code if way == "stdin" else "").end()

    assert dedent(UNGUARDED_OUTPUT).strip().splitlines() == out.splitlines()
    assert 0 == code_
    assert "" == err.replace(">>>", "").strip()


def test_a_session_at_the_prompt_needs_no_guard(start: Start) -> None:
    """Functions typed at the prompt run in processes too."""
    session = dedent(
        """\
        from concurkit import Task, run_concurrently
        def triple(number):
            return 3 * number

        print(run_concurrently(Task.map(triple, [1, 2]), mode="process"))
        """
    )

    code, out, _, _ = start("", args=["-q", "-i", "-"], stdin=session).end()

    assert (0, "[3, 6]\n") == (code, out)


def test_a_guarded_script_works_as_well(start: Start) -> None:
    """Nor does a guard do harm; a function of another module is imported by its name."""
    code, out, err, _ = start(
        f"""{IMPORTS}
    def double(number):
        return 2 * number
    if __name__ == "__main__":
        print(run_concurrently([Task(double, 4), Task(sample_tasks.add, 1, 2)], mode="process"))
    """
    ).end()

    assert (0, "[8, 3]\n", "") == (code, out, err)


def test_the_scripts_own_directory_is_on_the_workers_path(start: Start, tmp_path: Path) -> None:
    """A module beside the script can be imported by its tasks."""
    (tmp_path / "helper.py").write_text("def triple(number):\n    return 3 * number\n")

    code, out, err, _ = start(
        """
    import helper
    from concurkit import Task, run_concurrently
    def task(number):
        import helper
        return helper.triple(number)
    print(run_concurrently([Task(helper.triple, 2), Task(task, 3)], mode="process"))
    """
    ).end()

    assert (0, "[6, 9]\n", "") == (code, out, err)
