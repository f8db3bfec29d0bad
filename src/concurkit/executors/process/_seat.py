"""One worker process, in a standard pool of its own: its pipes, its messages, its end."""

from __future__ import annotations

import concurrent.futures.process  # noqa: F401 - its exit hook must be registered before ours  # pyright: ignore[reportUnusedImport]
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection
from typing import Any, cast

from ..._batch import Report, clock
from ..._daemons import DAEMON
from ...exceptions import InitializerError, WorkerCrashedError
from .. import _exit
from .._forks import Fork, wait_for_forks
from .._pickling._pickle import Wire, loads, unpack_error
from .._pool import Crew
from .._relay import replay
from . import _ledger, _pipe, _returns, _wire, _worker
from ._flight import ProcessFlight
from ._inquiry import Inquiry
from ._memory import resident
from ._outbox import Outbox
from ._plan import Plan
from ._start import SeatContext
from ._store import Hold, Store

_exit.register()

# How long a process may take to end when it is told to, before it is killed.
_PATIENCE = 2.0

# The exit code after SIGKILL, where there is such a signal.
_KILLED = -9

# How often the memory of a worker is looked at where it has a limit, in seconds, and how much more
# than the limit a worker may take in any case.
_LOOK_EVERY = 0.05
_IDLE_SIZE = 64 << 20

_ABOUT_THE_WORKER = frozenset({_wire.UNFIT, _wire.SPENT, _wire.LOG, _wire.LETGO, _wire.STACK})


