"""On a node: the processes of an executor beside an engine's worker, and the batches they run."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple
from uuid import uuid4

from ..._batch import Job, Report, clock
from ..._version import __version__
from .._flight import Ended, GaveBack, Poll, Still, Unfit
from ._batches import Batches
from ._carried import CarriedFlight, Logged, Processes, Start
from ._reports import named, packed, refused
from ._wire import (
    ABANDON,
    ASK,
    AT,
    EXACT,
    FAST,
    KEPT,
    LOG,
    RECALL,
    RECALL_UNBEGUN,
    SINGLE,
    STACK,
    STILL,
    STOP,
    TASKS,
    TIMED,
    Note,
    Order,
    ReplacedError,
    Reply,
    Terms,
)

ME = uuid4().hex  # this process, which may have the address of another that is gone

# How often to look, in seconds: until a batch begins, while tasks are timed, while they are not.
_SOON, _OFTEN, _SELDOM = 0.005, 0.02, 0.25

# So long, in seconds, somebody may wait for what a process does.
_ANSWER = 2.0

_JOBS, _LOTS = 16, 8  # so many are kept


def versions() -> tuple[str, str, str]:
    """Which process this is, and what must be alike on both sides: Python and this package."""
    return ME, "{}.{}".format(*sys.version_info[:2]), __version__


class _Asked(NamedTuple):
    """What a batch's process does was asked: what gives the answer, and how long that counts."""

    poll: Poll
    until: float


class Node:
    """What one executor has in this process.

    Args:
        terms: how its processes are made.
        size: how many there may be.
        where: what this place is called.
        batches: those of the executor in this process.
    """

    def __init__(self, terms: Terms, size: int, where: str, batches: Batches) -> None:
        # What the caller can import there can be imported here; by its own processes only, since
        # programs share this one.
        path = terms.path if terms.host == platform.node() else ()
        start = Start(terms.initializer, terms.setup, path)
        self._processes = Processes(size, **terms.options, initializer=start)
        self._size = size
        self._where = where
        self._batches = batches
        self._flights: set[CarriedFlight] = set()
        self._jobs: dict[int, Job] = {}
        self._lots: dict[str, Any] = {}

    # ---- a batch, in the thread that the engine runs it in --------------------------------------

    def carry(
        self, order: Order, lots: Sequence[Any], wanted: Callable[[], bool]
    ) -> Iterator[Note | Reply]:
        """Run a batch: notes while it is under way, and the reply at last.

        Args:
            order: the batch.
            lots: its large buffers, in the order of `order.lots`.
            wanted: whether anybody waits for it still.
        """
        if order.node != ME:
            raise ReplacedError("another worker has taken its address")
        news: SimpleQueue[Any] = SimpleQueue()
        flight = self._begin(order, lots, news)
        if flight is None:
            yield packed(Report(), self._where)
            return
        try:
            yield from self._follow(flight, news, bool(order.flags & EXACT), wanted)
        finally:
            self._batches.ends(order.seat, order.number)
            self._flights.discard(flight)

    def _begin(
        self, order: Order, lots: Sequence[Any], news: SimpleQueue[Any]
    ) -> CarriedFlight | None:
        """Give a batch to a process; None if it was taken back before."""
        batches = self._batches
        with batches.lock:
            if not batches.comes(order.seat, order.number):
                return None
            memory = [self._memory(*one) for one in zip(order.lots, lots, strict=True)]
            flight = self._processes.take(order, memory, self._job(order, memory), news.put)
            batches.begins(order.seat, order.number, flight)
            self._flights.add(flight)
            while len(self._lots) > _LOTS:
                del self._lots[next(iter(self._lots))]
            return flight

    def _job(self, order: Order, memory: list[tuple[Any, bool]]) -> Job:
        """What the batches of a run have in common; one object for all of them."""
        setting = order.setting
        if setting is None:
            setting = bytes(memory.pop(0)[0])
        job = self._jobs.get(order.token)
        if job is None:
            flags = order.flags
            job = self._jobs[order.token] = Job(
                None if flags & TASKS else _elsewhere,
                copy_context(),
                single=bool(flags & SINGLE),
                timed=bool(flags & TIMED),
                fast=bool(flags & FAST),
                exact=bool(flags & EXACT),
                share=self._size,
            )
            job.kept["setting"] = (order.token, setting)
            if len(self._jobs) > _JOBS:
                del self._jobs[next(iter(self._jobs))]
        return job

    def _memory(self, known_as: tuple[str, bool], lot: Any) -> tuple[Any, bool]:
        """A large buffer, the same object each time it is the same; and whether it is shared."""
        key, shared = known_as
        data = self._lots.pop(key, None)
        if data is None:
            data = _plain_memory(lot)
        self._lots[key] = data
        return data, shared

    def _follow(
        self,
        flight: CarriedFlight,
        news: SimpleQueue[Any],
        exact: bool,
        wanted: Callable[[], bool],
    ) -> Iterator[Note | Reply]:
        seen: tuple[int, float | None] = (0, None)
        asked: _Asked | None = None
        while True:
            wait = _SOON if seen[1] is None else _OFTEN if exact or asked else _SELDOM
            try:
                event = news.get(timeout=wait)
            except Empty:
                if asked is not None and (stack := asked.poll()) is not None:
                    asked = None
                    yield Note(STACK, data=stack.encode(errors="replace"))
                elif asked is not None and clock() > asked.until:
                    asked = None
                worker, at, since, window = flight.sight()
                if (at, since) != seen and since is not None:
                    seen = at, since
                    size = window.to_bytes(4, "little")
                    yield Note(AT, at, clock() - since, size, named(self._where, worker))
                if not wanted():
                    flight.give_up()
                continue
            if type(event) is Ended:
                yield packed(event.report, self._where)
                return
            if type(event) is Unfit:
                yield refused(event.error, self._where)
                return
            if type(event) is GaveBack:
                yield Note(KEPT, event.kept)
            elif type(event) is Still:
                at, since = flight.look()
                ran = 0.0 if since is None else clock() - since
                yield Note(AT, at, ran, worker=named(self._where, flight.sight().worker))
                yield Note(STILL)
            elif type(event) is _Asked:
                asked = event
            elif type(event) is Logged:
                yield Note(LOG, event.task, 0.0, event.data, named(self._where, event.worker))

    def end(self) -> None:
        """End the processes, whatever they do."""
        for flight in list(self._flights):
            flight.give_up()
        self._processes.shutdown()


