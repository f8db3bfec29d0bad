"""Law 8: nothing outlives the executor, nor the program that made it."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from .. import _probes
from .._bench import Bench
from .._check import NotApplicable, check
from .._processes import count_alive, descendants, descriptors
from .._programs import INTERRUPTED, LEFT_OPEN, ORPHANS, Program

# The law gives a second; a busy machine is given two more. Tasks in the way take longer.
SECOND = 3.0
MOMENT = 1.0  # for a thread or a process that has been waited for, and may not look gone yet


@check(8)
def no_process_left(bench: Bench) -> None:
    """After `shutdown(wait=True)` no process is left."""
    _use(bench)  # what starts helpers that stay for good, such as a fork server
    before = descendants(os.getpid())
    _use(bench)
    _gone(lambda: len(descendants(os.getpid()) - before), "process", "processes", MOMENT)


@check(8)
def no_thread_left(bench: Bench) -> None:
    """After `shutdown(wait=True)` no thread is left."""
    _use(bench)
    before = set(threading.enumerate())
    _use(bench)
    _gone(lambda: len(set(threading.enumerate()) - before), "thread", "threads", MOMENT)


@check(8)
def no_descriptor_left(bench: Bench) -> None:
    """After `shutdown(wait=True)` no open file or pipe is left."""
    _use(bench)
    before = Counter(descriptors())
    _use(bench)

    def more() -> int:
        return (Counter(descriptors()) - before).total()

    _gone(more, "descriptor", "descriptors", MOMENT)


@check(8)
def parent_killed_idle(bench: Bench) -> None:
    """When the program is killed, idle workers are gone within a second."""
    _orphans(bench, "idle")


@check(8)
def parent_killed_busy(bench: Bench) -> None:
    """When the program is killed, busy workers are gone within a second."""
    _orphans(bench, "busy")


@check(8)
def left_open(bench: Bench) -> None:
    """A program that leaves its executor open still ends."""
    with Program(bench, LEFT_OPEN) as program:
        code = program.wait(bench.patience)
        assert code is not None, f"it did not end within {bench.patience:g} s"
        assert code == 0, program.last_words() or f"it ended with {code}"


@check(8)
def ctrl_c(bench: Bench) -> None:
    """One Ctrl-C ends a program within a second, and its workers."""
    if os.name == "nt":
        raise NotApplicable("Windows has no process groups to send SIGINT to")
    with Program(bench, INTERRUPTED) as program:
        bench.wait_for(lambda: bool(bench.marks()), "no task started")
        os.killpg(program.pid, signal.SIGINT)
        since = time.monotonic()
        code = program.wait(bench.patience)
        took = time.monotonic() - since
        workers = _pids(bench)
        assert code is not None, f"it did not end within {bench.patience:g} s"
        assert took < SECOND, f"it ended after {took:.1f} s"
        _gone(partial(count_alive, workers), "worker", "workers", SECOND)


def _use(bench: Bench) -> None:
    """One life of an executor, with a task for each worker and more."""
    with bench.executor() as executor:
        for future in [executor.submit(_probes.give_slowly, n, 0.02) for n in range(6)]:
            bench.value(future)
    del executor
    gc.collect()


def _orphans(bench: Bench, how: str) -> None:
    bench.need_processes()
    with Program(bench, ORPHANS, how) as program:
        bench.wait_for((bench.folder / "ready").exists, "the program was not ready")
        workers = _pids(bench)
        assert workers, "the program had no workers"
        program.kill()
        _gone(partial(count_alive, workers), "worker", "workers", SECOND)


def _pids(bench: Bench) -> set[int]:
    """The processes in which tasks have left a mark."""
    return {int(path.name.split("~")[1]) for path in bench.folder.glob("*~*")}


def _gone(count: Callable[[], int], one: str, many: str, within: float) -> None:
    until = time.monotonic() + within
    while left := count():
        assert time.monotonic() < until, f"{left} {one if left == 1 else many} left"
        time.sleep(0.01)
