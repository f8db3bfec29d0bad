"""Dask as an engine: batches are calls that one worker each may run, notes are events.

This is the caller's side; the workers' is `_dask_node`.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import Any

from ...exceptions import ModeUnavailableError
from ._dask_lease import hold
from ._dask_node import carry, end, make_way
from ._dask_places import Places
from ._dask_story import asked_times_sent, asked_to_forgo
from ._dask_topic import Topic
from ._dask_workers import Seen, Workers, ask
from ._engine import Engine
from ._needs import ANSWER, check_imports, check_versions, is_reached
from ._node import tell_node, versions
from ._wire import (
    KEPT,
    RECALL_UNBEGUN,
    LostError,
    MissingError,
    NeverBegunError,
    Note,
    Order,
    ReplacedError,
    Reply,
    Terms,
)

# So long, in seconds: until there is a worker, or an answer of its first; without a connection to
# the scheduler; until all workers have ended what they have of ours.
_FIRST_WORKER = 30.0
_CUT_OFF = 2.0
_GOODBYE = 3.0

_LOOK = 0.25
_LOOK_ROUND, _LOOK_EACH = 0.5, 0.005  # for workers that came or went; and more for each there is

_GONE = "Dask has removed it: it died, perhaps for lack of memory, or can't be reached"


class DaskLine:
    """The way to one worker of Dask's."""

    def __init__(self, engine: DaskEngine, address: str, node: str) -> None:
        self.where = address
        self.node = node
        self._engine = engine
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._is_left = False  # for a worker that has room

    def carry(self, order: Order, references: list[Any]) -> Iterator[Note | Reply]:
        """Send a batch, and say what is heard of it."""
        engine, news = self._engine, self._news
        with engine.topic.told(order.seat, self), engine.workers.sending(self.where):
            future = engine.submit(self.where, order, references)
            future.add_done_callback(lambda _: news.put(future))
            try:
                yield from self._follow(future, order)
            finally:
                future.release() if future.done() else future.cancel()

    def _follow(self, future: Any, order: Order) -> Iterator[Note | Reply]:
        come = False  # to a thread of the worker's
        while True:
            try:
                said = self._news.get(timeout=_LOOK)
            except Empty:
                self._engine.check_connection()
                if self._engine.is_gone(self.where):
                    if self._engine.times_sent(future) == 0:  # nor will another run it: see `ME`
                        raise NeverBegunError(_GONE) from None
                    raise LostError(_GONE) from None
                if not come and self._engine.is_inside:
                    self._engine.call_on(_nothing, self.where, make_way)
                if not come and self._is_better_left():
                    self.tell(order.seat, order.number, RECALL_UNBEGUN, -1)
                continue
            if isinstance(said, str):
                raise LostError(said)
            if said is future:
                yield self._result(future, order)
                return
            if isinstance(said, tuple) and said[0] == order.number:
                if not come:
                    come = True
                    self._engine.workers.came(self.where)
                if said[1] is not None:
                    yield Note(*said[1])

    def _result(self, future: Any, order: Order) -> Reply:
        try:
            reply = future.result(timeout=None)
        except ReplacedError as error:
            self._engine.forget(self.where)
            if self._engine.times_sent(future) == 1:
                raise NeverBegunError(str(error)) from error
            raise
        except LostError:
            raise
        except Exception as error:
            if self._engine.is_cut_off:
                raise LostError("the connection to Dask's scheduler is lost") from error
            if self._engine.has_forgone(error, self, order):
                raise MissingError(str(error)) from error
            raise LostError(f"{type(error).__name__}: {error}") from error
        assert isinstance(reply, Reply)
        return reply

    def hear(self, number: int, note: Any) -> None:
        """Take in what the worker says."""
        self._news.put((number, note))

    def fail(self, why: str) -> None:
        """The worker is gone."""
        self._news.put(why)

    def is_gone(self) -> bool:
        """Whether Dask has removed its worker."""
        return self._engine.is_gone(self.where)

    def is_crowded(self) -> bool:
        """Whether another worker would take batches sooner."""
        self._engine.look_again()
        return self._is_left or self._engine.workers.is_full(self.where)

    def _is_better_left(self) -> bool:
        self._is_left = self._is_left or self._engine.workers.is_better_left(self.where)
        return self._is_left

    def tell(self, seat: str, number: int, what: int, position: int) -> None:
        """Ask something of a batch under way."""
        engine = self._engine

        def answered(ahead: object) -> None:
            if ahead is True:  # it is told, since no batch is there to tell it
                self.hear(number, Note(KEPT))

        engine.call_on(answered, self.where, tell_node, engine.token, seat, number, what, position)

    def cut(self) -> None:
        """Wait for this worker no more."""
        self.fail("it did not answer")

    def close(self) -> None:
        """No more batches will come."""
        self._engine.free(self.where)


