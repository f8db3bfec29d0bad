"""Law 6: a worker that dies costs the task that it ran."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from .. import _probes
from .._bench import Bench, End, shown
from .._check import NotApplicable, check
from .failures import among_others


@check(6)
def worker_that_exits(bench: Bench) -> None:
    """`os._exit` in a task costs that task alone, and the executor goes on."""
    _crash(bench, _probes.leave)


@check(6)
def worker_that_is_killed(bench: Bench) -> None:
    """A worker that is killed costs its task alone, and the executor goes on."""
    if os.name == "nt":
        raise NotApplicable("Windows has no signals")
    _crash(bench, _probes.kill_itself)


@check(6)
def worker_that_segfaults(bench: Bench) -> None:
    """A segmentation fault costs its task alone, and the executor goes on."""
    _crash(bench, _probes.segfault)


@check(6)
def crash_report(bench: Bench) -> None:
    """The error of a crash names the exit code."""
    bench.need_processes()
    with bench.executor() as executor:
        [end] = bench.call(executor, [(_probes.leave,)])
    assert end.error is not None, f"a task that ended its process gave {end.value!r}"
    named = any(re.search(r"\b7\b", str(one)) for one in _chain(end.error))
    assert named, f"the error does not name it ({shown(end.error)})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _crash(bench: Bench, fn: Callable[[], Any]) -> End:
    bench.need_processes()
    with bench.executor() as executor:
        return among_others(bench, executor, fn)
