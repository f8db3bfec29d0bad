"""The worker's side of a process seat: batches in by one pipe, results out by another.

The main thread runs the batches. A control thread gives back what a batch has not started when it
is asked to; another ends the process when the parent is gone. What the parent must know even if
this process dies in the next instant stands in the ledger: see `_ledger`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from itertools import islice
from multiprocessing import connection, current_process, parent_process
from typing import Any

from ..._batch import Job, Progress, clock, run_quickly, run_some
from ..._daemons import DAEMON
from ..._outside import of_process
from ..._setup import Setup
from ..._worker_loop import loop_for
from .._frames import thread_stack
from .._pickling._pickle import dumps, loads, pack_error
from .._pickling._refusals import unreadable_task
from .._pickling._settings import Setting, opened_setting, remember
from .._relay import Relay
from .._windows import first_window, next_window
from . import _ledger, _pipe
from ._lent import Lent
from ._memory import peak, resident
from ._returns import Returns, is_large
from ._wire import (
    ASK,
    BATCH,
    CLOSE,
    END,
    EXACT,
    FAST,
    KEPT,
    LENGTH,
    LETGO,
    LOG,
    PARCEL,
    PART,
    RECALL,
    REPLY,
    SINGLE,
    SPENT,
    STACK,
    TASKS,
    TIMED,
    UNFIT,
    UNREAD,
    WorkerTerms,
)

# How often the memory is looked at while a task runs, in seconds.
_LOOK_EVERY = 0.25


class _Worker:
    def __init__(
        self,
        tasks: connection.Connection,
        control: connection.Connection,
        results: connection.Connection,
        ledger: _ledger.Ledger,
        lent: Lent,
        terms: WorkerTerms,
    ) -> None:
        self._tasks = tasks
        self._control = control
        self._results = results
        self._ledger = ledger
        self._lent = lent
        self._returns = Returns(ledger)
        self._terms = terms
        self._left = terms.max_tasks  # how many tasks more it may run
        self._pid = os.getpid()
        self._sending = threading.Lock()
        self._turn = threading.Lock()  # which batch runs, and which were taken back
        self._begun = 0
        self._progress: Progress | None = None
        self._recalled: set[int] = set()
        self._settings: dict[int, Any] = {}
        self._logged: deque[bytes] = deque()
        self._belongings = of_process()

    # ---- the main thread ----------------------------------------------------------------------

    def serve(self) -> None:
        # A thread for each: one that waits for both would leave a message that came along with
        # another one unread.
        threading.Thread(target=self._watch, name="concurkit-parent", daemon=DAEMON).start()
        threading.Thread(target=self._obey, name="concurkit-control", daemon=DAEMON).start()
        try:
            if not self._set_up():
                return
            for message in _pipe.messages(self._tasks):
                if message == CLOSE:
                    return
                self._take(message)
                del message
                self._let_go()
                if self._is_spent():
                    self._send(SPENT, 0, 0, 0.0, 0.0, [])
                    return
        finally:
            try:
                self._belongings.end()
            finally:
                with self._sending:
                    self._results.close()

    def _set_up(self) -> bool:
        """Run the initializer; whether all is well."""
        relay = Relay(self._log, lambda: self._progress)
        relay.begin()
        data = self._terms.setup
        if data:
            self._ledger.reached(_ledger.INITIALIZING)
            try:
                error: BaseException | None = Setup(*loads(data)).run(
                    self._terms.name, self._belongings
                )
            except BaseException as reason:
                error = Setup().failed(self._terms.name, reason)
            if error is not None:
                packed = [dumps((str(error), pack_error(error.__cause__ or error)))]
                self._send(UNFIT, 0, 0, 0.0, 0.0, packed)
                return False
            relay.look_again()
        self._ledger.took(peak())
        self._ledger.reached(_ledger.READY)
        return True

    def _is_spent(self) -> bool:
        """Whether it has run all the tasks that it may, or takes more memory than it may."""
        most = self._terms.max_memory
        return self._left == 0 or (most is not None and resident(self._pid) > most)

    def _take(self, message: bytes | bytearray) -> None:
        flight, token, length, flags, share, hint, index, attempt = BATCH.unpack_from(message)
        rest = memoryview(message)[BATCH.size :]
        try:
            setting = self._setting(token, share, rest[:length])
            items = (
                self._lent.loads(flight, rest[length:]) if flags & PARCEL else loads(rest[length:])
            )
        except BaseException as error:
            with self._turn:
                self._begun = flight
            self._send(UNREAD, flight, 0, 0.0, 0.0, [dumps(pack_error(unreadable_task(error)))])
            return
        count, most = len(items), self._left
        if most is not None and count > most:
            items = items[:most]
        if flags & TIMED:
            loop_for(None if flags & TASKS else setting.fn, items)
        progress = Progress(items, index, attempt)
        progress.worker = self._terms.name
        progress.belongings = self._belongings
        kept = len(items)
        del items
        self._let_go()  # what was copied
        with self._turn:
            self._begun = flight
            if flight in self._recalled:
                self._recalled.discard(flight)
                return
            self._progress = progress
            self._ledger.begin(flight, clock())
        if kept < count:
            self._send(KEPT, flight, kept, 0.0, 0.0, [])
        job = Job(
            None if flags & TASKS else setting.fn,
            setting.context,
            single=bool(flags & SINGLE),
            timed=bool(flags & TIMED),
            exact=bool(flags & EXACT),
            fast=bool(flags & FAST),
            run=setting.run,
            preludes=setting.preludes,
        )
        self._run(flight, job, progress, hint)
        with self._turn:
            self._progress = None

    def _setting(self, token: int, share: int, data: memoryview) -> Setting:
        """What the tasks of a run have in common; its bytes come along the first time only."""
        if data:
            found: Setting | BaseException
            try:
                found = opened_setting(data, share)
            except BaseException as error:
                found = error
            remember(self._settings, token, found)
        setting: Setting | BaseException = self._settings[token]
        if isinstance(setting, BaseException):
            raise setting
        return setting

    def _run(self, flight: int, job: Job, progress: Progress, hint: float) -> None:
        ledger, values = self._ledger, progress.values
        progress.begin(job)
        start = now = progress.since
        unsent: list[bytes] = []
        most = self._terms.max_memory
        size = first_window(hint, job.exact or most is not None)
        busy = 0.0
        while True:
            while ledger.hold:  # the parent is about to kill: what has not started must not start
                time.sleep(0.001)
            first = len(values)
            ledger.started(now, size)
            if job.fn is None or job.timed:
                run_some(job, progress, islice(progress.todo, size))
            else:
                run_quickly(job, progress, islice(progress.todo, size))
            count = len(values) - first
            if not count:
                break
            took = clock() - now
            if progress.failures:
                self._lent.remark(flight, progress.failures)
            busy += took
            if progress.todo.kept == 1 and not first:  # the reply itself is the account
                unsent.extend(self._returns.records(progress, 0))
            else:
                self._account(flight, progress, first, unsent)
            if job.fast and progress.failures:
                break
            if most is not None and resident(self._pid) > most:
                self._send(KEPT, flight, progress.todo.take_back(), 0.0, 0.0, [])
                break
            if not job.exact:
                size = next_window(size, took / count)
            now = clock()
        progress.end()
        count = len(values)
        if self._left is not None:
            self._left -= count
        ledger.took(peak())
        if self._lent.uses(flight):  # so that what no task kept is let go before the batch ends
            progress.forget()
            self._let_go()
        self._send(END, flight, count, start, busy, unsent)

    def _account(self, flight: int, progress: Progress, first: int, unsent: list[bytes]) -> None:
        """Put down what ended since *first* so that it outlives this process."""
        for data in self._returns.records(progress, first):
            unsent.append(data)
            # A large one is sent at once: when it was taken, its memory is used again.
            if not self._ledger.record(data) or is_large(data):
                self._send(PART, flight, 0, 0.0, 0.0, unsent)
                self._ledger.sent()
                unsent.clear()
        self._ledger.ended(len(progress.values))

    def _let_go(self) -> None:
        """Tell of which batches' shared memory nothing is in use any more."""
        for flight in self._lent.let_go():
            self._send(LETGO, flight, 0, 0.0, 0.0, [])

    def _send(
        self, kind: int, flight: int, number: int, since: float, busy: float, records: list[bytes]
    ) -> None:
        parts = [REPLY.pack(kind, flight, number, since, busy)]
        for record in records:
            parts.append(len(record).to_bytes(LENGTH, "little"))
            parts.append(record)
        with self._sending:
            self._send_logged()  # before the results of the tasks that logged it
            _pipe.send(self._results, b"".join(parts))
        self._flush()

    def _log(self, data: bytes) -> None:
        """Send a log record or a warning; it may come from code that interrupts a sending."""
        progress = self._progress
        flight, position = (self._begun, len(progress.values)) if progress else (0, 0)
        head = REPLY.pack(LOG, flight, position, 0.0, 0.0)
        self._logged.append(b"".join((head, len(data).to_bytes(LENGTH, "little"), data)))
        self._flush()

    def _flush(self) -> None:
        """Send what was logged, unless another thread, or code below this one, is sending."""
        while self._logged and self._sending.acquire(blocking=False):
            try:
                self._send_logged()
            except OSError:  # the pipe is closed: this process is ending
                return
            finally:
                self._sending.release()

    def _send_logged(self) -> None:
        while self._logged:
            _pipe.send(self._results, self._logged.popleft())

    # ---- the control threads ------------------------------------------------------------------

    def _obey(self) -> None:
        for message in _pipe.messages(self._control):
            try:
                if message == ASK:
                    self._tell_stack()
                else:
                    self._give_back(*RECALL.unpack(message))
            except OSError:  # the main thread has closed the pipe, or the parent is gone
                return

    def _give_back(self, flight: int, unbegun: bool) -> None:
        with self._turn:
            if flight > self._begun:
                self._recalled.add(flight)
                kept = 0
            elif flight == self._begun and self._progress is not None and not unbegun:
                kept = self._progress.todo.take_back()
            else:
                return
            self._send(KEPT, flight, kept, 0.0, 0.0, [])

    def _tell_stack(self) -> None:
        flight, main = self._begun, threading.main_thread().ident
        stack = (main and thread_stack(main)) or ""
        self._send(STACK, flight, 0, 0.0, 0.0, [stack.encode(errors="replace")])

    def _watch(self) -> None:
        """Keep account of the memory, and end this process when its parent is gone."""
        parent = parent_process()
        if parent is not None:
            while not connection.wait([parent.sentinel], _LOOK_EVERY):
                self._ledger.took(peak())
            os._exit(1)


