"""The worker's side of a seat: what a sub-interpreter runs, from its first import to its end.

It sleeps in the reading of a pipe, on which a byte says that there is something in the queue: a
queue between interpreters can't be waited for but by asking again and again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from math import inf
from typing import Any

from ..._batch import (
    OVERDUE,
    STOPPING,
    Job,
    Progress,
    clock,
    run_quickly,
    run_some,
)
from ..._outside import of_process
from ..._setup import Setup
from ..._worker_loop import loop_for
from .._pickling._pickle import dumps, loads, pack_error
from .._pickling._records import records
from .._pickling._refusals import unreadable_task
from .._pickling._settings import Setting, opened_setting, remember
from .._relay import Relay
from .._windows import first_window, next_window
from ._ledger import Ledger
from ._unloadable import advice, unloadable, unloadable_task
from ._wire import END, EXACT, FAST, LOG, PART, SINGLE, STUCK, TASKS, TIMED, UNFIT, UNREAD

# So long, in seconds, the threads have that tasks have started and left.
_PATIENCE = 2.0

# They end with the interpreter that started them only where that is a process of its own.
_HELPERS = (
    ("multiprocessing.forkserver", "_forkserver"),
    ("multiprocessing.resource_tracker", "_resource_tracker"),
)

_TOLD = ("", STOPPING, OVERDUE)


class _Watched(Progress):
    """A batch whose running task is told things from another interpreter."""

    __slots__ = ("_ledger",)

    def __init__(self, items: Sequence[Any], first: int, attempt: int, ledger: Ledger) -> None:
        self._ledger = ledger
        super().__init__(items, first, attempt)

    @property
    def told(self) -> str:
        return _TOLD[self._ledger.told]

    @told.setter
    def told(self, _: str) -> None: ...  # pyright: ignore[reportIncompatibleVariableOverride]


class _Worker:
    def __init__(
        self, tasks: Any, results: Any, wake: int, bell: int, ledger: Ledger, name: str
    ) -> None:
        self._tasks = tasks
        self._results = results
        self._wake = wake
        self._bell = bell
        self._ledger = ledger
        self._name = name
        self._settings: dict[int, Any] = {}
        self._belongings = of_process()
        self._running: tuple[int, Progress] | None = None

    def serve(self, setup: bytes) -> None:
        """Run batches until there are no more to come."""
        try:
            if self._set_up(setup):
                while os.read(self._wake, 1):
                    order = self._tasks.get_nowait()
                    if order is None:
                        return
                    self._take(*order)
                    del order
        finally:
            self._belongings.end()
            _end_helpers()

    def _set_up(self, data: bytes) -> bool:
        """Run the initializer; whether all is well."""
        relay = Relay(self._log, lambda: self._running and self._running[1])
        relay.begin()
        if not data:
            return True
        try:
            error: BaseException | None = Setup(*loads(data)).run(self._name, self._belongings)
        except BaseException as reason:
            error = Setup().failed(self._name, reason)
        if error is None:
            relay.look_again()
            return True
        cause = error.__cause__ or error
        _advise(cause)
        self._send(UNFIT, 0, 0.0, 0.0, dumps((str(error), pack_error(cause))))
        return False

    def _take(
        self,
        flight: int,
        token: int,
        packed: bytes,
        flags: int,
        share: int,
        hint: float,
        index: int,
        attempt: int,
        data: bytes,
    ) -> None:
        try:
            setting = self._setting(token, share, packed)
            items = loads(data)
        except BaseException as error:
            module = unloadable(error)
            refused = unloadable_task(module, error) if module else None
            refused = refused or unreadable_task(error, "interpreter")
            self._send(UNREAD, flight, 0.0, 0.0, dumps(pack_error(refused)))
            return
        if flags & TIMED:
            loop_for(None if flags & TASKS else setting.fn, items)
        progress = _Watched(items, index, attempt, self._ledger)
        progress.worker = self._name
        del items
        progress.belongings = self._belongings
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
        self._running = flight, progress
        self._run(flight, job, progress, hint)
        self._running = None

    def _setting(self, token: int, share: int, data: bytes) -> Setting:
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
        values, claim = progress.values, self._ledger.claim
        run = run_some if job.fn is None or job.timed else run_quickly
        self._ledger.begin(flight, progress.todo.kept, clock())
        progress.begin(job)
        start = now = progress.since
        size = first_window(hint, job.exact)
        busy, last = 0.0, b""
        while True:
            first = len(values)
            count = claim(first, size, now)
            if not count:
                break
            run(job, progress, islice(progress.todo, count))
            count = len(values) - first
            took = clock() - now
            busy += took
            last = self._account(flight, progress, first)
            if job.fast and progress.failures:
                break
            if not job.exact:
                size = next_window(size, took / count)
            now = clock()
        progress.end()
        _flush()
        self._send(END, flight, start, busy, last)

    def _account(self, flight: int, progress: Progress, first: int) -> bytes:
        """Send what ended since *first*; the record of a batch's only task goes with its end."""
        for position, error in progress.failures:
            if position >= first:
                _advise(error)
        found = records(progress, first, place="interpreter")
        if progress.todo.kept == 1:
            return found[0]
        for data in found:
            self._results.put((PART, flight, 0.0, 0.0, data))
        return b""

    def _log(self, data: bytes) -> None:
        """Send a log record or a warning."""
        flight, position = 0, 0
        if self._running is not None:
            flight, position = self._running[0], len(self._running[1].values)
        self._send(LOG, flight, float(position), 0.0, data)

    def _send(self, kind: int, flight: int, since: float, busy: float, data: bytes) -> None:
        self._results.put((kind, flight, since, busy, data))
        os.write(self._bell, b".")


