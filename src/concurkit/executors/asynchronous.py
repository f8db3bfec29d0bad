"""Async mode: an event loop of asyncio's or trio's, in a thread of its own."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, overload

import anyio

from .._arguments import check_workers
from .._batch import Batch, Job, Stopped, inside, task_context
from .._cpus import default_workers
from .._daemons import DAEMON
from .._setup import Setup
from .._task import Task, shown
from . import _exit
from ._flight import Flight, Tell
from ._holds import Holder, Holds
from ._map import SHUT_DOWN, Keeper, MapExecutor
from ._pool import WAITS_FOR_ITSELF, settle
from ._slot_flight import SlotFlight
from ._slots import Slots

P = ParamSpec("P")
R = TypeVar("R")

# How long a shutdown waits for a loop that a task does not give back.
_PATIENCE = 1.0
_SHORT = 0.05  # where it is known that one was abandoned and goes on


class AsyncExecutor(MapExecutor):
    """Runs tasks on an event loop; a `concurrent.futures.Executor`, and a `mode` that stays open.

    Async functions are awaited; sync ones run in threads, so that they don't block the loop.

    Args:
        max_workers: how many tasks at once; by default 100.
        backend: "asyncio" or "trio".
        backend_options: what `anyio.run` takes as such, as in `{"use_uvloop": True}`.
        initializer: is called once, before the loop's first task: on the loop if it's async, else
            in a thread; if it raises, what was to run ends with InitializerError.
        initargs: what it is called with.

    Example:
        >>> import asyncio
        >>> from concurkit import AsyncExecutor, Task, run_concurrently
        >>> async def double(x):
        ...     await asyncio.sleep(0)
        ...     return 2 * x
        >>> with AsyncExecutor(10) as loop:
        ...     run_concurrently(Task.map(double, [1, 2]), mode=loop)
        [2, 4]
    """

    mode = "async"
    grain: float = Slots.grain
    ahead: int = Slots.ahead
    shared: bool = Slots.shared
    strength: Stopped = Slots.strength

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self.max_workers: int = check_workers(max_workers) or default_workers("async")
        if backend not in ("asyncio", "trio"):
            raise ValueError(f"backend is {shown(backend)}; it must be 'asyncio' or 'trio'.")
        setup = Setup.check(initializer, initargs)
        self._loop = _LoopThread(self.max_workers, backend, dict(backend_options or {}), setup)
        self.home: object = self._loop
        self.keeper: Keeper | None = self._loop
        self._finalizer = weakref.finalize(self, self._loop.close)
        self._finalizer.atexit = False
        _exit.close_at_exit(self._loop)

    def launch(
        self,
        batches: list[tuple[Batch, Flight | None]],
        job: Job,
        tell: Tell,
        again: bool = False,
    ) -> list[Flight]:
        """Start batches, each on a free slot of the loop; *again* also when it was shut down."""
        return self._loop.slots(again).launch(batches, job, tell)

    @contextmanager
    def lending(self) -> Generator[None]:
        """While a task of ours waits for a run on this same executor, that run may use its slot."""
        waiting = self.home in inside().executors
        if waiting:
            self._loop.slots(again=True).lend(1)
        try:
            yield
        finally:
            if waiting:
                self._loop.slots(again=True).lend(-1)

    @property
    def closed(self) -> bool:
        """Whether this executor was shut down."""
        return self._loop.closed

    def reachable(self) -> AsyncExecutor:
        """This executor, or its like with a loop of its own if the caller blocks this one's."""
        return self._loop.elsewhere() or self

    @overload
    def submit(
        self, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]: ...

    @overload
    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule one call and return its future; an async function is awaited on the loop."""
        future: Future[Any] = Future()
        batch = Batch(0, range(1), [Task(fn, *args, **kwargs)], True, 0.0)
        claim = future.set_running_or_notify_cancel
        slots = self._loop.slots()
        slots.start(
            SlotFlight(batch, Job(None, task_context(1, self.home)), settle(future), claim, slots)
        )
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the loop once what was submitted is done; *wait* for it."""
        self._loop.close(cancel_futures)
        if not wait:
            return
        if self.home in inside().executors:
            raise RuntimeError(WAITS_FOR_ITSELF)
        self._loop.join()


class _LoopThread:
    """A thread with an event loop, started when first needed."""

    def __init__(self, most: int, backend: str, options: dict[str, Any], setup: Setup) -> None:
        self._most = most
        self._setup = setup
        self._backend = backend
        self._options = options
        self._lock = threading.RLock()
        self._holds = Holds(self._lock)
        self._thread: threading.Thread | None = None
        self._slots: Slots | None = None
        self._ready = threading.Event()
        self._trouble: BaseException | None = None
        self._stop: anyio.Event | None = None
        self.closed: bool = False

    def slots(self, again: bool = False) -> Slots:
        with self._lock:
            if self.closed and not again:
                raise RuntimeError(SHUT_DOWN)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="concurkit-loop", daemon=DAEMON
                )
                self._thread.start()
                self._ready.wait()
            if self._slots is None:
                raise RuntimeError(
                    f"the event loop ({self._backend}) did not start: {self._trouble}"
                ) from self._trouble
            return self._slots

    def elsewhere(self) -> AsyncExecutor | None:
        """An executor of this kind for a caller whose thread is the loop's own."""
        if threading.current_thread() is not self._thread:
            return None
        return AsyncExecutor(
            self._most,
            backend=self._backend,
            backend_options=self._options,
            initializer=self._setup.initializer,
            initargs=self._setup.initargs,
        )

    def hold(self, holder: Holder, tasks: int) -> None:
        """*holder* will launch so many tasks more, and may do so after `close`, too."""
        with self._lock:
            if self.closed:
                raise RuntimeError(SHUT_DOWN)
            self._holds.add(holder, tasks)

    def release(self, holder: Holder, tasks: int | None = None) -> None:
        """So many of *holder*'s tasks are over; None is all that there were."""
        with self._lock:
            self._holds.end(holder, tasks)
        if self.closed:
            self._end()

    def close(self, cancel: bool = False) -> None:
        with self._lock:
            self.closed = True
        for holder in self._holds.holders:
            holder.closing(cancel)
        if cancel and self._slots is not None:
            self._slots.drop_waiting()
        self._end()

    def _end(self) -> None:
        """Let the loop end, unless somebody still has work for it."""
        slots, stop = self._slots, self._stop
        if not self._holds and slots is not None and stop is not None:
            slots.in_loop(stop.set)

    def join(self) -> None:
        thread = self._thread
        if thread is threading.current_thread():
            raise RuntimeError(WAITS_FOR_ITSELF)
        self._holds.wait()
        if thread is not None:
            slots = self._slots
            while thread.is_alive() and slots is not None and slots.busy:
                thread.join(0.05)
            stuck = slots is not None and slots.abandoned
            thread.join(_SHORT if stuck else _PATIENCE)

    def _run(self) -> None:
        try:
            anyio.run(self._main, backend=self._backend, backend_options=self._options)
        except BaseException as error:
            self._trouble = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        slots = Slots(self._most, self._setup)
        self._stop = anyio.Event()
        self._slots = slots
        self._ready.set()
        await self._stop.wait()
        await slots.close()
        slots.shutdown()
