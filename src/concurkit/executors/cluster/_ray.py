"""Ray as an engine: a seat has an actor, batches are calls of it that answer piece by piece."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...exceptions import ModeUnavailableError
from ._engine import Engine
from ._needs import check_versions, engine_module
from ._node import end_node, node_for, tell_node, versions
from ._wire import LostError, Note, Order, Reply, Terms

_ray = engine_module("ray", "ray")
_errors = engine_module("ray.exceptions", "ray")

# How often to ask whether an actor has started, and how long to wait for one to end, in seconds.
_LOOK = 0.2
_GOODBYE = 5.0


class _Host:
    """An actor: runs the batches of one seat, one at a time."""

    def __init__(self, packed_terms: bytes) -> None:
        self._terms: Terms = pickle.loads(packed_terms)
        self._where = f"ray {_ray.util.get_node_ip_address()}"

    def hello(self) -> tuple[str, tuple[str, str, str]]:
        return f"{self._where}, pid {os.getpid()}", versions()

    def carry(self, packed_order: bytes, *lots: Any) -> Iterator[Note | Reply]:
        order: Order = pickle.loads(packed_order)
        node = node_for(self._terms, self._terms.size or 1, self._where)
        yield from node.carry(order, lots, lambda: True)

    def tell(self, seat: str, number: int, what: int, position: int) -> None:
        tell_node(self._terms.token, seat, number, what, position)

    def end(self) -> None:
        end_node(self._terms.token)


class RayLine:
    """The way to one actor."""

    def __init__(self, actor: Any, where: str, node: str) -> None:
        self.where = where
        self.node = node
        self._actor = actor
        self._is_cut = False

    def carry(self, order: Order, references: list[Any]) -> Iterator[Note | Reply]:
        """Send a batch, and say what is heard of it."""
        data = pickle.dumps(order, pickle.HIGHEST_PROTOCOL)
        try:
            for said in self._actor.carry.remote(data, *references):
                yield _ray.get(said)
        except _errors.RayTaskError as error:
            raise LostError(str(error.cause)) from error
        except _errors.RayError as error:
            raise LostError("it did not answer" if self._is_cut else str(error)) from error

    def tell(self, seat: str, number: int, what: int, position: int) -> None:
        """Ask something of a batch under way."""
        asked = self._actor.tell.options(concurrency_group="control")
        asked.remote(seat, number, what, position)

    def cut(self) -> None:
        """Wait for this actor no more."""
        self._is_cut = True
        _ray.kill(self._actor)

    def close(self) -> None:
        """No more batches will come: end the actor, in good order if it lets us."""
        try:
            _ray.get(self._actor.end.remote(), timeout=_GOODBYE)
        except (_errors.RayError, _errors.GetTimeoutError):  # it is gone, or stuck
            pass
        finally:
            _ray.kill(self._actor)


class RayEngine(Engine):
    """One executor's use of a Ray cluster."""

    name = "ray"

    def __init__(self, terms: Terms, options: Mapping[str, Any], end: Callable[[], object]) -> None:
        super().__init__()
        self._terms = pickle.dumps(terms)
        self._ends = end
        given = {"num_cpus": 1, **options}
        self._host = _ray.remote(
            **given, max_restarts=0, max_task_retries=0, concurrency_groups={"control": 1}
        )(_Host)

    def put(self, lot: Any) -> Any:
        """Put a buffer into the object store."""
        return _ray.put(lot)

    def line(self, is_wanted: Callable[[], bool]) -> RayLine:
        """An actor of its own, as soon as the cluster has room for one."""
        actor: Any = self._host.remote(self._terms)
        asked = actor.hello.remote()
        try:
            while not _ray.wait([asked], timeout=_LOOK)[0]:
                if not is_wanted():
                    raise LostError("nobody waits for it")
            where, found = _ray.get(asked)
            return RayLine(actor, where, check_versions(found, f"the worker at {where}"))
        except _errors.RayActorError as error:
            raise ModeUnavailableError(f"no Ray actor can be started: {error}") from error
        except BaseException:
            _ray.kill(actor)
            raise

    def _end(self) -> None:
        self._ends()
