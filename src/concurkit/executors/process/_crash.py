"""What is known of a worker that died, in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from ...exceptions import WorkerCrashedError
from .._frames import python_stack
from ._memory import shown_size

# What Windows gives as the exit code of a process that it ended.
_WINDOWS = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000094: "division by zero",
    0xC00000FD: "stack overflow",
    0xC0000374: "heap corruption",
    0xC0000409: "fail fast",
}


@dataclass(frozen=True, slots=True)
class Crash:
    """The facts.

    Attributes:
        worker: the worker's name.
        pid: its process.
        exitcode: as `multiprocessing` gives it, negative for a signal; None if it is not known.
        task: the task that ran, in words; empty if none had begun.
        ran: for how many seconds.
        peak: the most memory that the process was seen to take, in bytes; 0 if it is not known.
        dump: what faulthandler wrote.
        limit: max_memory_per_child, if the process was killed for taking far more.
        trouble: what kept us from reading its answers.
    """

    worker: str
    pid: int | None
    exitcode: int | None
    task: str = ""
    ran: float | None = None
    peak: int = 0
    dump: str = ""
    limit: int | None = None
    trouble: BaseException | None = None

    def error(self) -> WorkerCrashedError:
        """The error of the task under which the worker died."""
        told, hint = self._told()
        stack = python_stack(self.dump)
        when = f"{self.ran:.3g} s into {self.task}" if self.task else "before it took up a task"
        message = f"{self.worker} (pid {self.pid}) {told}, {when}{hint}"
        if self.peak:
            message += f"; it took {shown_size(self.peak)} of memory at its peak"
        if stack:
            message += f"\nStack of the worker, most recent call first:\n{stack}"
        error = WorkerCrashedError(
            message,
            pid=self.pid,
            exitcode=self.exitcode,
            ran=self.ran,
            peak_memory=self.peak or None,
            stack=stack,
        )
        error.__cause__ = self.trouble
        return error

    def _told(self) -> tuple[str, str]:
        """How it ended, and what that may mean."""
        code = self.exitcode
        if self.limit is not None:
            return "was killed", (
                f": it took more than twice max_memory_per_child ({shown_size(self.limit)})"
            )
        if self.trouble is not None:
            return "was killed because its answers could not be read", f": {self.trouble!r}"
        if code is None:
            return "died", ""
        if code in _WINDOWS:
            return f"ended with exit code {code:#x}", f": {_WINDOWS[code]}"
        if code >= 0:
            return f"ended with exit code {code}", ""
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ": killed by the system, perhaps out of memory" if name == "SIGKILL" else ""
        return f"was killed by {name}", hint
