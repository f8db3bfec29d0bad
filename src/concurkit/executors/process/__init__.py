"""Process mode: one single-process pool per seat, so that a worker can be killed alone.

The workers import this package too, but not what is only the caller's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._executor import ProcessExecutor as ProcessExecutor

__all__ = ["ProcessExecutor"]


def get_ready() -> None:
    """Have the fork server start while the rest of process mode is imported: both take a while."""
    from ._start import start_server

    start_server()


def __getattr__(name: str) -> Any:
    if name == "ProcessExecutor":
        from ._executor import ProcessExecutor

        return ProcessExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
