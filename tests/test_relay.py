"""What crosses into a worker process and out of it beside the task: logs, warnings, context."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import sample_tasks

from concurkit import Failure, ProcessExecutor, Task, run_concurrently
from concurkit.exceptions import TaskNotPicklableError

LOGGER = logging.getLogger("relayed.part")
request_id: ContextVar[str] = ContextVar("request_id", default="none")
unset: ContextVar[str] = ContextVar("unset")


class Keeper(logging.Handler):
    """Keeps the records that it is given, and what the context was."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.contexts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.contexts.append(request_id.get())


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    """A handler on a logger whose records go no further."""
    handler, logger = Keeper(), logging.getLogger("relayed")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.propagate = True
    for name in ("relayed", "relayed.part"):
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).disabled = False


def say(number: int, level: int = logging.INFO) -> int:
    """Log a line."""
    LOGGER.log(level, "number %d", number)
    return number


# ---- logs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunksize", ["auto", 1, 7])
def test_records_come_home_with_task_and_worker(keeper: Keeper, chunksize: Any) -> None:
    """Each once, before the run returns, whatever travels in one message."""
    run_concurrently(Task.map(say, range(40)), mode="process", max_workers=2, chunksize=chunksize)

    found = {(record.getMessage(), record.task_index) for record in keeper.records}
    assert {(f"number {number}", number) for number in range(40)} == found
    assert 40 == len(keeper.records)
    workers = {(record.worker, record.processName) for record in keeper.records}
    assert workers <= {(name, name) for name in ("process worker 1", "process worker 2")}
    assert os.getpid() not in {record.process for record in keeper.records}


def test_the_levels_of_the_caller_hold_in_workers(keeper: Keeper) -> None:
    """Those of the moment when the run begins, also on workers that are there already."""

    def enabled() -> list[bool]:
        loggers = (LOGGER, logging.getLogger("relayed.other"))
        return [one.isEnabledFor(level) for one in loggers for level in (10, 20, 30)]

    with ProcessExecutor(1) as processes:
        assert [[False, True, True] * 2] == run_concurrently([enabled], mode=processes)
        LOGGER.setLevel(logging.DEBUG)
        assert [[True] * 3 + [False, True, True]] == run_concurrently([enabled], mode=processes)
        LOGGER.setLevel(logging.NOTSET)
        LOGGER.disabled = True
        assert [[False] * 3 + [False, True, True]] == run_concurrently([enabled], mode=processes)
        LOGGER.disabled = False
        logging.disable(logging.INFO)
        try:
            assert [[False, False, True] * 2] == run_concurrently([enabled], mode=processes)
        finally:
            logging.disable(logging.NOTSET)
        assert [[False, True, True] * 2] == run_concurrently([enabled], mode=processes)


def test_records_are_handled_in_the_caller_s_context(keeper: Keeper) -> None:
    """A filter or a formatter that looks up a request finds the run's."""
    token = request_id.set("7")
    try:
        run_concurrently(Task.map(say, range(2)), mode="process")
    finally:
        request_id.reset(token)

    assert ["7", "7"] == keeper.contexts


def test_what_a_record_holds_survives_the_way(keeper: Keeper) -> None:
    """Tracebacks come as text, and what can't travel by its repr; bad arguments break nothing."""

    def log() -> str:
        try:
            raise KeyError("lost")
        except KeyError:
            LOGGER.exception("with %s", "words", extra={"lock": threading.Lock(), "more": [1]})
        LOGGER.warning("%d %d", "too few")
        return "done"

    assert ["done"] == run_concurrently([log], mode="process")

    first, second = keeper.records
    assert "with words" == first.getMessage()
    assert "KeyError: 'lost'" in first.exc_text
    assert [1] == first.more
    assert "lock" in first.lock
    assert "too few" in second.getMessage()


