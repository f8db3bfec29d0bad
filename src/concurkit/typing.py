"""The shapes of what concurkit takes and gives, to annotate code of your own with.

Example:
    >>> from collections.abc import Iterable
    >>> from typing import TypeVar, Unpack
    >>> from concurkit import Success, Task, run_concurrently
    >>> from concurkit.typing import Runnable, RunOptions
    >>> T = TypeVar("T")
    >>> def what_worked(tasks: Iterable[Runnable[T]], **options: Unpack[RunOptions]) -> list[T]:
    ...     outcomes = run_concurrently(tasks, on_error="collect", **options)
    ...     return [outcome.value for outcome in outcomes if isinstance(outcome, Success)]
    >>> what_worked([Task(int, "1"), Task(int, "one")], mode="thread")
    [1]
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

import concurkit

from ._batch import Stopped
from ._inner_threads import InnerThreads
from ._options import OnError, RequireStop
from ._task import Task

__all__ = [
    "Executor",
    "Mode",
    "OnError",
    "Outcome",
    "RequireStop",
    "RichProgress",
    "RunOptions",
    "Runnable",
    "Stopped",
    "StreamOptions",
]

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import TypeVar

    from ._outcome import Outcome

    T = TypeVar("T", default=Any)
else:  # importing typing_extensions would take longer than all of this package
    from typing import TypeVar

    T = TypeVar("T")

Mode: TypeAlias = Literal[
    "auto", "serial", "thread", "process", "async", "interpreter", "dask", "ray"
]
"""The names that every installation knows; `mode=` takes registered names and executors too."""

Runnable: TypeAlias = Task[T] | Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T] | T]
"""A task whose value is a `T`: a `Task`, a callable without arguments, or a coroutine object."""


class Executor(Protocol):
    """What `mode=` takes besides names: ours, and any other that gives futures as they do.

    Those of `concurrent.futures` and of many libraries are of this kind, such as loky's, and what
    `get_executor()` of a client of Dask's gives.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a call, now or later, and give its future."""
        ...

    def shutdown(self) -> object:
        """Take no more calls."""
        ...


class RichProgress(Protocol):
    """A `rich.progress.Progress`, which `progress=` takes; rich need not be there to name it."""

    def add_task(self, description: str, /, *, total: float | None) -> Any:
        """Add a task, and give its number."""
        ...

    def stop_task(self, task_id: Any, /) -> object:
        """Count the task's time no further."""
        ...


class RunOptions(TypedDict, total=False):
    """The keyword arguments of `run_concurrently`, but for `on_error`, which the result depends on.

    Use it for a function that hands them on: `**options: Unpack[RunOptions]`.
    """

    mode: Mode | str | Executor
    max_workers: int | None
    timeout: float | None
    total_timeout: float | None
    warn_after: float | None
    retry: concurkit.Retry | int | None
    max_per_second: float | None
    chunksize: int | Literal["auto"]
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    inner_threads: InnerThreads
    propagate: Iterable[ContextVar[Any]]
    require_stop: RequireStop | None
    progress: bool | str | RichProgress
    observers: Iterable[concurkit.observers.Observer]


class StreamOptions(RunOptions, total=False):
    """The keyword arguments of `iter_concurrently`, but for `on_error`."""

    ordered: bool
    buffersize: int | None


def __getattr__(name: str) -> Any:
    if name == "Outcome":  # few need it, and it takes a while to import
        from ._outcome import Outcome

        return Outcome
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
