"""Laws 2 to 4: one outcome for each task, never too many at once, none of them twice."""

from __future__ import annotations

import gc
import inspect
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .. import _probes
from .._bench import WORKERS, Bench, shown
from .._check import NotApplicable, check
from .results import need_map

# ---- 2. one outcome each -------------------------------------------------------------------------


@check(2)
def done_after_shutdown(bench: Bench) -> None:
    """After `shutdown(wait=True)` every future is done."""
    executor = bench.make()
    futures = [executor.submit(_probes.give_slowly, n, 0.02) for n in range(10)]
    executor.shutdown(wait=True)
    left = sum(not future.done() for future in futures)
    assert not left, f"{left} of 10 futures were not done"
    found = [bench.value(future) for future in futures]
    assert found == list(range(10)), f"10 calls gave {found}"


@check(2)
def done_after_a_drop(bench: Bench) -> None:
    """Futures are done also when nobody holds the executor any more."""
    executor = bench.make()
    futures = [executor.submit(_probes.give_slowly, n, 0.02) for n in range(10)]
    del executor
    gc.collect()
    bench.ends(futures)


@check(2)
def map_after_a_drop(bench: Bench) -> None:
    """`map` is never short, also when nobody holds the executor any more."""
    _map_and_drop(bench)


@check(2)
def map_with_a_buffer_after_a_drop(bench: Bench) -> None:
    """`map` with a `buffersize` is never short, also when nobody holds the executor any more."""
    try:
        _map_and_drop(bench, buffersize=2)
    except TypeError as error:
        raise NotApplicable("its map has no buffersize") from error


def _map_and_drop(bench: Bench, **options: Any) -> None:
    executor = bench.make()
    need_map(executor)
    names = [f"{n}" for n in range(20)]
    results = executor.map(_probes.mark, [str(bench.folder)] * 20, names, **options)
    del executor
    bench.wait_for(lambda: len(bench.marks()) >= 2, "two tasks did not start")
    time.sleep(0.05)  # nothing is under way any more that would keep it
    gc.collect()
    try:
        found = list(results)
    except Exception:  # an error is not a short result
        return
    assert sorted(found) == sorted(names), f"{len(found)} of 20 results, and no error"


@check(2)
def map_over_input_that_fails(bench: Bench) -> None:
    """An input that raises is an error of `map`, not the end of it."""

    def numbers() -> Iterator[int]:
        yield from range(3)
        raise LookupError("the input broke")

    with bench.executor() as executor:
        need_map(executor)
        try:
            found = list(executor.map(_probes.give, numbers()))
        except LookupError:
            return
    raise AssertionError(f"map gave {found}, and no error")


@check(2)
def futures_of_a_cancelled_shutdown(bench: Bench) -> None:
    """`shutdown(cancel_futures=True)` leaves no future open."""
    bench.need_a_queue()
    executor = bench.make()
    if "cancel_futures" not in inspect.signature(executor.shutdown).parameters:
        executor.shutdown(wait=True)
        raise NotApplicable("its shutdown has no cancel_futures")
    futures = occupy(bench, executor)
    futures += [executor.submit(_probes.mark, str(bench.folder), "pending") for _ in range(6)]
    executor.shutdown(wait=False, cancel_futures=True)
    (bench.folder / "gate").touch()
    bench.ends(futures)


def occupy(bench: Bench, executor: Any) -> list[Any]:
    """Have every worker run a task that waits for the file "gate"."""
    home, count = str(bench.folder), workers_of(bench, executor)
    futures = [
        executor.submit(_probes.mark_and_wait, home, "running", "gate", 2 * bench.patience)
        for _ in range(count)
    ]
    bench.wait_for(lambda: len(bench.marks()) == count, f"{count} tasks did not start")
    return futures


def workers_of(bench: Bench, executor: Any) -> int:
    """How many tasks may run at once."""
    if bench.takes("max_workers"):
        return WORKERS
    said = getattr(executor, "max_workers", None) or getattr(executor, "_max_workers", None)
    return said if isinstance(said, int) else WORKERS


# ---- 3. never too many ---------------------------------------------------------------------------


@check(3)
def never_too_many(bench: Bench) -> None:
    """No more tasks run at once than there are workers."""
    running = bench.folder / "running"
    running.mkdir()
    with bench.executor() as executor:
        workers = workers_of(bench, executor)
        calls = [(_probes.count_running, str(running), f"{n}", 0.03) for n in range(8 * workers)]
        ends = bench.call(executor, calls)
    for end in ends:
        assert end.error is None, f"a task failed that does nothing wrong: {shown(end.error)}"
    most = max(end.value for end in ends)
    assert most <= workers, f"{most} ran at once on {workers} workers"


# ---- 4. at most once -----------------------------------------------------------------------------


@check(4)
def once(bench: Bench) -> None:
    """No task runs twice."""
    with bench.executor() as executor:
        bench.call(executor, [(_probes.mark, str(bench.folder), f"{n}") for n in range(20)])
    _none_twice(bench)


@check(4)
def once_when_a_worker_dies(bench: Bench) -> None:
    """No task runs twice, also when a worker dies."""
    bench.need_processes()
    home = str(bench.folder)
    with bench.executor() as executor:
        calls: list[Any] = [(_probes.mark_slowly, home, f"{n}", 0.02) for n in range(12)]
        calls[3] = (_probes.mark_and_die, home, "3")
        bench.call(executor, calls)
    time.sleep(0.2)  # one that is run again may still start
    _none_twice(bench)


def _none_twice(bench: Bench) -> None:
    most = Counter(Counter(bench.marks()).values())
    twice = {times: count for times, count in most.items() if times > 1}
    assert not twice, "; ".join(
        f"{count} tasks ran {times} times" for times, count in twice.items()
    )
