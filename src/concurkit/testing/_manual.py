"""An executor whose tasks end when a test says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from types import CoroutineType, TracebackType
from typing import Any, ParamSpec, TypeVar

from .._arguments import check_workers
from .._task import shown

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class ManualTask:
    """One call that was submitted, in the hands of the test.

    Attributes:
        fn: what was submitted.
        args: its positional arguments.
        kwargs: its keyword arguments.
        future: what the code under test waits for.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: Future[Any] = field(repr=False)
    _executor: ManualExecutor = field(repr=False)
    _context: Context = field(repr=False)

    def start(self) -> None:
        """Let the task count as running, so that its future can't be cancelled any more.

        Raises:
            RuntimeError: it has ended, or as many tasks run as there are workers.
        """
        self._executor._start(self)

    def run(self) -> None:
        """Call the function here and now; the future gets what it returns or raises.

        Raises:
            RuntimeError: as `start` does.
        """
        self._executor._take(self)
        try:
            value = self._context.run(self.fn, *self.args, **self.kwargs)
            if isinstance(value, CoroutineType):
                from .._worker_loop import close_loop, finish

                value = finish(value, self._context)
                close_loop(unless_held=True)
        except BaseException as error:  # law 5: whatever it is, it is the task's own
            self._end(error=error)
        else:
            self._end(value)

    def finish(self, value: Any = None) -> None:
        """End the task with a value; its function is not called.

        Args:
            value: what the future gives.

        Raises:
            RuntimeError: as `start` does.
        """
        self._executor._take(self)
        self._end(value)

    def fail(self, error: BaseException) -> None:
        """End the task with an error; its function is not called.

        Args:
            error: what the future raises.

        Raises:
            RuntimeError: as `start` does.
            TypeError: *error* is not an exception.
        """
        _check_error(error)
        self._executor._take(self)
        self._end(error=error)

    def __str__(self) -> str:
        words = [shown(value) for value in self.args]
        words += [f"{name}={shown(value)}" for name, value in self.kwargs.items()]
        return f"{getattr(self.fn, '__name__', None) or shown(self.fn)}({', '.join(words)})"

    def _end(self, value: Any = None, error: BaseException | None = None) -> None:
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_exception(error)


