"""The backend that joblib makes by our name, and those that it hands each `Parallel` on to.

One backend serves all of a `with parallel_config(...)` block; each `Parallel` in it gets one of its
own, so that two which overlap, as generators do, don't end each other's work. joblib does not say
when a block ends: its backend is dropped then, and takes the workers along.
"""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from ...exceptions import RemoteTraceback
from ._call import Call
from ._ctrl_c import held_back
from ._places import Choice, Place, check_call
from ._workers import Workers

_joblib: Any = import_module("joblib.parallel")  # it has no types


class ConcurkitBackend(_joblib.ParallelBackendBase):  # type: ignore[misc]
    """What `backend="concurkit"` stands for.

    Args:
        nesting_level: how many calls of joblib's this one is inside of; joblib fills it in.
        inner_max_num_threads: how many threads the native libraries may use in each worker.
        mode: "process" or "thread"; by default processes, and threads for what prefers them.
        executor: an executor to run on instead, which stays open.

    Raises:
        TypeError, ValueError: an argument is not as above.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = True  # whatever requires that gets threads

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        mode: str | None = None,
        executor: Any = None,
        **unknown: Any,
    ) -> None:
        super().__init__(nesting_level, inner_max_num_threads)
        self._choice = Choice.check(mode, executor, inner_max_num_threads, unknown)
        self.workers = Workers()
        weakref.finalize(self, self.workers.drop).atexit = False

    def __reduce__(self) -> tuple[Any, ...]:
        if self._choice.executor is not None:
            raise TypeError("a joblib backend with an executor can't be sent to another process")
        return _nested, (self.nesting_level, self._choice.mode, self.inner_max_num_threads)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many jobs run at once where so many are asked for."""
        return self._chosen({}).place(n_jobs, None, None).workers

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **more: Any,
    ) -> int:
        """Hand *parallel* on to a backend of its own, or to joblib's for one job at a time."""
        chosen = self._chosen(more)

        def place(jobs: int | None) -> Place:
            return chosen.place(jobs, prefer, require)

        found = place(n_jobs)
        check_call(found, more)
        level = self.nesting_level or 0
        if found.workers == 1:
            raise _joblib.FallbackToBackend(_joblib.SequentialBackend(nesting_level=level))
        raise _joblib.FallbackToBackend(ConcurkitCalls(level, place, weakref.ref(self)))

    def _chosen(self, more: dict[str, Any]) -> Choice:
        """What was chosen for the block, or else for one `Parallel` in it; taken out of *more*."""
        choice = self._choice
        return Choice.check(
            more.pop("mode", choice.mode),
            more.pop("executor", choice.executor),
            more.pop("inner_max_num_threads", self.inner_max_num_threads),
            {},
        )

    def submit(self, func: Any, callback: Any = None) -> Any:
        """Never called: a backend of its own has been given to each `Parallel`."""
        raise RuntimeError("this backend was not configured; give it to joblib.Parallel")

    apply_async = submit  # before joblib 1.5


class ConcurkitCalls(_joblib.AutoBatchingMixin, _joblib.ParallelBackendBase):  # type: ignore[misc]
    """What one `Parallel` runs on.

    Args:
        nesting_level: how many calls of joblib's this one is inside of.
        place: where its calls run, given how many jobs are asked for.
        block: gives the backend that it comes from, while that lives.
    """

    supports_retrieve_callback = True
    supports_sharedmem = True

    # A batch costs us less than it costs joblib's own backends.
    MIN_IDEAL_BATCH_DURATION = 0.05
    MAX_IDEAL_BATCH_DURATION = 0.5

    def __init__(
        self,
        nesting_level: int,
        place: Callable[[int | None], Place],
        block: Callable[[], ConcurkitBackend | None],
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        self._place = place
        self._block = block
        self._jobs: int | None = 1
        self._parallel: Callable[[], Any] = lambda: None
        self._nested = ConcurkitBackend(nesting_level=nesting_level + 1, mode="thread")
        self._call: Call | None = None
        self._own: Workers | None = None  # until `terminate`, where there is no block

    # ---- what joblib asks before a call ---------------------------------------------------------

    @property
    def parallel(self) -> Any:
        """Whom this is for; it refers to us, so we don't keep it alive."""
        return self._parallel()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many jobs run at once where so many are asked for."""
        return self._place(n_jobs).workers

    def configure(self, n_jobs: int | None = 1, parallel: Any = None, **checked_before: Any) -> int:
        """Get ready for calls with so many jobs."""
        self._jobs = n_jobs
        self._parallel = weakref.ref(parallel)
        return self.effective_n_jobs(n_jobs)

    def get_nested_backend(self) -> tuple[Any, None]:
        """For calls inside of tasks: threads, no more than the task's part of the machine."""
        return self._nested, None

    # ---- a call ---------------------------------------------------------------------------------

    def start_call(self) -> None:
        """A call begins; its workers are the block's, if there is one and not inside a task."""
        block = None if self.nesting_level else self._block()
        if block is None and self._own is None:
            self._own = Workers()
        workers = self._own if block is None else block.workers
        assert workers is not None
        self._call = Call(workers, self._place(self._jobs))

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Future[Any] | None:
        """Start a batch; *callback* is given its future."""
        if self._call is None:
            return None
        with held_back():
            return self._call.submit(func, callback)

    apply_async = submit  # before joblib 1.5

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """What a batch returned; what it raised is raised, its worker's traceback as the cause."""
        error = out.exception()
        if error is None:
            return out.result()
        # joblib takes the traceback off.
        if error.__traceback__ is not None and type(error.__cause__) is not RemoteTraceback:
            text = "".join(traceback.format_exception(error))
            error.__cause__ = RemoteTraceback(text)
        raise error

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Stop what runs: processes are killed, threads are left to end by themselves."""
        if self._call is not None:
            with held_back():
                self._call.abort()

    def stop_call(self) -> None:
        """The call is over."""
        if self._call is not None:
            with held_back():
                self._call.end()

    def terminate(self) -> None:
        """No call follows: end the workers, unless they are the block's."""
        self.stop_call()
        if self._own is not None:
            with held_back():
                self._own.close()
            self._own = None
        self.reset_batch_stats()


def _nested(level: int | None, mode: str | None, inner: int | None) -> ConcurkitBackend:
    """In a worker: the backend for calls inside of tasks."""
    return ConcurkitBackend(level, inner, mode=mode)
