"""What travels between the caller and the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any, NamedTuple

from ..process._parcel import copied

SINGLE, TIMED, FAST, EXACT, TASKS = 1, 2, 4, 8, 16


class Terms(NamedTuple):
    """How the processes of an executor are made on each node.

    Attributes:
        token: the executor, on all nodes.
        size: how many processes a node has; None is as many as its worker has threads.
        options: what else `ProcessExecutor` takes.
        setup: the initializer and its arguments, pickled; empty if there is none.
        initializer: its name.
        host: the caller's machine, and
        path: where modules are looked for there.
    """

    token: str
    size: int | None
    options: dict[str, Any]
    setup: bytes
    initializer: str
    host: str
    path: tuple[str, ...]


class Order(NamedTuple):
    """A batch on its way.

    Attributes:
        seat: who sends it, and
        number: as its how-manieth, from 1 up.
        node: the process that is meant; another that has its address must not run it.
        token: by which a run's setting is known, and
        setting: the bytes of that: the function, context variables, the outlook. None if they are
            many: then they are the first of the lots.
        flags: of the job.
        hint: how many seconds a task is expected to take.
        attempt: which attempt of its tasks this is.
        indices: of the tasks in the run.
        names: of the tasks, for messages; of each where they differ.
        lots: the key of each large buffer, and whether several tasks share it.
        items: the tasks, pickled.
    """

    seat: str
    number: int
    node: str
    token: int
    setting: bytes | None
    flags: int
    hint: float
    attempt: int
    indices: Sequence[int]
    names: Sequence[str]
    lots: Sequence[tuple[str, bool]]
    items: bytes


class Note(NamedTuple):
    """What a node says of a batch that is under way: see the kinds below.

    The worker is named as in the batch's report, where it matters.
    """

    kind: int
    first: int = 0
    second: float = 0.0
    data: bytes = b""
    worker: str = ""


AT = 0  # the task at `first`, or one of the `data` ones from there on, has run `second` seconds
KEPT = 1  # the first `first` tasks are kept, the others were given back
STILL = 2  # the task that was to be stopped had ended
LOG = 3  # a log record or a warning, of the task at `first` or of none (-1)
STACK = 4  # what the running task does

# What a node is asked of a batch.
RECALL, RECALL_UNBEGUN, STOP, ABANDON, ASK = range(5)


def lot_of(view: memoryview) -> Any:
    """A large buffer as engines take it best, brought to each node once."""
    try:
        import numpy as np
    except ImportError:
        return bytes(view)
    return np.frombuffer(view, "B")


class Reply:
    """What came of a batch: a pickle, and the large buffers that were left out of it."""

    __slots__ = ("buffers", "stream")

    def __init__(self, stream: bytes, buffers: Sequence[Any] = ()) -> None:
        self.stream = stream
        self.buffers = buffers

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        wrap = PickleBuffer if protocol >= 5 else bytes
        return Reply, (self.stream, [wrap(one) for one in self.buffers])

    def own_buffers(self) -> list[Any]:
        """The buffers, in memory that may be written to."""
        found = []
        for one in self.buffers:
            with memoryview(one) as view:
                found.append(copied(view))
        return found


class LostError(Exception):
    """A node, or the way to it, is gone."""


class CrowdedError(LostError):
    """There is no room for one more now, and others of the same executor are at work."""


class ReplacedError(LostError):
    """A batch came to another process than was meant, which may have had it before it was gone."""


class NeverBegunError(LostError):
    """A batch came to no worker that would run it, so none of it has run."""


class MissingError(LostError):
    """Buffers that a batch needs are gone from the engine, and none of it has run."""
