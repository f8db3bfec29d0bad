"""What runs in Dask's workers: batches on processes of ours, while their client is there."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

from ._dask_lease import at_work
from ._needs import engine_module
from ._node import end_node, node_for
from ._wire import LostError, Order, Reply, Terms

_distributed = engine_module("distributed", "dask")
_protocol = engine_module("distributed.protocol", "dask")


def _to_frames(reply: Reply) -> tuple[dict[str, Any], list[Any]]:
    return {}, [reply.stream, *reply.buffers]


def _from_frames(_: dict[str, Any], frames: list[Any]) -> Reply:
    return Reply(bytes(frames[0]), frames[1:])


# Dask pickles by an older protocol than the one that leaves large buffers out.
_protocol.dask_serialize.register(Reply)(_to_frames)
_protocol.dask_deserialize.register(Reply)(_from_frames)


def carry(topic: str, packed_terms: bytes, packed_order: bytes, *lots: Any) -> Reply:
    """Run a batch, in one of the worker's threads."""
    worker = _distributed.get_worker()
    terms: Terms = pickle.loads(packed_terms)
    order: Order = pickle.loads(packed_order)
    node = node_for(terms, terms.size or worker.state.nthreads, f"dask {worker.address}")
    key = worker.get_current_task()
    way = _Way()

    def say(note: tuple[Any, ...] | None) -> None:
        worker.log_event(topic, {"seat": order.seat, "number": order.number, "note": note})

    def is_wanted() -> bool:
        if way.is_new:  # it has come to a thread, and takes longer than a moment
            say(None)
        way.make()
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    with at_work(terms.token):
        for said in node.carry(order, lots, is_wanted):
            if isinstance(said, Reply):
                return said
            say(tuple(said))
    raise LostError("the batch came to nothing")


# ---- runs inside tasks --------------------------------------------------------------------------

_asked = [0]  # how often somebody inside a task has asked for room in this process


def make_way() -> None:
    """Have the batches here give up their threads of Dask's: what they wait for may need one.

    Their own processes are the limit then. Others keep Dask's threads, by which it counts its work.
    """
    _asked[0] += 1


class _Way:
    """A batch's thread of Dask's."""

    def __init__(self) -> None:
        self.is_new = True
        self._asked: int | None = _asked[0]

    def make(self) -> None:
        """Give it up, once, if that was asked since; in that thread."""
        self.is_new = False
        if self._asked is not None and self._asked != _asked[0]:
            self._asked = None
            _distributed.secede()


# ---- the end ------------------------------------------------------------------------------------


async def end(token: str) -> None:
    """The executor is done: end its processes here, off the worker's loop."""
    await asyncio.to_thread(end_node, token)
