"""Ray as an engine: a seat has an actor, batches are calls of it that answer piece by piece."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ...exceptions import ModeUnavailableError, WorkerCrashedError
from ._engine import Engine
from ._needs import check_versions, engine_module, is_reached
from ._node import end_node, node_for, tell_node, versions
from ._ray_home import Joined
from ._wire import ASK, CrowdedError, LostError, NeverBegunError, Note, Order, Reply, Terms

_ray = engine_module("ray", "ray")
_errors = engine_module("ray.exceptions", "ray")

# How often to ask whether an actor has started, in seconds; how long to wait for one to end; for
# the first that starts; for another one, where some are at work.
_LOOK = 0.2
_GOODBYE = 5.0
_FIRST_ACTOR = 60.0
_ANOTHER = 5.0

# For so long, in seconds, a head may be out of reach; Ray ends the whole program after 60. How
# often to try it.
_CUT_OFF = 8.0
_TRY = 1.0


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

    def __init__(self, engine: RayEngine, actor: Any, where: str, node: str) -> None:
        self._engine = engine
        self.where = where
        self.node = node
        self._actor = actor
        self._is_cut = False
        self._heard = time.monotonic()

    def carry(self, order: Order, references: list[Any]) -> Iterator[Note | Reply]:
        """Send a batch, and say what is heard of it."""
        data = pickle.dumps(order, pickle.HIGHEST_PROTOCOL)
        if not self._engine.session.is_on():
            raise NeverBegunError("Ray was shut down before this batch was sent")
        try:
            with self._engine.session.kept():
                yield from self._answers(self._actor.carry.remote(data, *references))
        except _errors.RayTaskError as error:
            raise LostError(str(error.cause)) from error
        except _errors.RayError as error:
            raise LostError("it did not answer" if self._is_cut else str(error)) from error

    def _answers(self, answers: Any) -> Iterator[Note | Reply]:
        session = self._engine.session
        while True:
            session.check()
            while not _ray.wait([answers], timeout=_LOOK)[0]:
                self._engine.check_connection()
            session.check()
            try:
                said = next(answers)
            except StopIteration:
                return
            session.check()
            yield _ray.get(said)
            self._heard = time.monotonic()

    def is_gone(self) -> bool:
        """Whether the actor has ended; one that was heard a moment ago is not asked."""
        if time.monotonic() - self._heard < _LOOK or not self._engine.is_reachable():
            return False
        ask = self._actor.tell.options(concurrency_group="control")
        try:
            with self._engine.session.kept():
                asked = ask.remote("", 0, ASK, -1)
                if _ray.wait([asked], timeout=_TRY)[0]:
                    _ray.get(asked)
        except (_errors.RayActorError, LostError):
            return True
        return False

    def is_crowded(self) -> bool:
        """Never: an actor is one seat's."""
        return False

    def tell(self, seat: str, number: int, what: int, position: int) -> None:
        """Ask something of a batch under way."""
        if not self._engine.session.is_on():
            return
        asked = self._actor.tell.options(concurrency_group="control")
        asked.remote(seat, number, what, position)

    def cut(self) -> None:
        """Wait for this actor no more."""
        self._is_cut = True
        if self._engine.is_reachable():
            self._engine.kill(self._actor)

    def close(self) -> None:
        """No more batches will come: end the actor, in good order if it lets us."""
        self._engine.count(-1)
        if not self._engine.is_reachable():  # the actor ends with its head, or has ended
            return
        session = self._engine.session
        try:
            with session.kept():
                _ray.get(self._actor.end.remote(), timeout=_GOODBYE)
                session.check()
                # In good order too: the temporary folder of its processes goes as it exits.
                _ray.wait([self._actor.__ray_terminate__.remote()], timeout=_GOODBYE)
        except (_errors.RayError, _errors.GetTimeoutError, LostError):  # it is gone, or stuck
            pass
        finally:
            self._engine.kill(self._actor)


