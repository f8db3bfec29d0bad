"""What a run gives with `on_error="collect"`: an outcome for each value, in the same shape."""

from typing import Any, assert_never, assert_type

from sample import HERE, parse, ping, ready, size

from concurkit import Failure, Outcome, Success, Task, run_concurrently
from concurkit.typing import OnError, Stopped

i, s = Task(size, HERE), Task(str, 1)


def shapes(several: tuple[Task[int], ...]) -> None:
    assert_type(run_concurrently([i], on_error="collect"), list[Outcome[int]])
    assert_type(run_concurrently([ready], on_error="collect"), list[Outcome[bool]])
    assert_type(run_concurrently([ping], on_error="collect"), list[Outcome[float]])
    assert_type(
        run_concurrently(Task.map(parse, [HERE]), on_error="collect"), list[Outcome[list[str]]]
    )
    assert_type(run_concurrently((i,), on_error="collect"), tuple[Outcome[int]])
    assert_type(run_concurrently((i, s), on_error="collect"), tuple[Outcome[int], Outcome[str]])
    assert_type(
        run_concurrently((Task(ping), ready, s, i), on_error="collect"),
        tuple[Outcome[float], Outcome[bool], Outcome[str], Outcome[int]],
    )
    assert_type(
        run_concurrently((i, s, i, s, i, s, i, s), on_error="collect"),
        tuple[
            Outcome[int],
            Outcome[str],
            Outcome[int],
            Outcome[str],
            Outcome[int],
            Outcome[str],
            Outcome[int],
            Outcome[str],
        ],
    )
    assert_type(
        run_concurrently((i, s, i, s, i, s, i, s, i), on_error="collect"),
        tuple[Outcome[Any], ...],
    )
    assert_type(run_concurrently(several, on_error="collect"), tuple[Outcome[int], ...])
    assert_type(run_concurrently({"i": i}, on_error="collect"), dict[str, Outcome[int]])
    assert_type(run_concurrently({"p": ping}, on_error="collect"), dict[str, Outcome[float]])


def a_choice_made_at_run_time(on_error: OnError) -> None:
    assert_type(
        run_concurrently([i], on_error=on_error),
        list[int] | list[Outcome[int]],
    )


def match_is_exhaustive(outcome: Outcome[int]) -> int:
    match outcome:
        case Success(value):
            assert_type(value, int)
            return value
        case Failure(error):
            assert_type(error, BaseException)
            return 0
        case _:
            assert_never(outcome)


def match_by_class_needs_no_default(outcome: Outcome[int]) -> str:
    match outcome:
        case Success():
            assert_type(outcome.value, int)
            return outcome.worker
        case Failure(stopped=stopped):
            assert_type(stopped, Stopped | None)
            return stopped or "raised"


def isinstance_narrows_both_ways(outcome: Outcome[int]) -> None:
    if isinstance(outcome, Success):
        assert_type(outcome, Success[int])
    else:
        assert_type(outcome, Failure)


def unwrapped(outcome: Outcome[int]) -> None:
    assert_type(outcome.unwrap(), int)
    assert_type([one.unwrap() for one in run_concurrently([i], on_error="collect")], list[int])
