"""Law 10 in process mode: however the program is started, whatever the function is."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import sample_tasks
from start_ways import PASTE_ON, STRICT, WAYS, Ending, Start, carry_out

import concurkit
from concurkit import ProcessExecutor, Task, run_concurrently
from concurkit.executors._pickling import _by_value, _modules, _pickle, _settings
from concurkit.executors.process._start import SeatContext

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="terminals, forks and scripts without a guard are POSIX's here"
)

METHODS = ["default", "forkserver", "spawn", "fork"]

# What each kind of function gives, and each look at it on the caller's side, in every program.
EXPECTED: dict[str, Any] = {
    "lambda": 11,
    "async lambda": 11,
    "closure": 7,
    "closure that calls itself": 5,
    "nested function": 22,
    "function with defaults": 3,
    "function that uses globals": "[11, 32]",
    "functions that call each other": True,
    "decorated function": 22,
    "cached function": 11,
    "cached function that calls itself": 832040,
    "generator in a task": 10,
    "async function": 3,
    "async generator in a task": [0, 1, 2],
    "function as argument": True,
    "function as result": 7,
    "partial": 10,
    "builtin": 4,
    "bound method": 16,
    "inherited method": 32,
    "classmethod": [True, 8],
    "staticmethod": 14,
    "async method": 16,
    "callable instance": 4,
    "class": [True, 6],
    "class in a class": True,
    "class with a registry": [True, ["Junior"]],
    "class as argument": [True],
    "subclass as argument": [True, False],
    "dataclass": [True, True, "Point(x=1, y=2)"],
    "dataclass as argument": [True],
    "dataclass with slots": [True, True],
    "dataclasses in a list": True,
    "enum as argument": [True, True, True],
    "enum as result": [True, True, "BLUE!"],
    "flag": True,
    "abstract class": [True, True, 9],
    "generic class": [True, 3],
    "namedtuple": [True, True, 2],
    "typed namedtuple": [True, [1, "right"]],
    "exception": [True, [3]],
    "exception with a signature": [True, 4, "none", "code 4"],
    "exceptions in a group": [[True, [5]]],
    "function of many tasks": [10, 11, 12],
    "changes of the caller's classes": [[], [], [], [], []],
    "start method of the program": None,
    "concurkit": concurkit.__file__,
}


# ---- every way to start, every kind of function, every start method -----------------------------


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def ended(way: str, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    """A program that has run all kinds with all start methods, each in a run of its own."""
    home = tmp_path_factory.mktemp("s")  # a short name: the paths of sockets have a limit
    return carry_out(WAYS[way](home), home, METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_function_runs_and_its_result_is_the_callers(
    ended: Ending, method: str, way: str
) -> None:
    """Classes and enum members of the program come back as the program's own."""
    expected = dict(EXPECTED)
    if way == "python app.pyz":
        expected["function of a module beside it"] = 1

    assert expected == ended.table(method)


def test_the_program_is_not_run_again_in_its_workers(ended: Ending, way: str) -> None:
    """Guarded or not, it writes its line once; but a module that can be imported is, as always."""
    runs = set(ended.runs) if way == "pytest" else {"the program"}

    assert len(runs) == len(ended.runs)


def test_nothing_is_said_and_nothing_is_left(ended: Ending) -> None:
    """No warning, no noise of a resource tracker, no process, no temporary file."""
    assert (0, "", []) == (ended.code, ended.err, ended.left), ended.out


@pytest.mark.parametrize("way", ["notebook"], scope="module")
def test_a_function_that_a_later_cell_defines_anew_is_the_new_one(ended: Ending) -> None:
    """Also where a function calls it, and on workers that had the old one."""
    old, new = [2, 3], [10, 20]
    later_old, later_new = [2, 3], [11, 21]

    assert [old, old, later_old, new, new, later_new] == ended.table("redefined")


