"""What is asked of a cluster engine: to bring a batch to one of its workers, and say what came."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..._daemons import DAEMON
from ...exceptions import ConcurkitError, WorkerCrashedError
from ._wire import Note, Order, Reply


class Line(Protocol):
    """The way to one worker of the engine's.

    Attributes:
        where: the worker's name or address.
        node: which process it is; see `_node.versions`.
    """

    where: str
    node: str

    def carry(self, order: Order, references: list[Any]) -> Iterator[Note | Reply]:
        """Send a batch: notes while it is under way, its reply at last.

        Raises:
            LostError: the worker is gone, or the way to it.
        """
        ...

    def is_gone(self) -> bool:
        """Whether its worker is gone; may be asked before each batch.

        Raises:
            LostError: the way to all workers is gone.
        """
        ...

    def is_crowded(self) -> bool:
        """Whether another worker would take batches sooner."""
        ...

    def tell(self, seat: str, number: int, what: int, position: int) -> None:
        """Ask something of a batch under way; from any thread, never waiting."""
        ...

    def cut(self) -> None:
        """Wait for this worker no more: `carry` raises LostError."""
        ...

    def close(self) -> None:
        """No more batches will come."""
        ...


class Engine(ABC):
    """A cluster, as one executor of ours uses it. It ends when nobody uses it any more.

    Attributes:
        name: what it is called.
        worked: whether it has given a line.
        patience: how long a line may take, in seconds. When that was too short once there is no
            use in the same wait for each of the tasks that are left.
    """

    name: str
    longest: float

    def __init__(self) -> None:
        self.worked = False
        self.patience = self.longest
        self._lock = threading.Lock()
        self._users = 0
        self._closing = False
        self._ended = threading.Event()

    @abstractmethod
    def put(self, lot: Any) -> Any:
        """Give a buffer to the cluster's own memory; returns what to send in its place."""

    @property
    def is_cut_off(self) -> bool:
        """Whether the cluster is known to be out of reach now."""
        return False

    def give(self, lot: Any) -> Any:
        """As `put`, and what goes wrong is told in our words, with the engine's as the cause."""
        try:
            return self.put(lot)
        except Exception as error:
            why = (
                f"the connection to {self.name}'s scheduler is lost"
                if self.is_cut_off
                else f"it is full, or out of reach ({type(error).__name__}: {error})"
            )
            raise WorkerCrashedError(f"{self.name} takes no large argument: {why}") from error

    def new_line(self, is_wanted: Callable[[], bool]) -> Line:
        """As `line`, and what that came to is remembered."""
        try:
            line = self.line(is_wanted)
        except ConcurkitError:
            self.patience = 0.0
            raise
        self.worked, self.patience = True, self.longest
        return line

    @abstractmethod
    def line(self, is_wanted: Callable[[], bool]) -> Line:
        """The way to a worker, for as long as that lives.

        Args:
            is_wanted: whether anybody still waits for it.

        Raises:
            LostError: the worker is gone already.
            ConcurkitError: none can be used, and why.
        """

    @abstractmethod
    def _end(self) -> None:
        """Leave nothing behind."""

    def enter(self) -> None:
        """A seat needs this."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """A seat is gone."""
        with self._lock:
            self._users -= 1
            over = self._closing and not self._users
        if over:
            self._end_once()

    def close(self) -> None:
        """End this once the last seat is gone."""
        with self._lock:
            over = not self._closing and not self._users
            self._closing = True
        if over:  # perhaps a garbage collection asks, in whatever thread
            threading.Thread(target=self._end_once, name="concurkit-end", daemon=DAEMON).start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until nothing is left, or for so long."""
        self._ended.wait(seconds)

    def _end_once(self) -> None:
        try:
            self._end()
        finally:
            self._ended.set()
