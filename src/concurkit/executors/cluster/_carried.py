"""A batch from another machine, on one of our processes here.

It was pickled by the caller, and only the process that runs its tasks unpickles them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from pickle import PickleBuffer
from typing import Any, NamedTuple

from ..._batch import Batch, Job
from .._flight import Ended
from .._pickling._pickle import Wire, dumps, loads
from .._pool import Crew
from ..process import _parcel
from ..process._executor import ProcessExecutor
from ..process._flight import ProcessFlight
from ..process._store import Store
from ._wire import EXACT, Order


class Logged(NamedTuple):
    """A task has logged or warned: its index in the run, -1 for none, and the packed record."""

    task: int
    data: bytes
    worker: str


class CarriedFlight(ProcessFlight):
    """A batch that was pickled elsewhere.

    Args:
        order: the batch.
        memory: its large buffers, and whether several tasks share each.
        job: what the batches of its run have in common.
        tell: is given what becomes of it.
        crew: of the processes.
        store: their shared memory, if there is any.
    """

    def __init__(
        self,
        order: Order,
        memory: Sequence[tuple[Any, bool]],
        job: Job,
        tell: Callable[[Any], None],
        crew: Crew,
        store: Store | None,
    ) -> None:
        # Nobody here looks at the tasks; the indices are as many.
        exact = bool(order.flags & EXACT)
        batch = Batch(0, order.indices, order.indices, exact, order.hint, order.attempt)
        super().__init__(batch, job, tell, None, crew, store)
        self._items = order.items
        self._names = order.names
        self._memory = memory

    def encode(self, *, alone: bool = True) -> bool:
        """Bring the large buffers to where the processes can read them."""
        memory, self._memory = self._memory, ()
        self._aside = [PickleBuffer(data) for data, _ in memory]
        if not memory:
            return True
        try:
            shared = {
                id(_parcel.owner(_parcel.source(buffer)))
                for buffer, (_, several) in zip(self._aside, memory, strict=True)
                if several
            }
            self.place(shared)
        except BaseException as error:
            self._refuse(error)
            return False
        return True

    def place(self, repeated: Container[int]) -> None:
        """Copy the buffers to shared memory, or into the pickle where there is none."""
        if self._store is None:
            buffers, self._aside = self._aside, []
            self._items = self._in_one_piece(buffers)
        else:
            super().place(repeated)

    def _in_one_piece(self, buffers: Sequence[PickleBuffer]) -> bytes:
        return dumps(_Whole(self._items, buffers))

    def heard(self, data: memoryview, worker: str, position: int) -> None:
        """A log record or a warning of a task's: for the caller to handle."""
        index = self.index_at(position)
        task = -1 if index is None else index
        self._tell(Logged(task, bytes(data), worker))  # type: ignore[arg-type]

    def say(self, event: Any) -> None:
        """Have something told in the batch's own thread."""
        self._tell(event)

    def give_up(self, position: int = -1) -> None:
        """End it, if the task at *position* (-1: any) still runs."""
        report = self.abandon(position)
        if report is not None:
            self._tell(Ended(self.batch.number, report))

    def _error(self, wire: Wire) -> Any:
        """As it came: the caller unpacks it."""
        return wire

    def _task_at(self, position: int) -> str:
        if position >= len(self.batch.indices):
            return "a task"
        name = self._names[position if len(self._names) > 1 else 0]
        return f"task {self.batch.indices[position]} {name}"


class _Whole:
    """What is pickled in two parts: one pickle that has the buffers in it."""

    def __init__(self, items: bytes, buffers: Sequence[PickleBuffer]) -> None:
        self._items = items
        self._buffers = buffers

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (self._items, [bytearray(one) for one in self._buffers])


def _unpacked(items: bytes, buffers: Sequence[bytearray]) -> Any:
    return loads(items, buffers=buffers)


class Start:
    """What a process begins with: the caller's path, and its initializer, which is unpickled there.

    Args:
        name: the initializer's.
        data: that and its arguments, pickled; empty if there is none.
        path: where the caller looks for modules, before all other places.
    """

    def __init__(self, name: str, data: bytes, path: Sequence[str]) -> None:
        self.__name__ = name
        self._data = data
        self._path = path

    def __call__(self) -> object:
        sys.path[:] = dict.fromkeys((*self._path, *sys.path))
        if not self._data:
            return None
        initializer, initargs = loads(self._data)
        return initializer(*initargs)


class Processes(ProcessExecutor):
    """Processes that run batches from elsewhere."""

    def take(
        self,
        order: Order,
        memory: Sequence[tuple[Any, bool]],
        job: Job,
        tell: Callable[[Any], None],
    ) -> CarriedFlight:
        """Start a batch."""
        flight = CarriedFlight(order, memory, job, tell, self._crew, self._store)
        if flight.encode():
            self._crew.launch([(flight, None)])
        return flight