@pytest.mark.parametrize("way", ["terminal"], scope="module")
def test_the_terminal_is_the_one_that_users_get(ended: Ending) -> None:
    """From Python 3.13 on that is one which takes what is pasted as a whole."""
    assert (sys.version_info >= (3, 13)) == (PASTE_ON in ended.out)


# ---- programs that use multiprocessing too ------------------------------------------------------

SET_BEFORE = """
    import multiprocessing
    multiprocessing.set_start_method({method!r})
    from concurkit import Task, run_concurrently
    print(run_concurrently(Task.map(lambda x: x + 1, [1, 2]), mode="process"))
    print(multiprocessing.get_start_method())
"""
SET_AFTER = """
    import multiprocessing
    from concurkit import ProcessExecutor, Task, run_concurrently
    for method in {methods}:
        with ProcessExecutor(2, start_method=method) as processes:
            values = run_concurrently(Task.map(lambda x: x + 1, [1, 2]), mode=processes)
    multiprocessing.set_start_method({method!r})
    print(values)
    print(multiprocessing.get_start_method())
"""


@pytest.mark.parametrize("program", [SET_BEFORE, SET_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("method", METHODS[1:])
def test_the_start_method_of_the_program_is_its_own_to_set(
    program: str, method: str, tmp_path: Path
) -> None:
    """It has none of concurkit's runs settled, nor do they follow it."""
    code = dedent(program).format(method=method, methods=[None, *METHODS[1:]])

    ending = carry_out(Start([*STRICT, "-c", code]), tmp_path, [])

    assert ("", ["[2, 3]", method]) == (ending.err, ending.out.splitlines())


FORKS = """
    import os, threading
    from concurkit import ProcessExecutor, Task, run_concurrently
    os.register_at_fork(before=lambda: print("fork", threading.active_count() > 1))
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    print(run_concurrently(Task.map(lambda x: x + 1, [1, 2]), mode={mode}))
    end.set()
"""


@pytest.mark.parametrize(
    ("mode", "forks"),
    [("'process'", []), ("ProcessExecutor(1, start_method='fork')", ["fork True"])],
)
def test_a_program_with_threads_is_only_forked_when_it_asks(
    mode: str, forks: list[str], tmp_path: Path
) -> None:
    """The second case is the proof that the first would see a fork."""
    code = dedent(FORKS).format(mode=mode)

    ending = carry_out(Start([*STRICT, "-c", code]), tmp_path, [])

    assert ("", [*forks, "[2, 3]"]) == (ending.err, ending.out.splitlines())


IN_A_CHILD = """
    import multiprocessing
    from concurkit import Task, run_concurrently

    def add(x):
        return x + 1

    def child():
        print(run_concurrently(Task.map(add, [1, 2]), mode="process"), flush=True)

    if __name__ == "__main__":
        process = multiprocessing.get_context("spawn").Process(target=child)
        process.start()
        process.join()
"""


def test_a_spawned_process_of_the_programs_own_may_run_its_functions_too(tmp_path: Path) -> None:
    """There the program goes by the name of `__mp_main__`."""
    script = tmp_path / "script.py"
    script.write_text(dedent(IN_A_CHILD))

    ending = carry_out(Start([*STRICT, script]), tmp_path, [])

    assert ("", "[2, 3]\n") == (ending.err, ending.out)


# ---- how many processes, how many pickles -------------------------------------------------------


def test_two_tasks_start_two_processes_however_many_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker is only started for a task that it can run."""
    started = []
    make = SeatContext.Process

    def count(context: SeatContext, *args: Any, **kwargs: Any) -> Any:
        started.append(context)
        return make(context, *args, **kwargs)

    monkeypatch.setattr(SeatContext, "Process", count)

    assert [1, 2] == run_concurrently(Task.map(abs, [-1, -2]), mode="process", max_workers=64)
    assert 2 == len(started)


@pytest.mark.parametrize(
    ("function", "by_value", "by_name"),
    [(lambda x: -x, 1, 0), (sample_tasks.give, 0, 1)],
    ids=["lambda", "function of a module"],
)
def test_a_function_is_pickled_once_for_all_its_tasks(
    function: Any,
    by_value: int,
    by_name: int,
    warm_processes: ProcessExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By value where it must be, by its name where it can be found by that."""
    pickled = []
    valued = []
    dumps, dumps_by_value = _pickle.dumps, _by_value.dumps
    monkeypatch.setattr(_settings, "dumps", lambda value: pickled.append(value[0]) or dumps(value))
    monkeypatch.setattr(
        _by_value, "dumps", lambda *given: valued.append(given[0][0]) or dumps_by_value(*given)
    )

    values = run_concurrently(Task.map(function, range(10_000)), mode=warm_processes)

    assert [function(x) for x in range(10_000)] == values
    assert ([function], [function] * by_value) == (pickled, valued)
    monkeypatch.undo()
    assert by_name == (sample_tasks.__name__.encode() in dumps(function))


# ---- modules that only this process can find ----------------------------------------------------

PLUGIN = """
    from dataclasses import dataclass
    from functools import lru_cache

    UNIT = 10

    @dataclass
    class Length:
        units: int

    def length(units):
        return Length(units * UNIT)

    @lru_cache
    def cached(units):
        return length(units)
"""


@pytest.mark.parametrize("elsewhere", [False, True], ids=["nowhere else", "another of its name"])
@pytest.mark.parametrize("name", ["length", "cached"])
def test_a_module_loaded_from_a_file_goes_along_with_its_functions(
    name: str,
    elsewhere: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warm_processes: ProcessExecutor,
) -> None:
    """As loaders of plugins do, and pytest; another module may be found under the same name."""
    module = f"plugin_{name}_{elsewhere}"
    path = tmp_path / f"{module}.py"
    path.write_text(dedent(PLUGIN))
    if elsewhere:
        other = tmp_path / "other"
        other.mkdir()
        (other / path.name).write_text("UNIT = 0\n")
        monkeypatch.syspath_prepend(other)
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None
    assert spec.loader is not None
    plugin = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module, plugin)
    spec.loader.exec_module(plugin)

    values = run_concurrently(Task.map(getattr(plugin, name), [1, 2]), mode=warm_processes)

    assert [plugin.Length(10), plugin.Length(20)] == values


def test_a_module_that_shows_another_file_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As toolz's `tlz` does, which Dask imports."""
    (tmp_path / "shows_another.py").write_text("__file__ = '/elsewhere.py'\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("shows_another")

    assert _modules.findable("shows_another")


@pytest.mark.parametrize(("place", "by_name"), [("site-packages", True), ("scripts", False)])
def test_a_module_that_another_stands_before_by_now(
    place: str, by_name: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library is found by its name even so (Ray brings a `psutil`); a file of ours is not it."""
    name = f"stands_behind_{by_name}"
    for folder in (place, "first"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").touch()
    monkeypatch.syspath_prepend(tmp_path / place)
    importlib.import_module(name)
    monkeypatch.syspath_prepend(tmp_path / "first")
    monkeypatch.setitem(sys.modules, name, sys.modules.pop(name))  # gone with the test

    assert by_name == _modules.findable(name)


def test_modules_that_others_find_are_not_sent_to_them() -> None:
    """All that is loaded here, under whatever name, can be found by its name."""
    hidden = [name for name in list(sys.modules) if not _modules.findable(name)]

    assert {"__main__", "__mp_main__"} == {"__mp_main__", *hidden}


def test_a_traceback_shows_the_line_of_a_function_that_travelled_by_value(
    warm_processes: ProcessExecutor,
) -> None:
    """Its file and what is written there, also of a function inside it."""

    def outer(number: int) -> float:
        def inner() -> float:
            return 1 / number

        return inner()

    with pytest.raises(ZeroDivisionError) as caught:
        run_concurrently([lambda: outer(0)], mode=warm_processes)

    trace = str(caught.value.__cause__)
    assert f'File "{__file__}", line {outer.__code__.co_firstlineno + 2}, in inner' in trace
    assert "return 1 / number\n" in trace
