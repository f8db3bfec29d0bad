"""Tasks of several kinds and results side by side: a union, where the checker makes one.

pyright does, so it checks what is asserted here. mypy joins the items of a list to `object`, and
gives Any where an async function stands beside other tasks, so it is asked for less: that no such
call is an error, and that a declared type is taken.
"""

# mypy: disable-error-code=assert-type

from typing import Any, assert_type

from sample import HERE, parse, ping, ready, size

from concurkit import Outcome, Task, run_concurrently

i, s = Task(size, HERE), Task(str, 1)


def inferred() -> None:
    assert_type(run_concurrently([i, s]), list[int | str])
    assert_type(run_concurrently([s, ping]), list[str | float])
    assert_type(run_concurrently([ready, ping, s]), list[bool | float | str])
    assert_type(run_concurrently({"i": i, "s": s}), dict[str, int | str])
    assert_type(run_concurrently({"s": s, "p": ping}), dict[str, str | float])
    assert_type(run_concurrently((ready, ping)), tuple[bool, float])
    assert_type(run_concurrently([*Task.map(size, [HERE])]), list[int])
    assert_type(run_concurrently([i, s], on_error="collect"), list[Outcome[int | str]])


def declared() -> list[Any]:
    tasks: list[int | str] = run_concurrently([i, s])
    kinds: list[int | list[str]] = run_concurrently([i, lambda: size(HERE), Task(parse, HERE)])
    by_name: dict[str, int | str] = run_concurrently({"i": i, "s": s})
    pair: tuple[bool, float] = run_concurrently((ready, ping))
    outcomes: list[Outcome[int | str]] = run_concurrently([i, s], on_error="collect")
    return [tasks, kinds, by_name, pair, outcomes]
