"""Dask as an engine: batches are calls that one worker each may run, notes are events.

This is the caller's side; the workers' is `_dask_node`.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import Any

from ...exceptions import ModeUnavailableError
from ._dask_node import carry, end, hold
from ._dask_places import Places
from ._dask_story import asked_times_sent, asked_to_forgo
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

# So long, in seconds: until there is a worker; without a connection to the scheduler;
_FIRST_WORKER = 30.0
_CUT_OFF = 2.0

_LOOK = 0.25
_LOOK_ROUND = 0.5  # for workers that came or went

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
        with engine.listening(order, self):
            future = engine.submit(self.where, order, references)
            future.add_done_callback(lambda _: news.put(future))
            try:
                yield from self._follow(future, order)
            finally:
                future.release() if future.done() else future.cancel()

    def _follow(self, future: Any, order: Order) -> Iterator[Note | Reply]:
        begun = False
        while True:
            try:
                said = self._news.get(timeout=_LOOK)
            except Empty:
                self._engine.check_connection()
                if self._engine.is_gone(self.where):
                    if self._engine.times_sent(future) == 0:  # nor will another run it: see `ME`
                        raise NeverBegunError(_GONE) from None
                    raise LostError(_GONE) from None
                if not begun and self.is_crowded():  # it waits here, and elsewhere it need not
                    self.tell(order.seat, order.number, RECALL_UNBEGUN, -1)
                continue
            if isinstance(said, str):
                raise LostError(said)
            if said is future:
                yield self._result(future, order)
                return
            if isinstance(said, tuple) and said[0] == order.number:
                begun = True
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
        self._is_left = self._is_left or self._engine.has_room_elsewhere(self.where)
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
        self._topic = f"concurkit-{terms.token}"
        self._terms = pickle.dumps(terms)
        self._seats: dict[str, int] = {}  # how many of ours each worker has
        self._known: dict[str, int] = {}  # how many threads each had when they were last asked for
        self._looked = 0.0
        self._nodes: dict[str, str] = {}  # which process each worker is
        self._leases: dict[str, Any] = {}  # if they are gone, so are the processes there
        self._lines: dict[str, DaskLine] = {}  # by seat
        self._unheard_since: float | None = None
        self._direct: bool | None = None  # whether data need not go by way of the scheduler
        client.subscribe_topic(self._topic, self._heard)

    def threads(self) -> int:
        """How many threads the workers have; waits for the first worker."""
        until = time.monotonic() + _FIRST_WORKER
        while True:
            try:
                count = sum(self._threads().values())
            except LostError as error:
                raise ModeUnavailableError(str(error)) from error
            if count:
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
        threads = self._look()
        with self._lock:
            if not threads:
                return None
            address = min(threads, key=lambda one: self._seats.get(one, 0) / threads[one])
            self._seats[address] = self._seats.get(address, 0) + 1
            return address

    def has_room_elsewhere(self, address: str) -> bool:
        """Whether batches wait at this worker for its threads, and would not at another."""
        threads = self._seen_lately()
        with self._lock:
            crowded = self._seats[address] > threads.get(address, 0)
            return crowded and any(self._seats.get(one, 0) < threads[one] for one in threads)

    def is_gone(self, address: str) -> bool:
        """Whether there is no such worker any more."""
        return address not in self._seen_lately()

    def _seen_lately(self) -> dict[str, int]:
        """What `_look` gave, not long ago."""
        now = time.monotonic()
        with self._lock:
            due = now - self._looked > _LOOK_ROUND
        return self._look() if due else self._known

    def _look(self) -> dict[str, int]:
        """How many threads each worker has; those that are gone are forgotten."""
        threads = self._threads()
        with self._lock:
            self._looked, self._known = time.monotonic(), threads
            gone = self._nodes.keys() - threads.keys()
        for address in gone:
            self.forget(address)
        return threads

    def forget(self, address: str) -> None:
        """The worker at *address* is gone; another may come there."""
        with self._lock:
            self._nodes.pop(address, None)
            self._leases.pop(address, None)

    def _threads(self) -> dict[str, int]:
        """How many threads each worker has, of those that may be used."""
        self.check_connection()
        try:
            found: dict[str, int] = self._client.nthreads(callback_timeout=ANSWER)
            if self._places:
                info = self._client.scheduler_info(n_workers=-1)["workers"]
                found = {one: found[one] for one in found if self._places.fit(one, info)}
        except OSError as error:
            raise LostError(f"Dask's scheduler does not answer ({error!r})") from error
        return {one: count for one, count in found.items() if count}

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
                found = self._client.run(versions, workers=[address], on_error="return")
            except OSError as error:
                raise LostError(f"Dask's scheduler does not answer ({error!r})") from error
            if address not in found or isinstance(found[address], OSError):
                raise LostError(f"the worker at {address} did not answer")
            known = check_versions(found[address], f"the Dask worker at {address}")
            self._lease(address)
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
        with self._lock:
            self._seats[address] -= 1

    def submit(self, address: str, order: Order, references: list[Any]) -> Any:
        """Have a batch run by the worker there, and by no other."""
        return self._client.submit(
            carry,
            self._topic,
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

    def listening(self, order: Order, line: DaskLine) -> _Listening:
        """While a batch is under way, *line* is told of it."""
        return _Listening(self._lines, order.seat, line)

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

    # ---- in the client's thread -----------------------------------------------------------------

    def _heard(self, event: Any) -> None:
        _, told = event
        line = self._lines.get(told["seat"])
        if line is not None:
            line.hear(told["number"], told["note"])

    # ---- the end --------------------------------------------------------------------------------

    def _end(self) -> None:
        client = self._client
        try:
            if client.status == "running":
                if alive := list(self._nodes):
                    client.run(end, self.token, workers=alive, on_error="ignore")
                client.unsubscribe_topic(self._topic)
                self._leases.clear()
        finally:
            self._ends()


class _Listening:
    def __init__(self, lines: dict[str, DaskLine], seat: str, line: DaskLine) -> None:
        self._lines = lines
        self._seat = seat
        self._line = line

    def __enter__(self) -> None:
        self._lines[self._seat] = self._line

    def __exit__(self, *_: object) -> None:
        self._lines.pop(self._seat, None)