class ManualExecutor(Executor):
    """A `concurrent.futures.Executor` that does nothing until the test tells it to.

    Tasks pile up as they are submitted. The test runs them, or ends them with a value or an error
    of its choice, in any order. So no test has to sleep, and each order of events can be had.

    Args:
        max_workers: how many tasks may run at once, started and not ended; None for no limit.
        shutdown_timeout: the seconds that `shutdown(wait=True)` waits for another thread to end the
            tasks that are left, before it raises RuntimeError.

    Example:
        >>> from concurkit.testing import ManualExecutor
        >>> executor = ManualExecutor()
        >>> first, second = executor.submit(pow, 2, 5), executor.submit(pow, 2, 6)
        >>> executor.pending[1].finish("any value")
        >>> first.done(), second.result()
        (False, 'any value')
        >>> executor.run_all()
        1
        >>> first.result()
        32
    """

    def __init__(self, max_workers: int | None = None, *, shutdown_timeout: float = 0.0) -> None:
        self.max_workers: int | None = check_workers(max_workers)
        self.shutdown_timeout: float = shutdown_timeout
        self._changed = threading.Condition(threading.RLock())
        self._open: list[ManualTask] = []  # what has not ended; oldest first
        self._taken: set[ManualTask] = set()  # what somebody is ending
        self._count = 0
        self._closed = False

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Put one call aside, and return its future.

        Raises:
            RuntimeError: the executor was shut down.
            TypeError: *fn* can't be called.
        """
        if not callable(fn):
            raise TypeError(
                f"{shown(fn)} can't be called; submit(fn, *args) takes a function first"
            )
        future: Future[R] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("this executor was shut down; make a new one")
            task = ManualTask(fn, args, kwargs, future, self, copy_context())
            self._open.append(task)
            self._count += 1
            self._changed.notify_all()
        future.add_done_callback(lambda _: self._ended(task))
        return future

    @property
    def pending(self) -> tuple[ManualTask, ...]:
        """The tasks that have not started, oldest first."""
        with self._changed:
            return tuple(
                task for task in self._open if not task.future.running() and not task.future.done()
            )

    @property
    def running(self) -> tuple[ManualTask, ...]:
        """The tasks that were started and have not ended, oldest first."""
        with self._changed:
            return tuple(task for task in self._open if task.future.running())

    @property
    def submitted(self) -> int:
        """How many tasks were submitted in all."""
        return self._count

    def run_next(self) -> None:
        """Run the oldest task that has not ended.

        Raises:
            RuntimeError: there is none.
        """
        self._oldest().run()

    def run_all(self) -> int:
        """Run all tasks, oldest first, and those that come in meanwhile.

        Returns:
            How many there were.
        """
        count = 0
        while (task := self._first()) is not None:
            task.run()
            count += 1
        return count

    def finish(self, value: Any = None) -> None:
        """End the oldest task with a value; its function is not called.

        Args:
            value: what its future gives.

        Raises:
            RuntimeError: there is none.
        """
        self._oldest().finish(value)

    def fail(self, error: BaseException) -> None:
        """End the oldest task with an error; its function is not called.

        Args:
            error: what its future raises.

        Raises:
            RuntimeError: there is none.
        """
        self._oldest().fail(error)

    def wait_for(self, count: int, timeout: float = 10.0) -> None:
        """Wait until so many tasks were submitted in all, by code that runs in another thread.

        Args:
            count: how many, those that have ended among them.
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: there were fewer.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, timeout):
                raise TimeoutError(
                    f"{self._count} of {count} tasks were submitted within {timeout:g} s"
                )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls.

        Args:
            wait: for the tasks that have not ended. Nobody may be there to end them, so this waits
                for `shutdown_timeout` seconds at most.
            cancel_futures: cancel the tasks that have not started.

        Raises:
            RuntimeError: tasks are left that were to be waited for.
        """
        with self._changed:
            self._closed = True
            pending = self.pending if cancel_futures else ()
        for task in pending:
            task.future.cancel()
        if not wait:
            return
        until = time.monotonic() + self.shutdown_timeout
        with self._changed:
            while self._open:
                left = until - time.monotonic()
                if left <= 0:
                    raise RuntimeError(self._what_is_left())
                self._changed.wait(left)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An error on its way out must not be hidden by what it has left undone.
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def __repr__(self) -> str:
        return f"<ManualExecutor: {len(self.pending)} pending, {len(self.running)} running>"

    def _first(self) -> ManualTask | None:
        """The oldest task that a test can still end."""
        with self._changed:
            for task in self._open:
                if task not in self._taken and not task.future.done():
                    return task
            return None

    def _oldest(self) -> ManualTask:
        task = self._first()
        if task is not None:
            return task
        raise RuntimeError(
            f"no task is left: all {self._count} that were submitted have ended. If another thread "
            f"submits one, wait_for({self._count + 1}) first"
        )

    def _start(self, task: ManualTask) -> None:
        with self._changed:
            if task.future.running():
                raise RuntimeError(f"{task} was started already")
            running = self.running
            if self.max_workers is not None and len(running) >= self.max_workers:
                raise RuntimeError(
                    f"{task} can't start: max_workers is {self.max_workers}, and so many run "
                    f"already; end one first, such as {running[0]}"
                )
            if task not in self._open or not task.future.set_running_or_notify_cancel():
                self._open = [one for one in self._open if one is not task]
                raise RuntimeError(f"{task} has ended already")

    def _take(self, task: ManualTask) -> None:
        """Let the caller end the task, and nobody else."""
        with self._changed:
            if task in self._taken:
                raise RuntimeError(f"{task} is being run, or has ended already")
            if not task.future.running():
                self._start(task)
            self._taken.add(task)

    def _ended(self, task: ManualTask) -> None:
        with self._changed:
            if task in self._open:
                self._open.remove(task)
                if task.future.cancelled():  # tell who waits, as a worker would that comes to it
                    task.future.set_running_or_notify_cancel()
            self._taken.discard(task)
            self._changed.notify_all()

    def _what_is_left(self) -> str:
        tasks = ", ".join(map(str, self._open[:3]))
        more = f" and {len(self._open) - 3} more" if len(self._open) > 3 else ""
        return (
            f"shutdown(wait=True) would wait for ever: nobody has ended {tasks}{more}. "
            "Call run_all() first, or shutdown(cancel_futures=True)"
        )


def _check_error(error: object) -> None:
    if not isinstance(error, BaseException):
        raise TypeError(f"error is {shown(error)}; it must be an exception, as in OSError('down')")
