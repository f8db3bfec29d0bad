"""One sub-interpreter and the threads that live in it and listen to it."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from ..._batch import Report, clock
from ..._daemons import DAEMON
from ...exceptions import InitializerError
from .._pickling._pickle import Wire, loads, unpack_error
from .._pool import WAITS_FOR_ITSELF, Crew
from .._relay import replay
from ._flight import InterpreterFlight
from ._leaving import leave_quietly, wait_at_exit
from ._ledger import SIZE, Ledger
from ._wire import END, LOG, PART, STUCK, UNFIT, UNREAD, Answer

# What the interpreter runs. Its `sys.path` comes first: what follows may be found nowhere else.
_LIFE = """
import sys
sys.path[:], sys.argv[:] = path, argv
from concurkit.executors.interpreter._worker import serve
serve(tasks, results, token, memory, wake, bell, name, setup)
"""


class InterpreterSeat:
    """A sub-interpreter that runs batches as they come.

    One thread lives in it, from its making to its end; another, in this interpreter, listens to it.
    """

    def __init__(self, crew: Crew, setup: bytes) -> None:
        crew.numbers += 1
        self.name = f"interpreter worker {crew.numbers}"
        self.load = 0
        self.attempt = 0
        self.started = False
        self._crew = crew
        self._setup = setup
        self._interpreters: Any = import_module("concurrent.interpreters")
        self._tasks = self._interpreters.create_queue()
        self._results = self._interpreters.create_queue()
        self._token = self._interpreters.create_queue()
        self._token.put(None)
        self._memory = memoryview(bytearray(SIZE))
        self.ledger = Ledger(self._memory, self._token)
        self._lock = threading.Lock()
        self._given = 0
        self._flight: InterpreterFlight | None = None
        self._known: dict[int, Any] = {}
        self._unsaid = 0  # bytes to be written once there is a pipe
        self._wake = -1
        self._over = False
        self._given_up = False
        self._draining = threading.Lock()
        self._news: deque[Answer] = deque()
        self._left = threading.Event()  # nobody need wait for it any more
        self._host: threading.Thread | None = None
        self._listener: threading.Thread | None = None

    # ---- what the crew asks -------------------------------------------------------------------

    def start(self) -> None:
        host = threading.Thread(target=self._live, name=f"concurkit {self.name}", daemon=DAEMON)
        host.start()
        self._host = host
        self.started = True

    def give(self, flight: InterpreterFlight) -> None:
        with self._lock:
            over, gone = self._over, self._over or flight.withheld
            order = None if gone else flight.order(self._given + 1, self._known)
            if order is not None:
                self._given += 1
                self._flight = flight
                self._send(order)
                return
        if gone:
            flight.finish(Report())
        if not over:  # or its future was cancelled while it waited
            self._crew.freed(self)

    def close(self) -> None:
        with self._lock:
            self._send(None)

    def join(self) -> None:
        if self._host is None:
            return
        if threading.current_thread() in (self._host, self._listener):
            raise RuntimeError(WAITS_FOR_ITSELF)
        self._left.wait()
        if not self._given_up:
            self._host.join()

    def _send(self, order: Any) -> None:
        if self._over:
            return
        self._tasks.put(order)
        if self._wake < 0:
            self._unsaid += 1
        else:
            os.write(self._wake, b".")

    # ---- what a flight asks -------------------------------------------------------------------

    def withhold(self, flight: InterpreterFlight) -> bool:
        """Keep a flight back that is still on its way to this seat; whether it was."""
        with self._lock:
            if not flight.number:
                flight.withheld = True
            return flight.withheld

    def give_up(self) -> None:
        """Leave the interpreter to itself: its seat is free for another."""
        self.close()  # once its task has ended
        self._crew.lost(self)
        leave_quietly()
        self._be_left()

    def _be_left(self) -> None:
        """Let nobody wait for this seat any more."""
        self._given_up = True
        self._crew.forget(self)
        self._left.set()

    def take_in(self) -> None:
        """Take in what has ended so far; what else the worker has said waits for the listener."""
        with self._draining:
            while True:
                try:
                    answer: Answer = self._results.get_nowait()
                except self._interpreters.QueueEmpty:
                    return
                if answer[0] == PART:
                    if self._flight is not None and self._flight.number == answer[1]:
                        self._flight.absorb(answer[4])
                else:
                    self._news.append(answer)

    # ---- the life of the interpreter, in a thread of its own ------------------------------------

    def _live(self) -> None:
        pipes: list[int] = []
        trouble: BaseException | None = None
        interpreter: Any = None
        listener: threading.Thread | None = None
        try:
            pipes += os.pipe()
            pipes += os.pipe()
            orders, wake, bells, bell = pipes
            listener = self._start_listener(bells)
            with self._lock:
                self._wake = wake
                os.write(wake, b"." * self._unsaid)
            interpreter = self._interpreters.create()
            self._inhabit(interpreter, orders, bell)
        except BaseException as error:
            trouble = error
        if pipes:
            os.close(pipes.pop())  # the listener finds that there is no more to come
        if listener is not None:
            listener.join()
        try:
            self._report_end(trouble)
        finally:
            self._leave_nothing(interpreter, pipes)

    def _inhabit(self, interpreter: Any, wake: int, bell: int) -> None:
        """Be the thread that the interpreter's code runs in, until that ends."""
        interpreter.prepare_main(
            path=tuple(map(str, sys.path)),
            argv=tuple(sys.argv),
            tasks=self._tasks,
            results=self._results,
            token=self._token,
            memory=self._memory,
            wake=wake,
            bell=bell,
            name=self.name,
            setup=self._setup,
        )
        interpreter.exec(_LIFE)

    def _report_end(self, trouble: BaseException | None) -> None:
        """Say what became of a flight that this seat still has."""
        with self._lock:
            self._over = True
            flight, self._flight = self._flight, None
        self._crew.lost(self)
        if flight is not None:
            report = Report() if trouble is None else Report(lost=trouble, since=clock())
            flight.finish(report)

    def _leave_nothing(self, interpreter: Any, pipes: list[int]) -> None:
        if interpreter is not None:
            with suppress(self._interpreters.InterpreterError):
                interpreter.close()
        for end in pipes:
            os.close(end)
        self._crew.forget(self)
        self._left.set()

    # ---- what the worker says, in another thread ------------------------------------------------

    def _start_listener(self, bells: int) -> threading.Thread:
        listener = threading.Thread(
            target=self._listen, args=(bells,), name=f"concurkit from {self.name}", daemon=DAEMON
        )
        self._listener = listener
        listener.start()
        return listener

    def _listen(self, bells: int) -> None:
        try:
            while os.read(bells, 4096):
                self._hear_all()
        except BaseException as error:  # a fault of ours: nobody may wait in vain
            self.close()
            self._report_end(error)
        finally:
            self._news.clear()

    def _hear_all(self) -> None:
        self.take_in()
        while self._news:
            kind, number, since, busy, data = self._news.popleft()
            if kind == UNFIT:
                self._refuse(*loads(data))
            elif kind == STUCK and self._host is not None and wait_at_exit(self._host):
                self._be_left()
            flight = self._flight
            if flight is not None and flight.number != number:
                flight = None
            if kind == LOG:
                self._replay(flight, int(since), data)
            elif flight is not None:
                self._land(flight, kind, since, busy, data)

    def _land(
        self, flight: InterpreterFlight, kind: int, since: float, busy: float, data: bytes
    ) -> None:
        """A batch is over; its only task's result may have come with that."""
        if kind == END and data:
            flight.absorb(data)
        with self._lock:
            self._flight = None
        self._crew.freed(self)
        if kind == END:
            flight.landed(since, busy)
        elif kind == UNREAD:
            flight.unread(unpack_error(loads(data)))

    def _replay(self, flight: InterpreterFlight | None, position: int, data: bytes) -> None:
        """Take a log record or a warning home."""
        if flight is None:
            replay(data, self.name, None, None)
        else:
            replay(data, self.name, flight.index_at(position), flight.job.context)

    def _refuse(self, text: str, cause: Wire) -> None:
        """The interpreter could not be set up, and ends."""
        error = InitializerError(text)
        error.__cause__ = unpack_error(cause)
        with self._lock:
            self._over = True
            flight, self._flight = self._flight, None
        self._crew.unfit(self, error)
        if flight is not None and flight.attempt > self.attempt:
            flight.finish(Report())  # it came here after another worker's failure
        elif flight is not None:
            flight.refuse(error)


def start_seats(seats: Sequence[InterpreterSeat]) -> None:
    """Start seats that have something to do.

    Raises:
        RuntimeError: when the system gives no more threads.
    """
    for seat in seats:
        seat.start()
