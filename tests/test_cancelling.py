"""Coroutines that raise an error of their own as they are cancelled, as cleanup can."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
import sample_tasks

from concurkit import Task, _schedule, aio, iter_concurrently, run_concurrently
from concurkit.exceptions import RunTimeoutError, TaskTimeoutError

GOOD = Task(sample_tasks.give_async, "fine")


def awaited(backend: str, *given: Any, **how: Any) -> Any:
    """`aio.run_concurrently` on that loop."""
    return anyio.run(partial(aio.run_concurrently, *given, **how), backend=backend)


@pytest.fixture(params=["own loop", "asyncio", "trio"])
def call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The call by each loop; a coroutine has as long as it takes to end, on a busy machine too."""
    monkeypatch.setattr(_schedule, "_GRACE", 20.0)
    return run_concurrently if request.param == "own loop" else partial(awaited, request.param)


@pytest.mark.parametrize("limit", ["timeout", "total_timeout"])
@pytest.mark.parametrize("within", [False, True], ids=["bare", "in a task group"])
def test_an_overdue_one(call: Callable[..., Any], limit: str, within: bool) -> None:
    """It was cancelled, what it raised then is the cause, and other tasks go on."""
    tasks = [GOOD, Task(sample_tasks.fail_when_cancelled, within), GOOD]

    outcomes = call(tasks, mode="async", on_error="collect", **{limit: 0.5})

    assert ["fine", "fine"] == [outcomes[0].value, outcomes[2].value]
    error = outcomes[1].error
    late = TaskTimeoutError if limit == "timeout" else RunTimeoutError
    assert (late, "cancelled") == (type(error), outcomes[1].stopped)
    cause = error.__cause__
    assert "cleanup failed" == str(cause.exceptions[-1] if within else cause)


def test_another_task_s_failure_is_raised(call: Callable[..., Any]) -> None:
    """The run neither waits for those that it cancels nor takes their error for its own."""
    tasks = [Task(sample_tasks.reciprocal_async, 0), Task(sample_tasks.fail_when_cancelled, False)]

    with pytest.raises(ZeroDivisionError):
        call(tasks, mode="async")


def test_a_stream_is_left() -> None:
    """Leaving its block ends it."""
    tasks = [Task(sample_tasks.give_async, 1), Task(sample_tasks.fail_when_cancelled, False)]
    with iter_concurrently(tasks, mode="async") as run:
        assert 1 == next(run)
