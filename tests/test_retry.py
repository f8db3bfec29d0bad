"""Which failures are tried again, how long they wait, and what their errors tell in the end."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import math
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concurkit import Retry, Task, run_concurrently
from concurkit._retry import as_retry


class Busy(OSError):
    """A failure that passes."""


class Index:
    """A whole number that is no int, as NumPy's are."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __index__(self) -> int:
        return self._number


class TestArguments:
    """What may be asked for."""

    def test_defaults(self) -> None:
        """Three attempts after trouble with the network or files, about as stamina has it."""
        policy = Retry()

        assert (3, (OSError, TimeoutError)) == (policy.attempts, policy.on)
        assert (0.1, 5.0, 1.0) == (policy.wait_initial, policy.wait_max, policy.wait_jitter)

    @pytest.mark.parametrize("attempts", [0, -1])
    def test_too_few_attempts(self, attempts: int) -> None:
        with pytest.raises(ValueError, match=f"attempts is {attempts}.*whole number from 1 up"):
            Retry(attempts=attempts)

    @pytest.mark.parametrize("attempts", [True, 2.0, "3", None, math.nan, [3]])
    def test_attempts_that_are_no_number(self, attempts: Any) -> None:
        with pytest.raises(TypeError, match=r"attempts is .*whole number from 1 up"):
            Retry(attempts=attempts)

    def test_attempts_of_another_kind(self) -> None:
        """Whatever stands for a whole number is one."""
        policy = Retry(attempts=Index(4))  # type: ignore[arg-type]

        assert 4 == policy.attempts
        assert type(policy.attempts) is int

    @pytest.mark.parametrize("name", ["wait_initial", "wait_max", "wait_jitter"])
    @pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf])
    def test_waits_out_of_range(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=f"{name} is .*from 0 up"):
            Retry(**{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["wait_initial", "wait_max", "wait_jitter"])
    @pytest.mark.parametrize("value", [True, False, "1", None, timedelta(seconds=1), 1j])
    def test_waits_of_the_wrong_type(self, name: str, value: Any) -> None:
        with pytest.raises(TypeError, match=f"{name} is .*from 0 up"):
            Retry(**{name: value})

    @pytest.mark.parametrize("name", ["wait_initial", "wait_max", "wait_jitter"])
    @pytest.mark.parametrize("value", [0, 0.0, -0.0, 1, 0.5])
    def test_waits(self, name: str, value: float) -> None:
        """Nothing is an amount too, and each becomes a float."""
        kept = getattr(Retry(**{name: value}), name)  # type: ignore[arg-type]

        assert value == kept
        assert type(kept) is float

    @pytest.mark.parametrize(
        "on", [None, (), 3, "OSError", [OSError], (OSError, None), (OSError, int), int, OSError()]
    )
    def test_wrong_errors(self, on: Any) -> None:
        with pytest.raises(TypeError, match=r"on is .*an exception class, a tuple of them"):
            Retry(on=on)

    @pytest.mark.parametrize("on", [KeyError, BaseException, (KeyError, Busy), bool, len])
    def test_errors(self, on: Any) -> None:
        if on is bool:  # a class, and no exception
            with pytest.raises(TypeError):
                Retry(on=on)
        else:
            assert on is Retry(on=on).on

    def test_only_keywords(self) -> None:
        """A bare number would not say what it counts."""
        with pytest.raises(TypeError):
            Retry(3)  # type: ignore[call-arg]

    def test_frozen(self) -> None:
        """A policy may be shared."""
        with pytest.raises(AttributeError):
            Retry().attempts = 4  # type: ignore[misc]

    def test_a_value(self) -> None:
        """Policies are compared by what they say, and travel."""
        policy = Retry(attempts=2, on=Busy)

        assert {policy} == {Retry(attempts=2, on=Busy), pickle.loads(pickle.dumps(policy))}


class TestShortForm:
    """What may be passed as `retry=`."""

    @pytest.mark.parametrize("value", [2, Index(2)])
    def test_a_number(self, value: Any) -> None:
        """So many attempts, whatever exception it is."""
        assert Retry(attempts=2, on=Exception) == as_retry(value)

    def test_a_policy(self) -> None:
        policy = Retry()

        assert policy is as_retry(policy)

    @pytest.mark.parametrize("value", [0, -1])
    def test_out_of_range(self, value: int) -> None:
        with pytest.raises(ValueError, match=f"retry is {value}.*concurkit.Retry.*from 1 up"):
            run_concurrently([], retry=value)

    @pytest.mark.parametrize("value", [True, False, 1.5, "2", OSError, Retry])
    def test_wrong_type(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"retry is .*concurkit.Retry"):
            run_concurrently([], retry=value)

    def test_not_every_base_exception(self) -> None:
        """A number of attempts does not try again after a SystemExit."""
        tries = []

        def leave() -> None:
            tries.append(1)
            raise SystemExit(3)

        with pytest.raises(SystemExit):
            run_concurrently([leave], mode="thread", retry=5)

        assert 1 == len(tries)


class TestWaits:
    """How long a task waits for its next attempt."""

    def test_formula(self) -> None:
        """It doubles, up to a limit; after the last attempt there is none."""
        policy = Retry(attempts=8, on=Busy, wait_initial=0.1, wait_max=2, wait_jitter=0)

        assert [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, None] == [
            policy.wait(Busy(), attempt) for attempt in range(1, 9)
        ]

    @given(attempt=st.integers(1, 10_000), jitter=st.sampled_from([0.0, 0.5, 1e9]))
    def test_between_its_bounds(self, attempt: int, jitter: float) -> None:
        """Chance adds no more than the jitter, and never exceeds the limit."""
        policy = Retry(attempts=20_000, on=Busy, wait_initial=0.1, wait_max=7, wait_jitter=jitter)
        wait = policy.wait(Busy(), attempt)
        least = 0.1 * 2.0 ** min(attempt - 1, 100)

        assert wait is not None
        assert min(7.0, least) <= wait <= min(7.0, least + jitter)

    def test_chance(self) -> None:
        """Tasks that failed together don't come back together."""
        policy = Retry(on=Busy, wait_initial=1, wait_jitter=2)
        waits = [policy.wait(Busy(), 1) or 0.0 for _ in range(300)]

        assert min(waits) < 1.5
        assert max(waits) > 2.5

    def test_one_attempt(self) -> None:
        """Nothing is tried again, and nobody is asked."""
        assert Retry(attempts=1, on=unasked).wait(Busy(), 1) is None

    def test_the_last_attempt(self) -> None:
        """Where nothing follows, nobody is asked either."""
        assert Retry(attempts=3, on=unasked).wait(Busy(), 3) is None

    @pytest.mark.parametrize("on", [Busy, OSError, (KeyError, OSError), BaseException])
    def test_classes(self, on: Any) -> None:
        """A subclass is meant too."""
        policy = Retry(on=on, wait_jitter=0)

        assert policy.wait(Busy(), 1) is not None

    @pytest.mark.parametrize("on", [BlockingIOError, (KeyError, LookupError), Exception])
    def test_other_classes(self, on: Any) -> None:
        assert Retry(on=on).wait(KeyboardInterrupt(), 1) is None

    @pytest.mark.parametrize(
        ("verdict", "wait"),
        [
            (True, 0.25),
            (False, None),
            (None, None),
            (0, 0.0),
            (0.0, 0.0),
            (3, 3.0),
            (60.5, 60.5),  # more than wait_max: the function decides
            (timedelta(minutes=1), 60.0),
            (timedelta(0), 0.0),
        ],
    )
    def test_a_function(self, verdict: Any, wait: float | None) -> None:
        """It says whether to try again, or how long to wait."""
        asked: list[BaseException] = []

        def on(error: BaseException) -> Any:
            asked.append(error)
            return verdict

        error = Busy()
        found = Retry(on=on, wait_initial=0.25, wait_max=5, wait_jitter=0).wait(error, 1)

        assert (wait, type(wait)) == (found, type(found))
        assert [error] == asked

    @pytest.mark.parametrize("verdict", [-1, -0.5, math.nan, math.inf, timedelta(seconds=-1)])
    def test_a_function_out_of_range(self, verdict: Any) -> None:
        with pytest.raises(ValueError, match=r"what retry's function returned is .*seconds"):
            Retry(on=lambda error: verdict).wait(Busy(), 1)

    @pytest.mark.parametrize("verdict", ["1", "yes", [], b"", 1j, Fraction(1, 2), OSError])
    def test_a_function_that_returns_something_else(self, verdict: Any) -> None:
        with pytest.raises(TypeError, match=r"what retry's function returned is .*seconds"):
            Retry(on=lambda error: verdict).wait(Busy(), 1)


def unasked(error: BaseException) -> bool:
    raise AssertionError("the function was asked")


# ---- runs ---------------------------------------------------------------------------------------

# No time is lost between attempts.
SOON = {"wait_initial": 0.0, "wait_jitter": 0.0}


class Attempts:
    """A task whose attempts raise these errors, one after another, and then return."""

    def __init__(self, *errors: BaseException | Callable[[], Any]) -> None:
        self._errors = iter(errors)
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        error = next(self._errors, None)
        if isinstance(error, BaseException):
            raise error
        if error is not None:
            error()
        return self.count


def error_of(task: Any, *, on: Any = Exception, attempts: int = 3) -> BaseException:
    """The error that a task's run ends with."""
    policy = Retry(attempts=attempts, on=on, wait_initial=0, wait_jitter=0)
    with pytest.raises(BaseException) as caught:
        run_concurrently([task], mode="thread", retry=policy)
    return caught.value


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def contexts_of(error: BaseException) -> list[BaseException]:
    """The error, and what it was raised in the context of; a cycle is an error."""
    found: list[BaseException] = [error]
    while (context := found[-1].__context__) is not None:
        assert all(context is not one for one in found), "the contexts of an error form a cycle"
        found.append(context)
    return found


class TestErrors:
    """The error of a task that failed for good tells of all its attempts."""

    def test_notes(self) -> None:
        """Which task it was, how many attempts it had, and what each one raised."""
        task = Task(Attempts(Busy("one"), KeyError("two"), Busy("three"))).named("fetch")
        error = error_of(task)
        first, *others = notes_of(error)

        assert "three" == str(error)
        assert first.startswith("task 0 'fetch' ")
        assert first.endswith(" · attempt 3")
        assert ["attempt 1 failed with Busy: one", "attempt 2 failed with KeyError: 'two'"] == (
            others
        )

    def test_chain(self) -> None:
        """The last attempt's error was raised in the context of the one before, and so on."""
        errors = [Busy("one"), Busy("two"), Busy("three")]
        error = error_of(Attempts(*errors))

        assert errors[::-1] == contexts_of(error)
        shown = "".join(traceback.format_exception(error))
        assert shown.index("Busy: one") < shown.index("Busy: two") < shown.index("Busy: three")

    def test_chain_of_errors_that_have_contexts(self) -> None:
        """The chain goes on behind what an error was raised in the context of, and from."""
        inner, cause = KeyError("inner"), ValueError("cause")

        def in_context() -> None:
            try:
                raise inner
            except KeyError:
                raise Busy("two") from cause

        first = Busy("one")
        error = error_of(Attempts(first, in_context), attempts=2)

        assert error.__cause__ is cause
        assert [error, inner, first] == contexts_of(error)

    @pytest.mark.parametrize("attempts", [2, 3])
    def test_the_same_error_twice(self, attempts: int) -> None:
        """An exception that is raised again and again is not its own context."""
        same = Busy("same")
        error = error_of(Attempts(*[same] * attempts), attempts=attempts)

        assert error is same
        assert [same] == contexts_of(error)
        assert attempts == len(notes_of(error))

    def test_the_same_error_in_between(self) -> None:
        """Where an error comes back, the chain has each of them once."""
        same, other = Busy("same"), Busy("other")
        error = error_of(Attempts(same, other, same))

        assert error is same
        assert 1 <= len(contexts_of(error)) <= 2
        assert 2 == len(contexts_of(other))

    def test_an_error_raised_from_an_earlier_one(self) -> None:
        """What a task chained itself stays as it is."""
        kept = Busy("kept")
        last = Busy("last")

        def from_kept() -> None:
            raise last from kept

        def in_context() -> None:
            try:
                raise kept
            except Busy:
                from_kept()

        error = error_of(Attempts(kept, in_context), attempts=2)

        assert error is last
        assert [last, kept] == contexts_of(error)
        assert error.__cause__ is kept

    def test_contexts_that_form_a_cycle_already(self) -> None:
        """A task may have tied its errors together; that hangs nothing."""
        one, two = Busy("one"), Busy("two")
        one.__context__, two.__context__ = two, one
        error = error_of(Attempts(Busy("first"), one), attempts=2)

        assert error is one

    def test_one_attempt(self) -> None:
        """A task that was not tried again has nothing to tell of others."""
        error = error_of(Attempts(ValueError("no")), on=Busy)

        assert 1 == len(notes_of(error))
        assert notes_of(error)[0].endswith(" · attempt 1")
        assert error.__context__ is None

    def test_an_error_without_text(self) -> None:
        """An error whose text can't be made is told of too."""

        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        error = error_of(Attempts(Mute(), Busy("last")), attempts=2)

        assert ["attempt 1 failed with Mute: (no text)"] == notes_of(error)[1:]

    def test_an_error_that_forbids_changes(self) -> None:
        """It is raised as it is, be it the first or the last."""

        @dataclass(frozen=True)
        class Frozen(Exception):
            number: int

        assert 2 == getattr(error_of(Attempts(Frozen(1), Frozen(2)), attempts=2), "number", None)

    def test_notes_though_an_earlier_error_forbids_changes(self) -> None:
        """What one error forbids is not kept from another."""

        @dataclass(frozen=True)
        class Frozen(Exception):
            number: int

        error = error_of(Attempts(Busy("one"), Frozen(2), Busy("three")))

        assert "three" == str(error)
        assert 3 == len(notes_of(error))

    def test_collected(self) -> None:
        """An outcome counts the attempts; one of a task that returned at last has no error."""
        tasks = [Attempts(Busy("one")), Attempts(*[Busy("no") for _ in range(5)]), Attempts()]
        policy = Retry(attempts=3, on=Busy, **SOON)
        outcomes = run_concurrently(tasks, mode="thread", retry=policy, on_error="collect")

        assert [2, 3, 1] == [outcome.attempts for outcome in outcomes]
        assert [2, 3, 1] == [task.count for task in tasks]
        assert [2, "no", 1] == [str(getattr(one, "error", "")) or one.unwrap() for one in outcomes]

    @pytest.mark.parametrize("on_error", ["raise", "group", "collect"])
    def test_values_in_their_places(self, on_error: Any) -> None:
        """A task that was tried again has its place among the others."""
        tasks = [Attempts(*[Busy()] * (index % 3)) for index in range(10)]
        policy = Retry(attempts=3, on=Busy, **SOON)
        found = run_concurrently(tasks, mode="thread", retry=policy, on_error=on_error)
        values = [one.value for one in found] if on_error == "collect" else found

        assert [index % 3 + 1 for index in range(10)] == values


class TestTrouble:
    """The function that decides may fail itself."""

    def test_it_raises(self) -> None:
        """Its error takes the place of the task's, and was raised in its context."""
        trouble, own = ZeroDivisionError("trouble"), Busy("own")

        def on(error: BaseException) -> bool:
            raise trouble

        error = error_of(Attempts(own), on=on)

        assert error is trouble
        assert [trouble, own] == contexts_of(error)

    def test_it_raises_the_tasks_own_error(self) -> None:
        """That is no context of itself."""

        def on(error: BaseException) -> bool:
            raise error

        own = Busy("own")
        error = error_of(Attempts(own), on=on)

        assert error is own
        assert [own] == contexts_of(error)

    def test_it_raises_in_a_context_of_its_own(self) -> None:
        """Both contexts are kept."""
        own, inner = Busy("own"), KeyError("inner")

        def on(error: BaseException) -> bool:
            try:
                raise inner
            except KeyError:
                raise ZeroDivisionError from None

        error = error_of(Attempts(own), on=on)

        assert {id(inner), id(own)} == {id(one) for one in contexts_of(error)[1:]}

    def test_it_raises_an_error_that_forbids_changes(self) -> None:
        """The run ends with that error, not with one of ours."""

        @dataclass(frozen=True)
        class Frozen(Exception):
            number: int

        def on(error: BaseException) -> bool:
            raise Frozen(1)

        error = error_of(Attempts(Busy()), on=on)

        assert 1 == getattr(error, "number", None)

    def test_it_returns_nonsense(self) -> None:
        """Then the run says what it should have returned."""
        error = error_of(Attempts(Busy()), on=lambda error: "soon")

        assert isinstance(error, TypeError)
        assert isinstance(error.__context__, Busy)

    def test_one_task_of_many(self) -> None:
        """Trouble with one task's error leaves the others alone."""

        def on(error: BaseException) -> bool:
            return bool(1 / error.args[0])

        tasks = [Attempts(Busy(1)), Attempts(Busy(0)), Attempts(Busy(2))]
        policy = Retry(attempts=2, on=on, **SOON)
        outcomes = run_concurrently(tasks, mode="thread", retry=policy, on_error="collect")

        assert [None, ZeroDivisionError, None] == [
            type(error) if (error := getattr(one, "error", None)) else None for one in outcomes
        ]


class TestRuns:
    """Attempts of real runs; the rules themselves are proved in `test_schedule`."""

    def test_no_worker_is_held_while_a_task_waits(self) -> None:
        """On one worker, the others run while the first one waits to be tried again."""
        first = Attempts(Busy())
        order: list[str] = []

        def work(name: str) -> None:
            order.append(name)
            if name == "first":
                first()

        def tasks() -> Iterator[Task[None]]:
            for name in ("first", "other", "other", "other"):
                yield Task(work, name)

        policy = Retry(attempts=2, on=Busy, wait_initial=1.0, wait_jitter=0)
        run_concurrently(tasks(), mode="thread", max_workers=1, retry=policy)

        assert ["first", "other", "other", "other", "first"] == order

    @pytest.mark.parametrize("limit", ["timeout", "total_timeout"])
    @pytest.mark.parametrize("seconds", [1e10, 1e300])
    def test_limits_that_nobody_lives_to_see(self, limit: str, seconds: float) -> None:
        """They are as good as none: no clock stops over them, and waits are kept."""
        options: dict[str, Any] = {limit: seconds}
        [value] = run_concurrently([Task(time.sleep, 0.05)], mode="thread", **options)

        assert value is None

    def test_a_policy_of_a_process(self) -> None:
        """The function that decides runs here, whatever ran the task."""
        asked: list[int] = []

        def on(error: BaseException) -> bool:
            asked.append(threading.get_native_id())
            return True

        policy = Retry(attempts=3, on=on, **SOON)
        with pytest.raises(ValueError, match="invalid literal") as caught:
            run_concurrently([Task(int, "x")], mode="process", max_workers=1, retry=policy)

        assert 2 == len(asked)
        assert 3 == len(notes_of(caught.value))
