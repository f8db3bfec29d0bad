"""Law 7: what is cancelled never runs, and what is overdue is given up."""

from __future__ import annotations

import time
from typing import Any

from .. import _probes
from .._bench import Bench
from .._check import NotApplicable, check
from .outcomes import occupy

# A busy machine is given more than the law's 100 ms; a task that is waited for takes longer.
SOON = 2.0
LONG = 4.0


@check(7)
def cancelled_never_runs(bench: Bench) -> None:
    """A future that was cancelled never runs."""
    bench.need_a_queue()
    home = str(bench.folder)
    with bench.executor() as executor:
        occupy(bench, executor)
        pending = [executor.submit(_probes.mark, home, f"pending {n}") for n in range(6)]
        cancelled = [n for n, future in enumerate(pending) if future.cancel()]
        (bench.folder / "gate").touch()
        bench.ends(pending)
    if not cancelled:
        raise NotApplicable("cancel() said no to every future that had not started")
    ran = {f"pending {n}" for n in cancelled} & set(bench.marks())
    assert not ran, f"{len(ran)} of {len(cancelled)} cancelled tasks ran"


@check(7)
def cancelled_while_running(bench: Bench) -> None:
    """Where `cancel()` says yes to a task that runs, the task stops and its worker goes on."""
    bench.need_a_queue()
    home = str(bench.folder)
    with bench.executor(**_one_worker(bench)) as executor:
        future = executor.submit(_probes.mark_slowly, home, "running", LONG)
        bench.wait_for(lambda: bool(bench.marks()), "a task did not start")
        if not future.cancel():
            (bench.folder / "gate").touch()
            raise NotApplicable("cancel() says no once a task runs")
        since = time.monotonic()
        after = executor.submit(_probes.give, 1)
        bench.wait_for(
            lambda: after.done() or time.monotonic() > since + LONG / 2, "no task ran after it"
        )
        assert after.done(), f"it ran on: its worker was not free after {LONG / 2:g} s"


@check(7)
def overdue_task(bench: Bench) -> None:
    """A task over its `timeout` fails within a moment, and no other does."""
    from concurkit import Success, Task, run_concurrently

    with bench.executor() as executor:
        if not is_mode(executor):
            raise NotApplicable("it offers no way to ask")
        tasks = [Task(_probes.give_slowly, n, LONG if n == 1 else 0.01) for n in range(4)]
        since = time.monotonic()
        ends = run_concurrently(tasks, mode=executor, timeout=0.3, on_error="collect")
        took = time.monotonic() - since
        others = [end.value for end in ends if isinstance(end, Success)]
        assert others == [0, 2, 3], f"the other tasks gave {others}"
        assert took < 0.3 + SOON, f"with a timeout of 0.3 s it took {took:.1f} s"


def is_mode(executor: Any) -> bool:
    """Whether it carries out a run's timeouts and interrupts by means of its own."""
    from concurkit._registry import launches

    return launches(executor)


def _one_worker(bench: Bench) -> dict[str, int]:
    return {"max_workers": 1} if bench.takes("max_workers") else {}
