"""Interpreter mode: one sub-interpreter per seat, each with a lock of its own, in this process.

The workers import this package too, but not what is only the caller's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._executor import InterpreterExecutor as InterpreterExecutor

__all__ = ["InterpreterExecutor"]


def __getattr__(name: str) -> Any:
    if name == "InterpreterExecutor":
        from ._executor import InterpreterExecutor

        return InterpreterExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
