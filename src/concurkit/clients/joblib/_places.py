"""Where the calls of one `Parallel` may run: workers that are made for it, or an executor given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..._arguments import whole
from ..._batch import inside
from ..._cpus import cpu_count
from ..._inner_threads import check_can_limit, limiting
from ..._registry import executor_class, is_executor, launches
from ..._setup import NOTHING
from ..._task import shown
from ...executors._given import GivenExecutor

_MODES = ("process", "thread")

# What joblib passes on to every backend about its own memory maps, and its defaults.
_MEMMAPPING = {"max_nbytes": 1 << 20, "temp_folder": None, "mmap_mode": "r"}
# What joblib passes on besides: for its own messages, and for pools of multiprocessing.
_JOBLIBS = ("verbose", "context")


@dataclass(frozen=True)
class Made:
    """Workers made for this work; equal ones can serve several calls, one after another.

    Attributes:
        mode: where they run.
        workers: how many there are.
        inner: how many threads the native libraries may use in each; None leaves that to us.
    """

    mode: str
    workers: int
    inner: int | None = None

    @property
    def apart(self) -> bool:
        """Whether the workers are other processes."""
        return self.mode == "process"

    def open(self) -> Any:
        """An executor with these workers."""
        kind = executor_class(self.mode)
        if self.apart:
            return kind(self.workers, inner_threads="auto" if self.inner is None else self.inner)
        setup = NOTHING if self.inner is None else limiting(NOTHING, self.inner)
        return kind(self.workers, **setup._asdict())

    def close(self, opened: Any) -> None:
        """End what `open` gave; waits until its workers are gone."""
        opened.shutdown()


@dataclass(frozen=True, eq=False)
class Lent:
    """An executor of the caller's, which stays open."""

    executor: Any
    workers: int
    inner: None = None

    def open(self) -> Any:
        """The executor, as one that takes batches."""
        return self.executor if launches(self.executor) else GivenExecutor(self.executor)

    def close(self, opened: Any) -> None:
        """Leave the executor as it was."""
        if opened is not self.executor:
            opened.shutdown()


Place: TypeAlias = Made | Lent


@dataclass(frozen=True)
class Choice:
    """What the caller has chosen for all work under a backend.

    Attributes:
        mode: "process" or "thread"; None leaves it to each call.
        executor: an executor to use instead.
        inner: how many threads the native libraries may use in each worker; None leaves it to us.
    """

    mode: str | None = None
    executor: Any = None
    inner: int | None = None

    @classmethod
    def check(
        cls, mode: object, executor: object, inner: object, unknown: Mapping[str, object]
    ) -> Choice:
        """A choice from the caller's arguments."""
        if unknown:
            raise TypeError(
                f"the backend 'concurkit' does not know {', '.join(sorted(unknown))}; it takes "
                "mode, executor and inner_max_num_threads."
            )
        if mode is not None and mode not in _MODES:
            raise ValueError(
                f"mode is {shown(mode)}; as a joblib backend it must be 'process' or 'thread', or "
                "None to follow what each call prefers. For others pass executor=."
            )
        if inner is not None:
            inner = whole(inner, "inner_max_num_threads", "None")
        if executor is not None:
            _check_executor(executor, mode, inner)
        return cls(None if mode is None else str(mode), executor, inner)

    def place(self, n_jobs: int | None, prefer: str | None, require: str | None) -> Place:
        """Where a call runs that asks for so many jobs, with what it prefers and requires.

        Raises:
            ValueError: *n_jobs* is 0.
        """
        executor = self.executor
        shared = require == "sharedmem"
        if executor is not None and not (shared and getattr(executor, "apart", True)):
            return Lent(executor, _jobs_on(executor, n_jobs))
        mode = self.mode or ("thread" if prefer == "threads" else "process")
        place = Made("thread" if shared else mode, jobs(n_jobs), self.inner)
        if self.inner is not None and not place.apart:
            check_can_limit(self.inner)
        return place


def check_call(place: Place, rest: Mapping[str, object]) -> None:
    """Refuse what a call asks of joblib's own memory maps, where arguments travel.

    Raises:
        ValueError: it asks for something else than what holds here.
        TypeError: it asks for something that nobody knows.
    """
    unknown = set(rest) - set(_MEMMAPPING) - set(_JOBLIBS)
    Choice.check(None, None, None, dict.fromkeys(unknown))
    if not getattr(place, "apart", True):
        return
    for name, default in _MEMMAPPING.items():
        if rest.get(name, default) != default:
            raise ValueError(
                f"{name} is {shown(rest[name])}, which the backend 'concurkit' can't follow: large "
                "arrays reach processes through its own shared memory, read-only. Leave "
                f"{name} out; a task that must write copies first: array = array.copy(). Or use "
                "mode='thread', where nothing travels."
            )


def jobs(n_jobs: int | None, workers: int | None = None) -> int:
    """How many jobs run at once, as joblib counts: -1 is all CPUs, -2 all but one, None is 1.

    Inside a task of ours it is never more than that task's part of the machine.
    """
    if n_jobs == 0:
        raise ValueError(
            "n_jobs == 0 in Parallel has no meaning; use 1 to run here, -1 to use all CPUs"
        )
    if n_jobs is None:
        return 1
    every = cpu_count() if workers is None else workers
    wanted = n_jobs if n_jobs > 0 else max(every + 1 + n_jobs, 1)
    if workers is not None:
        return min(wanted, workers)
    share = inside().share
    return wanted if share == 1 else min(wanted, max(1, cpu_count() // share))


def _jobs_on(executor: Any, n_jobs: int | None) -> int:
    place = Lent(executor, 0).open()
    if any(place.home is one for one in inside().executors):
        return jobs(1 if n_jobs else n_jobs)  # it waits for us, and could not be waited for
    return jobs(n_jobs, place.max_workers)


def _check_executor(executor: object, mode: object, inner: object) -> None:
    if not is_executor(executor) or getattr(executor, "mode", None) == "serial":
        raise TypeError(
            f"executor is {shown(executor)}; it must have submit() and shutdown(), as "
            "ProcessExecutor(4) and the executors of concurrent.futures do. To run in the calling "
            "thread, use n_jobs=1."
        )
    for name, value in (("mode", mode), ("inner_max_num_threads", inner)):
        if value is not None:
            raise ValueError(
                f"{name} is {shown(value)}, and so is settled by the executor that was passed. "
                f"Leave {name} out, or make the executor accordingly."
            )
