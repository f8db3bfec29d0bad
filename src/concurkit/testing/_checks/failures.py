"""Law 5: a task that fails, in whatever way, fails alone."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from typing import Any

from .. import _probes
from .._bench import Bench, End, shown
from .._check import check

OTHERS = 7


@check(5)
def system_exit(bench: Bench) -> None:
    """A task that raises SystemExit fails alone."""
    _named(_alone(bench, _probes.fail, SystemExit, 3), "SystemExit")


@check(5)
def keyboard_interrupt(bench: Bench) -> None:
    """A task that raises KeyboardInterrupt fails alone."""
    _named(_alone(bench, _probes.fail, KeyboardInterrupt), "KeyboardInterrupt")


@check(5)
def cancelled_error(bench: Bench) -> None:
    """A task that raises asyncio's CancelledError fails alone."""
    _named(_alone(bench, _probes.fail, asyncio.CancelledError), "CancelledError")


@check(5)
def timeout_error(bench: Bench) -> None:
    """A task's own TimeoutError is an error like others, and `map` hands it on."""
    end = _alone(bench, _probes.fail, TimeoutError, "the task's own")
    assert type(end.error) is TimeoutError, f"TimeoutError arrived as {shown(end.error)}"
    assert end.error.args == ("the task's own",), "TimeoutError lost its arguments"
    with bench.executor() as executor:
        if not hasattr(executor, "map"):
            return
        args: Any = None
        try:
            list(executor.map(_probes.fail, [TimeoutError], ["the task's own"]))
        except TimeoutError as error:
            args = error.args
        assert args == ("the task's own",), f"map raised a TimeoutError with {args}"


@check(5)
def error_that_does_not_unpickle(bench: Bench) -> None:
    """A task whose error can't be unpickled fails alone, with an error that names it."""
    _named(_alone(bench, _probes.fail, _probes.TwoArguments, 51, "Rome"), "TwoArguments")


@check(5)
def result_that_does_not_pickle(bench: Bench) -> None:
    """A task whose result can't be pickled fails alone."""
    _alone(bench, _probes.give_a_lock, fails=False)


@check(5)
def result_that_does_not_unpickle(bench: Bench) -> None:
    """A task whose result can't be unpickled fails alone."""
    _alone(bench, _probes.give_unreadable, fails=False)


@check(5)
def argument_that_does_not_pickle(bench: Bench) -> None:
    """A task whose argument can't be pickled fails alone."""
    _alone(bench, _probes.give, threading.Lock(), fails=False)


@check(5)
def argument_that_does_not_unpickle(bench: Bench) -> None:
    """A task whose argument can't be unpickled in the worker fails alone."""
    _alone(bench, _probes.give, _probes.Unreadable(), fails=False)


def _alone(bench: Bench, fn: Callable[..., Any], *args: Any, fails: bool = True) -> End:
    """Run a task that misbehaves among others; how it ended, if that is all that happened."""
    with bench.executor() as executor:
        return among_others(bench, executor, fn, *args, fails=fails)


def among_others(
    bench: Bench, executor: Any, fn: Callable[..., Any], *args: Any, fails: bool = True
) -> End:
    """How *fn* ended among well-behaved tasks, none of which may suffer; *fails* if it must."""
    calls: list[tuple[Any, ...]] = [(_probes.give_slowly, n) for n in range(OTHERS + 1)]
    calls[2] = (fn, *args)
    ends = bench.call(executor, calls)
    bad = ends[2]
    lost = [end for n, end in enumerate(ends) if n != 2 and (end.error or end.value != n)]
    if lost:
        reason = shown(lost[0].error) if lost[0].error else f"one gave {lost[0].value!r}"
        raise AssertionError(f"{len(lost)} of {OTHERS} other tasks lost ({reason})")
    [after] = bench.call(executor, [(_probes.give, "after")])
    assert after.value == "after", f"then it took no more tasks ({shown(after.error)})"
    assert bad.error is not None or not fails, f"it did not fail: it gave {bad.value!r}"
    return bad


def _named(end: End, name: str) -> None:
    assert end.error is not None
    text = "".join(traceback.format_exception(end.error))
    assert name in text, f"{name} arrived as {shown(end.error)}"