class ProcessSeat:
    """A process that runs batches as they come; a thread of ours reads what it answers."""

    def __init__(self, crew: Crew, plan: Plan, store: Store | None) -> None:
        crew.numbers += 1
        self.name = f"process worker {crew.numbers}"
        self.load = 0
        self.attempt = 0
        self._crew = crew
        self._plan = plan
        self._context = SeatContext(plan.method)
        self._lock = threading.Lock()
        self._flights: dict[int, ProcessFlight] = {}
        self._commands: list[bytes] = []
        self._known: dict[int, Any] = {}
        self._outbox = Outbox(self._lock)
        self._started = threading.Event()
        self._gone = threading.Event()
        self._exitcode: int | None = None
        self._kill = False
        self._bloated = False  # it was killed for the memory that it took
        self._peak = 0
        self._over = False
        self._pool: ProcessPoolExecutor | None = None
        self._tasks: connection.Connection | None = None
        self._control: connection.Connection | None = None
        self._ledger, self._handle = _ledger.make()
        self.inquiry = Inquiry(self._ledger, self._ask, self._signal)
        self._store = store
        self._shared = None if store is None else store.enter()
        self._holds: dict[int, Hold] = {}
        self._fork = Fork() if plan.method == "fork" else None
        self._thread = threading.Thread(
            target=self._live, name=f"concurkit {self.name}", daemon=DAEMON
        )
        try:
            self._thread.start()
        except BaseException:  # there can be no more threads
            if self._fork is not None:
                self._fork.forgo()
            raise

    # ---- what the crew asks -------------------------------------------------------------------

    def give(self, flight: ProcessFlight) -> None:
        wait_for_forks()
        with self._lock:
            over = self._over
            message = None if over else flight.message(self._known)
            if message is not None:
                self._flights[flight.id] = flight
                if flight.hold is not None:
                    self._holds[flight.id] = flight.hold
                self._outbox.put(message)
                return
        if over:  # the process died while the flight was on its way here
            flight.finish(Report())
        else:  # its future was cancelled while it waited
            self._crew.freed(self)

    def close(self) -> None:
        if self._plan.setup and self._stage() < _ledger.READY:
            self.kill()  # its initializer may never end, and there is nothing to be lost
            return
        with self._lock:
            self._outbox.put(_wire.CLOSE)

    def join(self) -> None:
        self._thread.join()

    def _stage(self) -> int:
        try:
            return self._ledger.stage
        except ValueError:  # closed: the process is gone
            return _ledger.READY

    # ---- what a flight asks -------------------------------------------------------------------

    def look(self) -> tuple[int, int, float]:
        try:
            return self._ledger.look()
        except ValueError:  # closed: the process is gone
            return 0, 0, 0.0

    def is_past(self, flight: int, running: int) -> bool:
        """Whether the batch that runs was given to this seat after *flight*, which is over then."""
        with self._lock:
            given = list(self._flights)
        return flight in given and running in given[given.index(flight) + 1 :]

    def records(self) -> list[bytes]:
        """What the process has put down of the running batch and not sent."""
        try:
            return self._ledger.records()
        except ValueError:  # closed: the process is gone
            return []

    def open_record(self, record: bytes | memoryview) -> tuple[list[Any], Any, list[float]]:
        """What a record of this process says."""
        return _returns.open_record(self._ledger, record)

    def hold(self, value: bool) -> None:
        with contextlib.suppress(ValueError):
            self._ledger.hold = value

    @property
    def begun(self) -> float:
        """When the running batch began."""
        try:
            return self._ledger.begun
        except ValueError:
            return clock()

    def recall(self, flight: int, unbegun: bool) -> None:
        command = _wire.RECALL.pack(flight, unbegun)
        with self._lock:
            if self._control is None:
                self._commands.append(command)  # the process is being started
                return
            with contextlib.suppress(OSError):
                _pipe.send(self._control, command)

    @property
    def window(self) -> int:
        """How many tasks the process accounts for together."""
        try:
            return self._ledger.window
        except ValueError:  # closed: the process is gone
            return 1

    def _ask(self) -> bool:
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None and not self._over:
                _pipe.send(self._control, _wire.ASK)
                return True
        return False

    def _signal(self) -> bool:
        if sys.platform == "win32":  # which has no such signal
            return False
        process = self._context.process
        with self._lock, contextlib.suppress(OSError, ValueError):
            if not self._started.is_set() or self._over or process is None or not process.pid:
                return False
            if not connection.wait([process.sentinel], 0):  # its number may be another's soon
                os.kill(process.pid, signal.SIGURG)
                return True
        return False

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self._crew.lost(self)  # nobody may be given this seat any more
        with self._lock:
            self._kill = True
            process = self._context.process
            if self._started.is_set() and process is not None:
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    process.kill()

    # ---- the life of the process, in the seat's own thread --------------------------------------

    def _live(self) -> None:
        results: connection.Connection | None = None
        trouble: BaseException | None = None
        try:
            results = self._start()
            self._read(results)
        except BaseException as error:
            trouble = error
            self.kill()
        self._wait_until_gone()
        self._let_go(list(self._holds))
        self._report_end(trouble)
        self._leave_nothing(results)

    def _start(self) -> connection.Connection:
        with self._fork or contextlib.nullcontext():
            pipes = [_pipe.pair() for _ in range(3)]
            try:
                return self._start_with(pipes)
            except BaseException:
                for end in (end for pair in pipes for end in pair):
                    end.close()
                raise

    def _start_with(self, pipes: list[tuple[Any, Any]]) -> connection.Connection:
        (tasks_out, tasks), (control_out, control), (answers, results_in) = pipes
        results: connection.Connection = answers
        terms = self._plan.terms(self.name)
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=cast("Any", self._context),
            initializer=_worker.prepare,
            initargs=(tasks_out, control_out, results_in, self._handle(), self._shared, terms),
        )
        served = self._pool.submit(_worker.serve)
        for theirs in (tasks_out, control_out, results_in):
            theirs.close()
        self._close_handles()
        served.add_done_callback(self._note_end)
        with self._lock:
            self._tasks, self._control = tasks, control
            for command in self._commands:
                _pipe.send(control, command)
            self._commands.clear()
            self._started.set()
            self._outbox.open(tasks)
        if self._kill:
            self.kill()
        if self._plan.max_memory is not None:
            threading.Thread(target=self._watch_memory, daemon=DAEMON).start()
        return results

    def _watch_memory(self) -> None:
        """Kill a process whose task has run away with far more memory than it may take."""
        process, most = self._context.process, self._plan.max_memory
        if process is None or process.pid is None or most is None:
            return
        # What an idle worker takes is not the task's fault.
        most = max(2 * most, most + _IDLE_SIZE)
        while not self._gone.wait(_LOOK_EVERY):
            size = resident(process.pid)
            self._peak = max(self._peak, size)
            if size > most and not self._kill:
                self._bloated = True
                self.kill()

    def _note_end(self, served: Future[None]) -> None:
        # Called in the pool's own thread, the only one that may ask the process for its code.
        process = self._context.process
        if served.exception() is not None and process is not None:
            process.join(_PATIENCE)
            self._exitcode = process.exitcode
        self._gone.set()

    def _read(self, results: connection.Connection) -> None:
        """Take in what the worker answers, until its end of the pipe is closed."""
        for message in _pipe.messages(results):
            self._handle_reply(message)
            del message

    def _handle_reply(self, message: bytes | bytearray) -> None:
        kind, number, count, since, busy = _wire.REPLY.unpack_from(message)
        if kind in _ABOUT_THE_WORKER:
            self._handle_news(message)
            return
        found = _wire.records(message)
        flight = self._flights.get(number)
        if flight is None:
            pass
        elif kind == _wire.UNREAD:
            self._free(number)
            flight.unread(unpack_error(loads(found[0])))
        elif kind == _wire.KEPT:
            if not count:
                self._free(number)
            flight.kept(count)
        else:
            for record in found:
                flight.absorb(record)
            if kind == _wire.END:
                self._free(number)
                flight.landed(since, busy)
                if self._store is not None:
                    self._store.trim()  # now, so that the run's next batch found what it needs
        _returns.acknowledge(self._ledger, found)

    def _handle_news(self, message: bytes | bytearray) -> None:
        """Take in what the worker says of itself, and what its tasks log."""
        kind, number, count, _, _ = _wire.REPLY.unpack_from(message)
        if kind == _wire.LETGO:
            self._let_go([number])
        elif kind == _wire.STACK:
            stack = bytes(_wire.records(message)[0]).decode(errors="replace")
            self.inquiry.answered(number, stack)
        elif kind == _wire.LOG:
            self._replay(number, count, _wire.records(message)[0])
        elif kind == _wire.UNFIT:
            self._refuse_all(*loads(_wire.records(message)[0]))
        else:
            for unbegun in self._retire():
                unbegun.finish(Report())

    def _let_go(self, flights: Iterable[int]) -> None:
        """The process no longer uses shared memory that these were given."""
        with self._lock:
            holds = [self._holds.pop(number) for number in flights if number in self._holds]
        for hold in holds:
            hold.release()

    def _replay(self, number: int, position: int, data: memoryview) -> None:
        """Take a log record or a warning home."""
        flight = self._flights.get(number)
        if flight is None:
            replay(data, self.name, None, None)
        else:
            flight.heard(data, self.name, position)

    def _refuse_all(self, text: str, cause: Wire) -> None:
        """The process could not be set up, and ends."""
        error = InitializerError(text)
        error.__cause__ = unpack_error(cause)
        self._refuse(self._take_flights(), error)

    def _refuse(self, flights: list[ProcessFlight], error: InitializerError) -> None:
        self._crew.unfit(self, error)
        for flight in flights:
            if flight.attempt > self.attempt:  # it came here after another worker's failure
                flight.finish(Report())
            else:
                flight.refuse(error)

    def _retire(self) -> list[ProcessFlight]:
        """The process takes no more batches, and ends: these had not begun."""
        flights = self._take_flights()
        self._crew.lost(self)
        return flights

    def _take_flights(self) -> list[ProcessFlight]:
        """What this seat still had, which will never end here."""
        with self._lock:
            self._over = True
            flights = list(self._flights.values())
            self._flights.clear()
        return flights

    def _free(self, number: int) -> None:
        with self._lock:
            self._flights.pop(number, None)
        self._crew.freed(self)

    def _wait_until_gone(self) -> None:
        """Wait for the process's exit code, and end a process that has only closed its pipe."""
        if not self._kill and not self._gone.wait(1.0):
            self.kill()
            # On a busy machine its end may only be on the way to us: its code tells more than ours.
            self._gone.wait(_PATIENCE)
            if self._exitcode == _KILLED:
                self._exitcode = None

    def _report_end(self, trouble: BaseException | None) -> None:
        """Say what became of the flights that this seat still had."""
        flights = self._take_flights()
        try:
            self._report_flights(flights, trouble)
        except BaseException as error:  # a fault of ours: nobody may wait in vain
            self._crew.lost(self)
            for flight in flights:
                flight.finish(Report(lost=error, since=clock(), worker=self.name))

    def _report_flights(self, flights: list[ProcessFlight], trouble: BaseException | None) -> None:
        running, _, _ = self.look()
        if self._stage() == _ledger.INITIALIZING and not self._kill:
            self._died_in_initializer(flights)
            return
        stillborn = not running and not self._kill and bool(flights)
        failing = self._crew.count_stillborn(stillborn)
        self._crew.lost(self)
        for position, flight in enumerate(flights):
            if flight.id == running:
                flight.crashed(self._ledger, lambda ran, task: self._crash(trouble, ran, task))
            elif position == 0 and (failing or trouble is not None):
                # It died before it took up anything, as others did before it.
                error = self._crash(None) if trouble is None else _not_started(trouble)
                flight.finish(Report(lost=error, since=clock(), worker=self.name))
            else:
                flight.finish(Report())

    def _leave_nothing(self, results: connection.Connection | None) -> None:
        if self._pool is not None:
            # A thread that a task started and left may keep the process from ending by itself.
            killer = threading.Timer(_PATIENCE, self.kill)
            killer.daemon = DAEMON
            killer.start()
            self._pool.shutdown(wait=True)
            killer.cancel()
            killer.join()
            self._pool = None
            process = self._context.process
            if process is not None:
                with contextlib.suppress(ValueError):  # still there, as only a stuck one can be
                    process.close()
        with self._lock:
            for pipe in (self._tasks, self._control, results):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._control = None
        self._crew.forget(self)
        self._close_handles()
        self._ledger.close()
        if self._store is not None:
            self._store.leave()

    def _close_handles(self) -> None:
        for handle in (self._handle, self._shared):
            if isinstance(handle, _ledger.Descriptor):
                handle.close()

    def _died_in_initializer(self, flights: list[ProcessFlight]) -> None:
        """The initializer has crashed the process: others would fare no better."""
        error = InitializerError(f"{self.name} died in its initializer")
        error.__cause__ = self._crash(None)
        self._refuse(flights, error)

    def _crash(
        self, trouble: BaseException | None, ran: float | None = None, task: str = ""
    ) -> WorkerCrashedError:
        """The error of a task under which the process died, *ran* seconds after it started."""
        from ._crash import Crash  # it takes a while to import

        process = self._context.process
        return Crash(
            worker=self.name,
            pid=process.pid if process is not None else None,
            exitcode=self._exitcode,
            task=task,
            ran=ran,
            peak=max(self._peak, self._ledger.peak),
            dump=self._ledger.last_words(),
            limit=self._plan.max_memory if self._bloated else None,
            trouble=trouble,
        ).error()


def _not_started(trouble: BaseException) -> WorkerCrashedError:
    error = WorkerCrashedError(f"no worker process could be started: {trouble}")
    error.__cause__ = trouble.with_traceback(None)  # its frames would keep the pool's pipes open
    return error
