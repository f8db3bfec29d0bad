"""The executor of interpreter mode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

from ..._arguments import check_workers, variables
from ..._batch import Batch, Job, Stopped
from ..._cpus import default_workers
from ..._setup import Setup
from ...exceptions import ModeUnavailableError
from .._flight import Claim, Flight, Tell
from .._pickling._settings import packed_setup
from .._pool import Crew, PoolExecutor
from ._flight import InterpreterFlight
from ._seat import InterpreterSeat, start_seats


class InterpreterExecutor(PoolExecutor):
    """Runs tasks in sub-interpreters; a `concurrent.futures.Executor`, and a `mode` to keep open.

    It needs Python 3.14. Tasks compute side by side, as in processes, but all in this process: a
    crash takes all of it, and a task can't be stopped by force. Tasks can't import extension
    modules that don't support sub-interpreters, NumPy among them.

    Args:
        max_workers: how many interpreters at most; by default `cpu_count()`.
        initializer: is called in each interpreter before its first task; if it raises, what was
            to run there ends with InitializerError.
        initargs: what it is called with.
        propagate: context variables whose values, where a run or a call begins, its tasks see.

    Raises:
        ModeUnavailableError: on a Python before 3.14.

    Example:
        >>> from concurkit import InterpreterExecutor, Task, run_concurrently
        >>> with InterpreterExecutor(2) as interpreters:
        ...     run_concurrently(Task.map(abs, [-1, -2]), mode=interpreters)
        [1, 2]
    """

    mode = "interpreter"
    grain: float = 0.003
    strength: Stopped = "abandoned"

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        propagate: Iterable[ContextVar[Any]] = (),
    ) -> None:
        _check_possible()
        self.max_workers: int = check_workers(max_workers) or default_workers("interpreter")
        self.propagate: tuple[ContextVar[Any], ...] = variables(propagate)
        setup = packed_setup(Setup.check(initializer, initargs), "interpreter")

        def open_seats(crew: Crew, count: int) -> Sequence[Any]:
            return [InterpreterSeat(crew, setup) for _ in range(count)]

        self._man(Crew(open_seats, self.max_workers, start_seats))

    def launch(
        self,
        batches: Sequence[tuple[Batch, Flight | None]],
        job: Job,
        tell: Tell,
        again: bool = False,
    ) -> list[Flight]:
        """Start batches; those that can't be sent are reported at once."""
        flights = [(self._flight(batch, job, tell, None), behind) for batch, behind in batches]
        self._crew.launch([pair for pair in flights if pair[0].encode()], again)
        return [flight for flight, _ in flights]

    def _flight(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None) -> InterpreterFlight:
        return InterpreterFlight(batch, job, tell, claim, self._crew)


def _check_possible() -> None:
    """Raise ModeUnavailableError where Python has no module for interpreters."""
    if sys.version_info < (3, 14):
        raise ModeUnavailableError(
            "interpreter mode needs Python 3.14 or newer, and this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Use mode='process', which runs Python "
            "code side by side on every version."
        )