class RayEngine(Engine):
    """One executor's use of a Ray cluster."""

    name = "ray"
    longest = _FIRST_ACTOR

    def __init__(
        self, terms: Terms, workers: int, options: Mapping[str, Any], joined: Joined
    ) -> None:
        super().__init__()
        self._terms = pickle.dumps(terms)
        self._leave = joined.leave
        self.session = joined.session
        self._at_work = 0  # actors that have started
        self._head = joined.session.head
        self._tried = 0.0
        self._unheard_since: float | None = None
        share = 0.0 if joined.free else _share_of_cpus(workers)
        given: dict[str, Any] = {"num_cpus": share, **options}
        counted = {name: much for name, much in given.items() if name.startswith("num_")}
        self._needs = {**counted, **(given.get("resources") or {})}
        self._host = _ray.remote(
            **given, max_restarts=0, max_task_retries=0, concurrency_groups={"control": 1}
        )(_Host)

    def put(self, lot: Any) -> Any:
        """Put a buffer into the object store."""
        try:
            with self.session.kept():
                return _ray.put(lot)
        except LostError as error:
            raise WorkerCrashedError(f"no worker of ray takes a task: {error}") from None

    def line(self, is_wanted: Callable[[], bool]) -> RayLine:
        """An actor of its own, as soon as the cluster has room for one."""
        while not self.is_reachable():
            self.check_connection()
            if not is_wanted():
                raise LostError("nobody waits for it")
            time.sleep(_LOOK)
        with self.session.kept():
            line = self._new_actor(is_wanted)
        self.count(1)
        return line

    def _new_actor(self, is_wanted: Callable[[], bool]) -> RayLine:
        actor: Any = self._host.remote(self._terms)
        try:
            self.session.check()
            asked = actor.hello.remote()
            self._wait_for(asked, is_wanted)
            where, found = _ray.get(asked)
            return RayLine(self, actor, where, check_versions(found, f"the worker at {where}"))
        except _errors.RayActorError as error:
            self.session.check()
            raise ModeUnavailableError(f"no Ray actor can be started: {error}") from error
        except BaseException:
            self.kill(actor)
            raise

    def _wait_for(self, asked: Any, is_wanted: Callable[[], bool]) -> None:
        """Wait until an actor has started, or there is no use in waiting."""
        since = time.monotonic()
        self.session.check()
        while not _ray.wait([asked], timeout=_LOOK)[0]:
            waited = time.monotonic() - since
            if not is_wanted():
                raise LostError("nobody waits for it")
            self.check_connection()
            if self._at_work and waited > _ANOTHER:
                raise CrowdedError("others of this executor have all the room there is")
            if waited > self.patience:
                raise ModeUnavailableError(
                    f"the Ray cluster has had no room for an actor with {self._needs} for "
                    f"{_FIRST_ACTOR:g} s; it has {_ray.cluster_resources()} in all, of which "
                    f"{_ray.available_resources()} are free. Ask for less by actor_options=, or "
                    "end what takes the rest."
                )

    def check_connection(self) -> None:
        """Raise LostError if Ray was shut down, or its head can't be reached for a while."""
        self.session.check()
        if self.is_reachable():
            return
        since = self._unheard_since
        if since is not None and time.monotonic() - since > _CUT_OFF:
            raise LostError(f"Ray's head at {self._head} can't be reached any more")

    def is_reachable(self) -> bool:
        """Whether Ray is there and its head answers.

        Else calls of Ray's would start a cluster that nobody ends, or wait for the head.
        """
        if not self.session.is_on():
            return False
        now = time.monotonic()
        with self._lock:
            due = now - self._tried > _TRY
            if due:
                self._tried = now
        if due:
            self._unheard_since = None if is_reached(self._head) else self._unheard_since or now
        return self._unheard_since is None

    def kill(self, actor: Any) -> None:
        """End an actor, which is gone already if Ray was shut down."""
        with suppress(LostError), self.session.kept():
            _ray.kill(actor)

    def count(self, by: int) -> None:
        """So many more actors are at work."""
        with self._lock:
            self._at_work += by

    def _end(self) -> None:
        self._leave()


def _share_of_cpus(workers: int) -> float:
    """What an actor asks for: a CPU, or a part where there are more workers than CPUs."""
    cpus = _ray.cluster_resources().get("CPU", 1.0)
    return 1 if workers <= cpus else max(0.001, int(1000 * cpus / workers) / 1000)