class DaskEngine(Engine):
    """One executor's use of a Dask cluster."""

    name = "dask"
    longest = _FIRST_WORKER

    def __init__(
        self,
        client: Any,
        terms: Terms,
        options: Mapping[str, Any],
        places: Places,
        end: Callable[[], object],
    ) -> None:
        super().__init__()
        self.token = terms.token
        self._client = client
        self._options = options
        self._places = places
        self._ends = end
        self._terms = pickle.dumps(terms)
        self.workers = Workers()
        self._looked = 0.0  # when they were last asked for
        self._nodes: dict[str, str] = {}  # which process each worker is
        self._leases: dict[str, Any] = {}  # if they are gone, so are the processes there
        self._unheard_since: float | None = None
        # Whether this may be a task: then what waits for it may hold the thread that it needs.
        self.is_inside = multiprocessing.parent_process() is not None
        self._direct: bool | None = None  # whether data need not go by way of the scheduler
        self.topic = Topic(client, terms.token)

    def slots(self) -> int:
        """How many tasks the workers take at once; waits for the first worker."""
        until = time.monotonic() + _FIRST_WORKER
        while True:
            try:
                self._look()
            except LostError as error:
                raise ModeUnavailableError(str(error)) from error
            if count := self.workers.slots:
                return count
            if time.monotonic() > until:
                raise ModeUnavailableError(
                    f"the Dask cluster at {self._client.scheduler.address} has no worker"
                    f"{self._places.shown} after {_FIRST_WORKER:g} s; start one with `dask worker "
                    f"{self._client.scheduler.address}`, or scale the cluster up: one that adapts "
                    "to its work needs minimum=1."
                )
            time.sleep(0.05)

    def put(self, lot: Any) -> Any:
        """Scatter a buffer: straight to a worker, if this machine reaches them all."""
        if self._direct is None:
            self._direct = all(is_reached(one) for one in self._look())
        if self._client.scheduler.address.startswith("inproc") and type(lot) is not bytes:
            lot = lot.copy()  # else a worker in this process would keep the caller's memory
        return self._client.scatter(lot, hash=False, direct=self._direct)

    def line(self, is_wanted: Callable[[], bool]) -> DaskLine:
        """The way to the worker that has fewest of our seats for its threads."""
        until = time.monotonic() + self.patience
        address = self._free_worker()
        while address is None:
            if not is_wanted():
                raise LostError("nobody waits for it")
            if time.monotonic() > until:
                raise ModeUnavailableError(
                    f"the Dask cluster at {self._client.scheduler.address} has no worker"
                    f"{self._places.shown} left, and no other came in {_FIRST_WORKER:g} s"
                )
            time.sleep(0.05)
            address = self._free_worker()
        try:
            return DaskLine(self, address, self._node_at(address))
        except BaseException:
            self.free(address)
            raise

    def _free_worker(self) -> str | None:
        """Takes a place at a worker, if there is any."""
        self._look()
        return self.workers.take()

    def is_gone(self, address: str) -> bool:
        """Whether there is no such worker any more."""
        return address not in self.look_again()

    def look_again(self) -> Mapping[str, Seen]:
        """What `_look` gives, or gave not long ago: of many workers it is much."""
        seen = self.workers.seen
        rest = _LOOK_ROUND + len(seen) * _LOOK_EACH
        return self._look() if time.monotonic() - self._looked > rest else seen

    def _look(self) -> Mapping[str, Seen]:
        """Ask for the workers; those that are gone are forgotten."""
        self.check_connection()
        seen = ask(self._client, self._places)
        self._looked = time.monotonic()
        self.workers.saw(seen)
        for address in list(self._nodes):
            if address not in seen:
                self.forget(address)
            elif seen[address].leaves:  # its data go elsewhere, and this stays: if it stays too,
                with self._lock:  # that is said anew
                    self._leases.pop(address, None)
        return seen

    def forget(self, address: str) -> None:
        """The worker at *address* is gone; another may come there."""
        with self._lock:
            self._nodes.pop(address, None)
            self._leases.pop(address, None)

    def _node_at(self, address: str) -> str:
        """Which process has that address, once it is known to fit."""
        known = self._nodes.get(address)
        if known is None:
            if not self._nodes:
                check_imports(
                    lambda: self._client.run_on_scheduler(versions, callback_timeout=ANSWER),
                    f"the Dask scheduler at {self._client.scheduler.address}",
                )
            try:
                found = self._client.run(
                    versions, workers=[address], on_error="return", callback_timeout=_FIRST_WORKER
                )
            except TimeoutError:
                found = {}
            except OSError as error:
                raise LostError(f"Dask's scheduler does not answer ({error!r})") from error
            if address not in found or isinstance(found[address], OSError):
                raise LostError(f"the worker at {address} did not answer")
            known = check_versions(found[address], f"the Dask worker at {address}")
            self._nodes[address] = known
        return known

    def _lease(self, address: str) -> None:
        """See to it that the processes at a worker end with this client: one lease each."""
        with self._lock:
            if address not in self._leases:
                self._leases[address] = self._client.submit(
                    hold, self.token, workers=[address], pure=False, retries=0
                )

    def free(self, address: str) -> None:
        """One seat less is at this worker."""
        self.workers.free(address)

    def submit(self, address: str, order: Order, references: list[Any]) -> Any:
        """Have a batch run by the worker there, and by no other."""
        self._lease(address)
        return self._client.submit(
            carry,
            self.topic.name,
            self._terms,
            pickle.dumps(order, pickle.HIGHEST_PROTOCOL),
            *references,
            key=f"concurkit-{order.seat}-{order.number}",
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
            **self._options,
        )

    def times_sent(self, future: Any) -> int | None:
        """To how many workers a batch was given; None if that is not known."""
        return asked_times_sent(self._client, future.key)

    def has_forgone(self, error: Exception, line: DaskLine, order: Order) -> bool:
        """Whether a batch that was cancelled has not begun, and won't: its data are gone."""
        if not isinstance(error, CancelledError) or not order.lots:
            return False
        if getattr(error, "reason", "") == "lost dependencies":
            return True  # the scheduler has sent it nowhere
        asked = (self.token, order.seat, order.number)
        return bool(asked_to_forgo(self._client, line.where, *asked) == (line.node, True))

    def call_on(
        self, answered: Callable[[Any], None], address: str, fn: Callable[..., Any], *args: Any
    ) -> None:
        """Call a function in a worker, beside its tasks; nobody waits for what it gives."""

        async def call() -> None:
            try:
                found = await self._client.run(fn, *args, workers=[address], on_error="ignore")
                answered(found.get(address))
            except Exception:  # it is gone, which shows elsewhere too
                logging.getLogger("concurkit").debug("no answer from %s", address, exc_info=True)

        self._client.loop.add_callback(call)

    @property
    def is_cut_off(self) -> bool:
        """Whether there is no connection to the scheduler now."""
        return bool(self._client.status != "running")

    def check_connection(self) -> None:
        """Raise LostError if the scheduler can't be reached for a while."""
        if not self.is_cut_off:
            self._unheard_since = None
            return
        now = time.monotonic()
        since = self._unheard_since = self._unheard_since or now
        if now - since > _CUT_OFF or self._client.status in ("closed", "closing"):
            raise LostError("the connection to Dask's scheduler is lost")

    # ---- the end --------------------------------------------------------------------------------

    def _end(self) -> None:
        client, alive = self._client, list(self._nodes)
        try:
            if client.status == "running":
                if alive:
                    options = {"on_error": "ignore", "callback_timeout": _GOODBYE}
                    client.run(end, self.token, workers=alive, **options)
        except OSError:  # a worker did not answer: without a lease it ends them later
            logging.getLogger("concurkit").debug("no answer from all of %s", alive, exc_info=True)
        finally:
            if client.status == "running":
                self.topic.close()
            self._leases.clear()
            self._ends()


def _nothing(_: object) -> None:
    """No answer is waited for."""
