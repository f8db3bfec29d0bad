"""Law 1: the same as a plain loop."""

from __future__ import annotations

import traceback

from .. import _probes
from .._bench import Bench, shown
from .._check import NotApplicable, check


@check(1)
def values(bench: Bench) -> None:
    """Values are those of a plain loop."""
    with bench.executor() as executor:
        futures = [executor.submit(_probes.add, n, 1, times=2) for n in range(50)]
        found = [bench.value(future) for future in futures]
    assert found == [(n + 1) * 2 for n in range(50)], f"50 calls gave {found}"


@check(1)
def map_order(bench: Bench) -> None:
    """`map` gives results in the order of its input, also when the first is the slowest."""
    with bench.executor() as executor:
        need_map(executor)
        times = [0.1, 0.0, 0.05, 0.0]
        found = list(executor.map(_probes.give_slowly, "abcd", times))
    assert found == list("abcd"), f"map over 'abcd' gave {found}"


@check(1)
def errors(bench: Bench) -> None:
    """A task's error arrives with its type and its arguments."""
    raised = [ValueError("wrong"), KeyError("key"), OSError(2, "no such file"), TypeError()]
    with bench.executor() as executor:
        ends = bench.call(executor, [(_probes.fail, type(one), *one.args) for one in raised])
    for one, end in zip(raised, ends, strict=True):
        assert end.error is not None, f"{one!r} was not raised"
        assert type(end.error) is type(one), f"{one!r} arrived as {shown(end.error)}"
        assert end.error.args == one.args, f"{one!r} lost its arguments"


@check(1)
def worker_traceback(bench: Bench) -> None:
    """An error shows the traceback of the task, down to the line that raised."""
    with bench.executor() as executor:
        [end] = bench.call(executor, [(_probes.fail_deep_inside,)])
    assert end.error is not None, "a task that raised had no error"
    text = "".join(traceback.format_exception(end.error))
    assert "_the_innermost_function" in text, "the traceback does not name the task's own functions"


@check(1)
def map_goes_up_to_the_failure(bench: Bench) -> None:
    """`map` gives the results before the task that failed, then its error."""
    with bench.executor() as executor:
        need_map(executor)
        results = executor.map(int, ["1", "2", "three", "4"])
        found: list[int] = []
        try:
            for value in results:
                found.append(value)  # noqa: PERF402 - what came before the error counts
        except ValueError:
            assert found == [1, 2], f"before the error, map gave {found}"
            return
    raise AssertionError(f"map gave {found}, and no error")


def need_map(executor: object) -> None:
    """Say "n/a" where there is no `map`."""
    if not hasattr(executor, "map"):
        raise NotApplicable("it has no map")