def _dump_stack_to(file: int) -> None:
    """Have faulthandler write there what a segfault or an abort interrupts, or when it is asked.

    See `_inquiry`. The signal comes to the main thread, as long as that does not refuse it.
    """
    if file >= 0:
        import faulthandler  # which a sub-interpreter that has processes can't import

        options: dict[str, Any] = {"c_stack": False} if sys.version_info >= (3, 14) else {}
        faulthandler.enable(file, all_threads=False, **options)
        if sys.platform != "win32":
            faulthandler.register(signal.SIGURG, file, all_threads=False)


_workers: list[_Worker] = []  # the last is this process's; a forked one has its parent's too


def prepare(
    tasks: connection.Connection,
    control: connection.Connection,
    results: connection.Connection,
    handle: Any,
    shared: Any,
    terms: WorkerTerms,
) -> None:
    """Take over this seat's pipes; runs first in the new process."""
    # Ctrl-C reaches the whole process group. What to do about it is the parent's to decide; a
    # handler, not SIG_IGN, so that programs started by a task get the default again.
    signal.signal(signal.SIGINT, lambda *_: None)
    if terms.environ != os.environ:  # the fork server has that of the moment when it was started
        os.environ.clear()
        os.environ.update(terms.environ)
    current_process().name = terms.name
    lent = Lent(-1 if shared is None else shared.detach())
    ledger = _ledger.open_in_worker(handle)
    _dump_stack_to(ledger.fd)
    _workers.append(_Worker(tasks, control, results, ledger, lent, terms))


def serve() -> None:
    """Run batches until the parent closes the pipe."""
    _workers[-1].serve()
