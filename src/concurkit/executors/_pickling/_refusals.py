"""What is said of a task or a result that can't be sent: which member of what, and the way out."""

from __future__ import annotations

from typing import Any

from ..._batch import Job
from ..._task import name_of
from ...exceptions import ResultNotPicklableError, TaskNotPicklableError
from ._pickle import culprit, dumps


def unsendable(
    item: Any, job: Job, error: BaseException, place: str = "process"
) -> TaskNotPicklableError:
    """The error of a task that can't be pickled."""
    fn = item.fn if job.fn is None else job.fn
    args, kwargs = (item.args, item.kwargs) if job.fn is None else (item, {})
    if job.single:
        args = (item,)
    name = name_of(fn)
    try:
        dumps(fn)
    except Exception:
        where = culprit(fn, name)
    else:
        where = _culprit_beside(args, kwargs, job)
    refused = TaskNotPicklableError(
        f"task {name} can't be sent to another {place}: {where} can't be pickled ({error}). "
        "Pass plain data and make the rest in the task, or use mode='thread'."
    )
    refused.__cause__ = error
    return refused


def _culprit_beside(args: Any, kwargs: dict[str, Any], job: Job) -> str:
    """What can't be pickled of a task whose function can."""
    for variable in job.propagate:
        if variable in job.context and _fails(job.context[variable]):
            return culprit(job.context[variable], f"context variable {variable.name}")
    return culprit(args, "args") if _fails(args) else culprit(kwargs, "kwargs")


def _fails(value: Any) -> bool:
    try:
        dumps(value)
    except Exception:
        return True
    return False


def unreadable_result(error: BaseException, place: str = "process") -> ResultNotPicklableError:
    """The error of a task whose result, pickled, can't be rebuilt here."""
    refused = ResultNotPicklableError(
        f"the result can't be rebuilt in the caller's {place} ({type(error).__name__}: {error}). "
        "Return plain data, or use mode='thread'."
    )
    refused.__cause__ = error
    return refused


def unreadable_task(error: BaseException, place: str = "process") -> TaskNotPicklableError:
    """In the worker: the error of a task that can't be rebuilt there."""
    wrapped = TaskNotPicklableError(
        f"the task can't be rebuilt in the worker's {place} ({type(error).__name__}: {error}). "
        "Its module must be importable there, and its arguments must survive pickling."
    )
    wrapped.__cause__ = error
    return wrapped


def unreturnable(
    value: Any, reason: BaseException, place: str = "process"
) -> ResultNotPicklableError:
    """The error of a task whose result can't be pickled."""
    error = ResultNotPicklableError(
        f"the result can't be sent back to the caller's {place}: "
        f"{culprit(value, 'result')} can't be pickled ({reason}). "
        "Return plain data, or use mode='thread'."
    )
    error.__cause__ = reason
    return error
