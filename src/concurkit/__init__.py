"""Run tasks concurrently on threads, processes, interpreters and event loops, with one call."""

from __future__ import annotations

from ._version import __version__ as __version__

TYPE_CHECKING = False  # as in typing, whose import alone would cost more than all of ours
if TYPE_CHECKING:
    from typing import Any

    from . import aio as aio
    from . import exceptions as exceptions
    from . import observers as observers
    from ._batch import check_cancelled as check_cancelled
    from ._cpus import cpu_count as cpu_count
    from ._current import CurrentTask as CurrentTask
    from ._current import current_task as current_task
    from ._outcome import Failure as Failure
    from ._outcome import Outcome as Outcome
    from ._outcome import Success as Success
    from ._per_worker import PerWorker as PerWorker
    from ._per_worker import per_worker as per_worker
    from ._registry import register_mode as register_mode
    from ._retry import Retry as Retry
    from ._run import run_concurrently as run_concurrently
    from ._snapshot import Running as Running
    from ._stats import Stats as Stats
    from ._stream import Run as Run
    from ._stream import iter_concurrently as iter_concurrently
    from ._task import Task as Task
    from .clients.joblib import register_joblib_backend as register_joblib_backend
    from .executors.asynchronous import AsyncExecutor as AsyncExecutor
    from .executors.dask import DaskExecutor as DaskExecutor
    from .executors.interpreter import InterpreterExecutor as InterpreterExecutor
    from .executors.process import ProcessExecutor as ProcessExecutor
    from .executors.ray import RayExecutor as RayExecutor
    from .executors.serial import SerialExecutor as SerialExecutor
    from .executors.thread import ThreadExecutor as ThreadExecutor

# Imported on first use, so that `import concurkit` costs next to nothing (PEP 562).
_HOMES = {
    "AsyncExecutor": ".executors.asynchronous",
    "CurrentTask": "._current",
    "DaskExecutor": ".executors.dask",
    "Failure": "._outcome",
    "InterpreterExecutor": ".executors.interpreter",
    "Outcome": "._outcome",
    "PerWorker": "._per_worker",
    "ProcessExecutor": ".executors.process",
    "RayExecutor": ".executors.ray",
    "SerialExecutor": ".executors.serial",
    "Retry": "._retry",
    "Run": "._stream",
    "Running": "._snapshot",
    "Stats": "._stats",
    "Success": "._outcome",
    "Task": "._task",
    "ThreadExecutor": ".executors.thread",
    "check_cancelled": "._batch",
    "cpu_count": "._cpus",
    "current_task": "._current",
    "iter_concurrently": "._stream",
    "per_worker": "._per_worker",
    "register_joblib_backend": ".clients.joblib",
    "register_mode": "._registry",
    "run_concurrently": "._run",
}
_MODULES = ("aio", "exceptions", "observers")

__all__ = [
    "AsyncExecutor",
    "CurrentTask",
    "DaskExecutor",
    "Failure",
    "InterpreterExecutor",
    "PerWorker",
    "ProcessExecutor",
    "RayExecutor",
    "Retry",
    "Run",
    "Running",
    "SerialExecutor",
    "Stats",
    "Success",
    "Task",
    "ThreadExecutor",
    "aio",
    "check_cancelled",
    "cpu_count",
    "current_task",
    "exceptions",
    "iter_concurrently",
    "observers",
    "per_worker",
    "register_joblib_backend",
    "register_mode",
    "run_concurrently",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        found = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
