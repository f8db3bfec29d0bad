"""A cluster engine inside this process, for what all engines share: tests see and break each step.

Its lines call the nodes as an engine's workers would; the tasks run in processes of ours.
"""

from __future__ import annotations

import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from concurkit.executors.cluster._engine import Engine
from concurkit.executors.cluster._executor import ClusterExecutor, check_terms
from concurkit.executors.cluster._node import ME, end_node, node_for, tell_node
from concurkit.executors.cluster._wire import LostError, Note, Order, Reply, Terms


class NearLine:
    """The way to a worker, which is this process."""

    def __init__(self, engine: NearEngine, number: int) -> None:
        self.where = f"near {number}"
        self.node = ME
        self.crowded = self.gone = False
        self.silent = False  # after its next word
        self._cut = threading.Event()
        self.engine = engine

    def carry(self, order: Order, references: list[Any]) -> Iterator[Note | Reply]:
        """Run a batch at the node here; what is said travels as an engine has it travel."""
        engine = self.engine
        engine.orders.append(order)
        for break_it in engine.breaks:
            break_it(self, order, references)
        node = node_for(engine.terms, engine.terms.size or 1, self.where)
        for said in node.carry(order, [one.data for one in references], lambda: True):
            yield pickle.loads(pickle.dumps(said, 5))
            if self.silent:
                self._cut.wait()
                raise LostError("it did not answer")

    def is_crowded(self) -> bool:
        """Whether the test says so."""
        return self.crowded

    def is_gone(self) -> bool:
        """Whether the test says so."""
        if self.engine.lost is not None:
            raise self.engine.lost
        return self.gone

    def tell(self, seat: str, number: int, what: int, position: int) -> None:
        """Ask the node."""
        if not self.silent:
            tell_node(self.engine.terms.token, seat, number, what, position)

    def cut(self) -> None:
        """End the wait for one that is silent."""
        self._cut.set()

    def close(self) -> None:
        """Note that no more batches will come."""
        self.engine.closed.append(self.where)


class Put:
    """A buffer in the engine's memory, as long as anybody refers to it."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class NearEngine(Engine):
    """Each seat has a worker of its own.

    Attributes:
        orders: all that were sent.
        breaks: are called with a line, an order and its references before that is sent.
        lost: what is raised when a worker is looked for.
        full: what is raised instead of putting anything.
        put_count: how many buffers were put.
        kept: those that are referred to still; and
        most: how many that were at once.
        lines: all there were.
        closed: where lines were closed.
    """

    name = "near"
    longest = 30.0

    def __init__(self, terms: Terms) -> None:
        super().__init__()
        self.terms = terms
        self.orders: list[Order] = []
        self.breaks: list[Callable[[NearLine, Order, list[Any]], object]] = []
        self.lost: LostError | None = None
        self.full: Exception | None = None
        self.put_count = self.most = 0
        self.kept: weakref.WeakSet[Put] = weakref.WeakSet()
        self.lines: list[NearLine] = []
        self.closed: list[str] = []

    @property
    def is_cut_off(self) -> bool:
        """Whether the test says so."""
        return self.lost is not None

    def put(self, lot: Any) -> Put:
        """Keep a copy."""
        if self.full is not None:
            raise self.full
        put = Put(bytes(lot))
        self.put_count += 1
        self.kept.add(put)
        self.most = max(self.most, len(self.kept))
        return put

    def line(self, is_wanted: Callable[[], bool]) -> NearLine:
        """A worker more."""
        if not is_wanted():
            raise LostError("nobody waits for it")
        if self.lost is not None:
            raise self.lost
        self.lines.append(NearLine(self, len(self.lines) + 1))
        return self.lines[-1]

    def _end(self) -> None:
        end_node(self.terms.token)


class NearExecutor(ClusterExecutor):
    """Runs tasks on the cluster here."""

    mode = "dask"

    def __init__(self, workers: int = 1, **options: Any) -> None:
        asked: dict[str, Any] = {
            "initializer": None,
            "initargs": (),
            "max_tasks_per_child": None,
            "max_memory_per_child": None,
            "inner_threads": None,
            "propagate": (),
            **options,
        }
        terms, variables = check_terms(uuid4().hex, 1, **asked)
        self.engine = NearEngine(terms)
        self._engage(self.engine, terms, workers, variables)
