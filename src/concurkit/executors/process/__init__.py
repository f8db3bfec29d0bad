"""Process mode: one single-process pool per seat, so that a worker can be killed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._arguments import check_workers
from ..._batch import Batch, Job
from ..._cpus import default_workers
from ..._outcome import Stopped
from ..._task import shown
from .._flight import Claim, Flight, Tell
from .._pool import Crew, PoolExecutor
from . import _start
from ._flight import ProcessFlight
from ._seat import ProcessSeat


class ProcessExecutor(PoolExecutor):
    """Runs tasks in processes; a `concurrent.futures.Executor`, and a `mode` that stays open.

    Args:
        max_workers: how many processes at most; by default `cpu_count()`.
        start_method: "forkserver", "spawn" or "fork"; by default "forkserver" where there is
            one, else "spawn". "fork" is unsafe in a program that has threads.

    Example:
        >>> from concurkit import ProcessExecutor, Task, run_concurrently
        >>> with ProcessExecutor(2) as processes:
        ...     run_concurrently(Task.map(abs, [-1, -2]), mode=processes)
        [1, 2]
    """

    mode = "process"
    grain: float = 0.003
    ahead = 2
    strength: Stopped = "killed"

    def __init__(self, max_workers: int | None = None, *, start_method: str | None = None) -> None:
        self.max_workers: int = check_workers(max_workers) or default_workers("process")
        if start_method is not None and start_method not in _start.METHODS:
            raise ValueError(
                f"start_method is {shown(start_method)}; this system has "
                f"{', '.join(map(repr, _start.METHODS))}, or None for the default."
            )
        self._method = method = start_method or _start.default_method()

        def open_seats(crew: Crew, count: int) -> Sequence[Any]:
            return [ProcessSeat(crew, method) for _ in range(count)]

        self._man(Crew(open_seats, self.max_workers))

    def launch(
        self, batches: Sequence[tuple[Batch, Flight | None]], job: Job, tell: Tell
    ) -> list[Flight]:
        """Start batches; those that can't be sent are reported at once."""
        flights = [(self._flight(batch, job, tell, None), behind) for batch, behind in batches]
        self._crew.launch([pair for pair in flights if pair[0].encode()])
        return [flight for flight, _ in flights]

    def _flight(self, batch: Batch, job: Job, tell: Tell, claim: Claim | None) -> ProcessFlight:
        return ProcessFlight(batch, job, tell, claim, self._crew)