def _plain_memory(data: Any) -> Any:
    """The memory that an engine has brought, not as bytes: those would pass for a bytes object."""
    if type(data) is not bytes:
        return data
    try:
        import numpy as np
    except ImportError:
        return bytearray(data)
    return np.frombuffer(data, "B")


def _elsewhere() -> None:
    """Stands for the function of a run, which is known to its processes only."""


# ---- the nodes of this process ------------------------------------------------------------------

_nodes: dict[tuple[str, str], Node] = {}  # several workers may live in one process
_batches: dict[str, Batches] = {}
_lock = threading.Lock()


def node_for(terms: Terms, size: int, where: str) -> Node:
    """The executor's node here, beside the worker of that name; made if need be."""
    key = (terms.token, where)
    with _lock:
        node = _nodes.get(key)
        if node is None:
            batches = _batches.setdefault(terms.token, Batches())
            node = _nodes[key] = Node(terms, size, where, batches)
        return node


def tell_node(token: str, seat: str, number: int, what: int, position: int) -> bool:
    """Ask something of a batch here, from any thread; the answer comes with the batch.

    True if it was to be taken back and had not come here yet: it will not run.
    """
    batches = _batches_of(token)  # the first may be on its way, behind tasks of others
    with batches.lock:
        flight = batches.find(seat, number)
        if flight is None:
            return what not in (STOP, ASK) and batches.forgo(seat, number)
    if what in (RECALL, RECALL_UNBEGUN):
        flight.recall(what == RECALL_UNBEGUN)
    elif what == STOP:
        flight.stop(position)
    elif what == ABANDON:
        flight.give_up(position)
    elif what == ASK:
        poll = flight.stack()
        if poll is not None:
            flight.say(_Asked(poll, clock() + _ANSWER))
    return False


def forgo(token: str, seat: str, number: int) -> tuple[str, bool]:
    """Which process this is, and whether a batch has not come here, and now will not run."""
    return ME, _batches_of(token).forgo(seat, number)


def _batches_of(token: str) -> Batches:
    with _lock:
        return _batches.setdefault(token, Batches())


def end_node(token: str, where: str | None = None) -> None:
    """The executor is done beside the worker of that name (None: all here): leave nothing there."""
    with _lock:
        keys = [key for key in _nodes if key[0] == token and where in (None, key[1])]
        nodes = [_nodes.pop(key) for key in keys]
        if not any(key[0] == token for key in _nodes):
            _batches.pop(token, None)
    for node in nodes:
        node.end()