def _advise(error: BaseException) -> None:
    """Say in a note what to do about an import that fails in sub-interpreters only."""
    if isinstance(error, ImportError):
        module = unloadable(error)
        if module:
            error.add_note(advice(module))


def _flush() -> None:
    """Write out what tasks have printed: nobody else does before this interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # None, closed, or somebody's own
            stream.flush()


def _end_helpers() -> None:
    """End the processes of multiprocessing that help to start others, if tasks have made it."""
    for module, helper in _HELPERS:
        found = getattr(sys.modules.get(module), helper, None)
        with suppress(Exception):  # it is not there, or not as we know it
            found._stop()  # type: ignore[union-attr]


def _threads_left(patience: float) -> bool:
    """Whether threads that tasks have started and left are still there after so many seconds."""
    until = clock() + patience
    ours = threading.current_thread(), threading.main_thread()  # the latter is the process's own
    for thread in threading.enumerate():
        if thread not in ours and not thread.daemon:
            thread.join(min(threading.TIMEOUT_MAX, max(0.0, until - clock())))
            if thread.is_alive():
                return True
    return False


def _hide_signals() -> None:
    """Have nobody here get hold of the main interpreter's signal handlers.

    Python keeps them for the whole process and gives them to any interpreter that asks, as trio
    does. There they are objects of another interpreter's, with counts that two change at a time.
    """
    signal.getsignal = _not_ours  # type: ignore[assignment]


def _not_ours(_: int) -> None:
    """Say what `getsignal` says of a handler that Python did not install."""


def serve(
    tasks: Any,
    results: Any,
    token: Any,
    memory: Any,
    wake: int,
    bell: int,
    name: str,
    setup: bytes,
) -> None:
    """Be a worker from here to the end."""
    _hide_signals()
    try:
        _Worker(tasks, results, wake, bell, Ledger(memory, token), name).serve(setup)
    finally:
        if _threads_left(_PATIENCE):
            results.put((STUCK, 0, 0.0, 0.0, b""))
            os.write(bell, b".")
            while _threads_left(inf):  # at its end an interpreter waits for them, but out of sight
                pass
