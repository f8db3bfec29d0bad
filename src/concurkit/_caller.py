"""The caller's thread while a run is under way: its inbox, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, NoReturn, TypeAlias

from ._batch import Interrupted
from ._drive import Drive
from ._news import Begin, Halt

# How long Ctrl-C waits for what it stops before it is abandoned: the promise is one second.
PATIENCE = 0.5

# A signal that comes just before the main thread begins to wait is not seen until that wait ends,
# so no wait is longer than this.
PULSE = 0.25

Then: TypeAlias = Callable[[], None] | None


class Caller:
    """Runs what a drive puts into its inbox, until the run is over.

    What comes through the inbox is the caller's own code (reading its input, a serial task); what
    that returns is ours. So Ctrl-C can be let through to the former and kept from the latter.
    """

    def __init__(self) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self._in_their_code = False
        self._interrupted = False
        self._previous: Any = None
        self.put: Callable[[Any], None] = self.inbox.put

    def get(self) -> Any:
        """What was put in first, as soon as there is something."""
        while True:
            try:
                return self.inbox.get(timeout=PULSE)
            except Empty:
                continue

    def run(self, drive: Drive) -> None:
        """Start the run and serve it to its end.

        Raises:
            KeyboardInterrupt: with a line that says how far the run had come.
        """
        with self.listening():
            try:
                drive.tell(Begin())
                while (todo := self.get()) is not None:
                    self.obey(todo)
            except BaseException as error:
                self.give_up(drive, error)

    def obey(self, todo: Callable[[], Then]) -> None:
        """Run code of the caller's, then what it leaves to us."""
        self._in_their_code = True
        try:
            then = todo()
        finally:
            self._in_their_code = False
        if then is not None:
            then()
        if self._interrupted:  # and their code went on all the same
            raise KeyboardInterrupt

    def give_up(self, drive: Drive, error: BaseException) -> NoReturn:
        """End the run since *error* was raised here, and raise that."""
        drive.tell(Halt(PATIENCE, error))
        if isinstance(error, Interrupted) and error.then is not None:
            error.then()
        self.serve_out(drive)
        if not isinstance(error, KeyboardInterrupt):
            raise error  # another signal handler of the caller's
        raise KeyboardInterrupt(drive.summary()) from None

    def wait_out(self) -> None:
        """Wait for the end of a run that was told to end; Ctrl-C is let through."""
        while (todo := self.get()) is not None:
            if todo == self._pass_on:
                self.obey(todo)
        self.put(None)  # whoever else waits for the end

    def serve_out(self, drive: Drive) -> None:
        """Wait for the end without running any more of the caller's code."""
        while (todo := self.get()) is not None:
            if todo == self._pass_on:  # a second Ctrl-C: wait for nothing
                drive.tell(Halt(0.0))
        self.put(None)

    @contextmanager
    def listening(self) -> Generator[None]:
        """Take Ctrl-C at moments of ours: from the inbox, or inside the caller's own code."""
        # Only the main thread may ask: a sub-interpreter, which never runs in that, would be given
        # an object of another interpreter's.
        elsewhere = threading.current_thread() is not threading.main_thread()
        previous = None if elsewhere else signal.getsignal(signal.SIGINT)
        if not callable(previous):
            yield
            return
        self._previous = previous
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._in_their_code:
            self.inbox.put(self._pass_on)
        elif self._previous is signal.default_int_handler:
            self._interrupted = True
            raise Interrupted
        else:
            self._previous(number, frame)

    def _pass_on(self) -> None:
        """Do what Ctrl-C does here by default, or whatever the caller has set."""
        self._previous(signal.SIGINT, None)
