"""What is said of a call that can't be sent: the caller's function, not joblib's box around it."""

from __future__ import annotations

from typing import Any

from ..._batch import Job
from ..._task import Task, name_of
from ...exceptions import TaskNotPicklableError
from ...executors._flight import Ended, Tell
from ...executors._pickling._pickle import dumps
from ...executors._pickling._refusals import unsendable

_PLACES = {"interpreter": "interpreter", "dask": "machine", "ray": "machine"}  # by their modes


def naming_the_call(func: Any, job: Job, mode: str, tell: Tell) -> Tell:
    """*tell*, but where what joblib submitted can't be sent, the error is about the call in it.

    Args:
        func: what joblib submitted.
        job: what it is a task of.
        mode: that of its executor.
        tell: is told what became of it.
    """

    def told(event: Any) -> None:
        if type(event) is Ended and event.report.failures:
            [(position, error), *_] = event.report.failures
            # A task may raise the same error, of a run of its own.
            if isinstance(error, TaskNotPicklableError) and _names(error, func):
                event.report.failures = [(position, _about_the_call(error, func, job, mode))]
        tell(event)

    return told


def _names(error: TaskNotPicklableError, func: Any) -> bool:
    return str(error).startswith(f"task {name_of(func)} can't be sent")


def _about_the_call(
    error: TaskNotPicklableError, func: Any, job: Job, mode: str
) -> TaskNotPicklableError:
    """The same error of the first call in *func* that can't be pickled; *error* if none is why."""
    for fn, args, kwargs in getattr(func, "items", ()):
        try:
            dumps((fn, args, kwargs))
        except Exception as why:
            return unsendable(Task(fn, *args, **kwargs), job, why, _PLACES.get(mode, "process"))
    return error
