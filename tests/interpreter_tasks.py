"""Functions for `test_interpreters`: importable in an interpreter, unlike that file."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import sample_tasks

from concurkit import check_cancelled, per_worker
from concurkit.exceptions import TaskCancelledError

seen: list[int] = []


def where() -> tuple[int, int]:
    """Return the process and the interpreter that this runs in."""
    from importlib import import_module

    return os.getpid(), import_module("concurrent.interpreters").get_current().id


def meet_where(place: str) -> tuple[int, int]:
    """Wait for another to come; return where this is."""
    sample_tasks.meet(place, 2)
    return where()


def see(number: int) -> int:
    """Remember *number*."""
    seen.append(number)
    return number


def see_and_wait(number: int, go: str) -> int:
    """Remember *number*, and wait for a file, unless it is the first."""
    seen.append(number)
    return int(sample_tasks.wait_for_file(go, number)) if number else 0


def take_seen() -> list[int]:
    """Return what was remembered, and forget it."""
    found = seen.copy()
    seen.clear()
    return found


def load(module: str) -> None:
    """Import *module*."""
    __import__(module)


def watch(path: str) -> None:
    """Run until told to stop; write down what was said."""
    while True:
        try:
            check_cancelled()
        except TaskCancelledError as error:
            Path(path).write_text(str(error))
            raise
        time.sleep(0.001)


def log(number: int) -> None:
    """Log and warn."""
    logging.getLogger("tasks").warning("task %d", number)
    warnings.warn(f"careful, {number}", UserWarning, stacklevel=2)


def handler_of(number: int) -> str:
    """Return what Python says that a signal is handled by."""
    return repr(signal.getsignal(number))


def leave_a_thread(go: str) -> str:
    """Leave a thread behind that ends when there is a file."""
    threading.Thread(target=sample_tasks.wait_for_file, args=(go,)).start()
    return "left"


class Value:
    """Writes into a file when it is made and when it is closed."""

    def __init__(self) -> None:
        sample_tasks.append(os.environ["VALUES"], f"made-{where()[1]}")

    def close(self) -> None:
        """Write it."""
        sample_tasks.append(os.environ["VALUES"], f"closed-{where()[1]}")


value = per_worker(Value)


def use(_: Any) -> int:
    """Use this worker's value; return where."""
    value()
    return where()[1]


def start_process(method: str) -> int | None:
    """Start a process without the help of concurkit; return its exit code."""
    import multiprocessing

    process = multiprocessing.get_context(method).Process(target=sample_tasks.nothing)  # type: ignore[attr-defined]
    process.start()
    process.join()
    code: int | None = process.exitcode
    return code


def path_of_imports() -> list[str]:
    """Return what `import` looks through."""
    return sys.path
