"""Which executor a mode stands for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._task import shown
from .exceptions import UnknownModeError

_EXECUTORS = {
    "serial": "concurkit.executors.serial:SerialExecutor",
    "thread": "concurkit.executors.thread:ThreadExecutor",
    "process": "concurkit.executors.process:ProcessExecutor",
    "async": "concurkit.executors.asynchronous:AsyncExecutor",
    "interpreter": "concurkit.executors.interpreter:InterpreterExecutor",
}


def executor_class(mode: str) -> Any:
    """The executor class that a mode's name stands for, imported now since a run begins."""
    place, _, name = _EXECUTORS[mode].partition(":")
    module = import_module(place)
    if hasattr(module, "get_ready"):
        module.get_ready()
    return getattr(module, name)


def check_mode(mode: object) -> None:
    """Raise UnknownModeError unless *mode* is a known name or an executor of ours."""
    if isinstance(mode, str):
        if mode == "auto" or mode in _EXECUTORS:
            return
        from difflib import get_close_matches

        near = get_close_matches(mode, ["auto", *_EXECUTORS], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownModeError(f"unknown mode {mode!r}; known modes: {_known()}.{hint}")
    if isinstance(mode, type) or not hasattr(mode, "launch"):
        raise UnknownModeError(
            f"mode is {shown(mode)}; it must be one of {_known()}, or an executor of concurkit's "
            "such as ThreadExecutor(8)."
        )


def _known() -> str:
    return ", ".join(map(repr, ["auto", *_EXECUTORS]))
