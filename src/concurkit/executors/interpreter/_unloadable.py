"""Extension modules that can't be loaded in a sub-interpreter, and the error that says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...exceptions import TaskNotPicklableError

# What the import system says, and what modules say that look themselves.
_REFUSED = re.compile(r"module (\S+) does not support loading in subinterpreters")
_ONCE = "cannot load module more than once per process"


def unloadable(error: BaseException) -> str:
    """The module that, says *error*, can't be loaded in a sub-interpreter; "" if it is not that."""
    for one in _chain(error):
        if isinstance(one, ImportError):
            found = _REFUSED.search(str(one))
            if found:
                return found[1]
            if _ONCE in str(one):
                return one.name or _raised_in(one) or "an extension module"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _raised_in(error: BaseException) -> str:
    """The name of the module whose code was running."""
    trace, name = error.__traceback__, ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return name


def advice(module: str) -> str:
    """What to do about *module*."""
    package = module.partition(".")[0]
    which = f"{package} (its module {module})" if package != module else module
    return (
        f"{which} can't be loaded in a sub-interpreter: its authors have not made it ready for "
        "several interpreters in one process. Use mode='process' for tasks that need it."
    )


def unloadable_task(module: str, error: BaseException) -> TaskNotPicklableError:
    """The error of a task that can't be rebuilt in its worker since it needs *module*."""
    refused = TaskNotPicklableError(
        f"the task can't be rebuilt in the worker's interpreter: {advice(module)}"
    )
    refused.__cause__ = error
    return refused