def test_no_handler_of_a_module_runs_in_the_worker_too(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that sets up logging as it is imported does so in each worker."""
    path = tmp_path / "log"
    (tmp_path / "noisy_module.py").write_text(
        "import logging\n"
        "log = logging.getLogger('relayed.noisy')\n"
        f"log.addHandler(logging.FileHandler({str(path)!r}))\n"
        "def work(x):\n"
        "    log.info('worked %s', x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import noisy_module  # type: ignore[import-not-found]

    try:
        run_concurrently(Task.map(noisy_module.work, range(3)), mode="process", max_workers=1)
    finally:
        for handler in noisy_module.log.handlers[:]:
            noisy_module.log.removeHandler(handler)
            handler.close()
        del sys.modules["noisy_module"]

    assert Counter({f"worked {x}": 1 for x in range(3)}) == Counter(path.read_text().splitlines())
    assert 3 == len(keeper.records)


def set_up_logging(path: str) -> None:
    """What people do in an initializer."""
    logging.getLogger("relayed").addHandler(logging.FileHandler(path))


def test_an_initializer_that_adds_a_handler_takes_over(keeper: Keeper, tmp_path: Path) -> None:
    """Its worker's records go to that handler alone, so none is handled twice."""
    path = tmp_path / "log"

    run_concurrently(
        [Task(say, 5)], mode="process", initializer=set_up_logging, initargs=(str(path),)
    )

    assert ["number 5"] == path.read_text().splitlines()
    assert [] == keeper.records


def test_large_and_many_records_are_all_there(keeper: Keeper) -> None:
    """Also those of threads that log while a result is sent."""

    def shout(number: int) -> None:
        def call() -> None:
            LOGGER.info("%s %d", "x" * 100_000, number)

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run_concurrently(Task.map(shout, range(50)), mode="process", max_workers=2, chunksize=5)

    counts = Counter(record.getMessage().rpartition(" ")[2] for record in keeper.records)
    assert {str(number): 3 for number in range(50)} == counts


def test_a_record_that_is_made_while_another_is_sent_blocks_nothing(keeper: Keeper) -> None:
    """A finalizer may log at any moment."""

    class Noisy:
        def __init__(self) -> None:
            self.me = self  # only the garbage collector ends it

        def __del__(self) -> None:
            LOGGER.info("gone")

    def make(number: int) -> None:
        for _ in range(50):
            Noisy()
        LOGGER.info("number %d", number)

    run_concurrently(Task.map(make, range(100)), mode="process", max_workers=2)

    said = Counter(record.getMessage() for record in keeper.records)
    assert 100 == sum(count for text, count in said.items() if text != "gone")


def test_a_filter_of_the_caller_s_that_raises_ends_no_worker(
    keeper: Keeper, capfd: pytest.CaptureFixture[str]
) -> None:
    """What logging itself does with a handler's error: it is printed."""

    def refuse(record: logging.LogRecord) -> bool:
        raise ValueError("no records today")

    LOGGER.addFilter(refuse)
    try:
        assert [1, 2] == run_concurrently(Task.map(say, [1, 2]), mode="process")
    finally:
        LOGGER.removeFilter(refuse)

    assert "no records today" in capfd.readouterr().err


def test_print_goes_where_it_always_went() -> None:
    """A worker's stdout and stderr are the program's."""
    program = (
        "import sys\n"
        "from concurkit import Task, run_concurrently\n"
        "def speak(x):\n"
        "    print('out', x, flush=True)\n"
        "    print('err', x, file=sys.stderr, flush=True)\n"
        "run_concurrently(Task.map(speak, [1, 2]), mode='process', max_workers=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert ["out 1", "out 2"] == done.stdout.splitlines()
    assert ["err 1", "err 2"] == done.stderr.splitlines()


# ---- warnings ------------------------------------------------------------------------------------


class CarefulWarning(UserWarning):
    """A category of the program's own."""


def warn(times: int, category: type[Warning] = CarefulWarning) -> int:
    """Warn so often from one place."""
    for _ in range(times):
        warnings.warn("careful", category, stacklevel=1)
    return times


@pytest.mark.parametrize(("action", "shown"), [("always", 12), ("default", 1), ("ignore", 0)])
def test_warnings_pass_the_caller_s_filters(action: Any, shown: int) -> None:
    """As often as warnings of one process would, from however many workers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        run_concurrently(Task.map(warn, [3] * 4), mode="process", max_workers=2, chunksize=1)

    assert [CarefulWarning] * shown == [one.category for one in caught]
    assert {__file__} >= {one.filename for one in caught}


def test_a_warning_that_is_an_error_is_raised_in_the_task() -> None:
    """The suite's own filter makes errors of warnings."""
    [outcome] = run_concurrently([Task(warn, 1)], mode="process", on_error="collect")

    assert isinstance(outcome, Failure)
    assert CarefulWarning is type(outcome.error)


def test_filters_follow_the_caller_on_workers_that_are_there() -> None:
    """A worker forgets those of the run before."""
    with ProcessExecutor(1) as processes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert [1] == run_concurrently([Task(warn, 1)], mode=processes)
        with pytest.raises(CarefulWarning):
            run_concurrently([Task(warn, 1)], mode=processes)


def test_a_warning_whose_class_stays_in_the_worker_is_shown_all_the_same() -> None:
    """By the name of its class."""

    def warn_oddly() -> None:
        class OddWarning(UserWarning):
            def __reduce__(self) -> Any:
                raise TypeError("stays here")

        warnings.warn(OddWarning("strange"), stacklevel=1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_concurrently([warn_oddly], mode="process")

    assert ["OddWarning: strange"] == [str(one.message) for one in caught]


# ---- context -------------------------------------------------------------------------------------


def read_variables() -> tuple[str, str]:
    """What the task sees."""
    return request_id.get(), unset.get("missing")


@pytest.mark.parametrize("mode", ["serial", "thread", "process", "async"])
def test_chosen_variables_are_seen_in_every_mode(mode: Any) -> None:
    """One that is not set stays so."""
    token = request_id.set("42")
    try:
        seen = run_concurrently([read_variables] * 3, mode=mode, propagate=[request_id, unset])
    finally:
        request_id.reset(token)

    assert [("42", "missing")] * 3 == seen


def test_processes_see_no_variable_that_was_not_chosen() -> None:
    """The value of the run before is gone too."""
    token = request_id.set("42")
    try:
        with ProcessExecutor(1) as processes:
            chosen = run_concurrently([read_variables], mode=processes, propagate=(request_id,))
            without = run_concurrently([read_variables], mode=processes)
    finally:
        request_id.reset(token)

    assert ([("42", "missing")], [("none", "missing")]) == (chosen, without)


def test_an_executor_takes_variables_to_every_call() -> None:
    """`submit` takes the values of the moment."""
    with ProcessExecutor(1, propagate=[request_id]) as processes:
        for value in ("a", "b"):
            token = request_id.set(value)
            assert (value, "missing") == processes.submit(read_variables).result(timeout=30)
            assert [(value, "missing")] == run_concurrently([read_variables], mode=processes)
            request_id.reset(token)


def test_variables_that_no_module_holds_travel_by_themselves() -> None:
    """In a closure or as an argument, with their default, and home again as what they were."""
    local: ContextVar[str] = ContextVar("local", default="nothing")
    token = local.set("set")
    try:
        values = run_concurrently(
            [local.get, Task(sample_tasks.give, local)], mode="process", propagate=[local]
        )
        default = run_concurrently([lambda: local.get()], mode="process")
    finally:
        local.reset(token)

    assert ["set", local] == values
    assert ["nothing"] == default


def test_a_value_that_can_t_travel_is_named() -> None:
    """The error says which variable has it."""
    odd: ContextVar[Any] = ContextVar("odd")
    odd.set(threading.Lock())

    with pytest.raises(TaskNotPicklableError, match="context variable odd"):
        run_concurrently([Task(sample_tasks.give, 1)], mode="process", propagate=[odd])


@pytest.mark.parametrize("wrong", [request_id, "request_id", ["request_id"], 3])
def test_what_is_no_variable_is_refused(wrong: Any) -> None:
    """With what to write instead."""
    with pytest.raises(TypeError, match=r"propagate.*ContextVars, as in propagate="):
        run_concurrently([Task(sample_tasks.give, 1)], propagate=wrong)
