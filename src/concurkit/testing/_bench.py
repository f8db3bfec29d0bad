"""What a check works with: executors fresh from the factory, a folder, and how to read futures."""

from __future__ import annotations

import inspect
import os
import pickle
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from . import _probes
from ._check import NotApplicable

# Where tasks run, seen from the caller: in its own thread, in a thread beside it, in the same
# process without shared memory (an interpreter), or in another process.
Kind: TypeAlias = Literal["inline", "thread", "interpreter", "process"]

# A worker that dies, and what it takes with it: nothing to see where it is the program itself.
SHARES_THE_PROCESS = "its tasks share the caller's process: a crash is the program's own"
WORKERS = 2


class End(NamedTuple):
    """How one call ended."""

    value: Any = None
    error: BaseException | None = None


class Bench:
    """An executor's factory, ready for checks.

    Args:
        factory: gives a new executor; is given `max_workers=2` if it takes that.
        folder: where tasks may leave files; each check has one of its own.
        patience: the seconds within which what should end has to end.
    """

    def __init__(self, factory: Callable[..., Any], folder: Path, patience: float) -> None:
        self.factory = factory
        self.folder = folder
        self.patience = patience
        self._kind: Kind | None = None

    @classmethod
    def load(cls, home: str) -> Bench:
        """The bench that was packed into the folder *home*, for a program beside the check."""
        factory, patience = pickle.loads((Path(home) / "factory").read_bytes())
        return cls(factory, Path(home), patience)

    @property
    def home(self) -> Path:
        """Where the packed factory lies."""
        return next(
            one for one in (self.folder, *self.folder.parents) if (one / "factory").exists()
        )

    def takes(self, option: str) -> bool:
        """Whether the factory has a parameter of that name."""
        try:
            return option in inspect.signature(self.factory).parameters
        except (TypeError, ValueError):
            return False

    def make(self, **options: Any) -> Any:
        """A new executor, with two workers unless it is said otherwise."""
        if self.takes("max_workers"):
            options.setdefault("max_workers", WORKERS)
        return self.factory(**options)

    @contextmanager
    def executor(self, **options: Any) -> Generator[Any]:
        """A new executor, shut down at the end; without waiting if the check has failed."""
        executor = self.make(**options)
        try:
            yield executor
        except BaseException:
            with suppress(Exception):
                executor.shutdown(wait=False)
            raise
        executor.shutdown(wait=True)

    def kind(self) -> Kind:
        """Where the tasks run."""
        if self._kind is None:
            with self.executor() as executor:
                _probes.here = token = os.urandom(8)
                future = executor.submit(_probes.where)
                pid, thread, found = self.value(future)
            if pid != os.getpid():
                self._kind = "process"
            elif found != token:
                self._kind = "interpreter"
            else:
                self._kind = "inline" if thread == threading.get_ident() else "thread"
        return self._kind

    def need_processes(self) -> None:
        """Say "n/a" unless workers are processes of their own."""
        if self.kind() != "process":
            raise NotApplicable(SHARES_THE_PROCESS)

    def need_a_queue(self) -> None:
        """Say "n/a" where `submit` runs the task before it returns."""
        if self.kind() == "inline":
            raise NotApplicable("submit runs the task before it returns: nothing ever waits")

    def end(self, future: Any, until: float | None = None) -> End:
        """How a future ended; one that does not end in time is a failure of the executor."""
        until = time.monotonic() + self.patience if until is None else until
        try:
            return End(future.result(timeout=max(0.0, until - time.monotonic())))
        except BaseException as error:
            if not future.done():
                raise AssertionError(f"a future was not done within {self.patience:g} s") from None
            return End(error=error)

    def ends(self, futures: Iterable[Any]) -> list[End]:
        """How each future ended, within the time for one."""
        until = time.monotonic() + self.patience
        return [self.end(future, until) for future in futures]

    def value(self, future: Any) -> Any:
        """The value of a future that has to have one."""
        end = self.end(future)
        assert end.error is None, f"a task failed that does nothing wrong: {shown(end.error)}"
        return end.value

    def call(self, executor: Any, calls: Sequence[tuple[Any, ...]]) -> list[End]:
        """How each of these calls ended, all submitted first; a submit that raises is an end."""
        futures: list[Any] = []
        for fn, *args in calls:
            try:
                futures.append(executor.submit(fn, *args))
            except BaseException as error:
                futures.append(_Refused(error))
        return self.ends(futures)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until *condition* holds; *what* did not happen if it never does."""
        until = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < until, f"{what} within {self.patience:g} s"
            time.sleep(0.005)

    def marks(self) -> list[str]:
        """The names that tasks have left in the folder."""
        return sorted(path.name.partition("~")[0] for path in self.folder.glob("*~*"))


class _Refused:
    """Stands for the future of a call that was not even taken."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def result(self, timeout: float | None = None) -> Any:
        raise self._error

    def done(self) -> bool:
        return True


def shown(error: BaseException | None) -> str:
    """An error in a few words."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return text if len(text) <= 120 else text[:119] + "…"
