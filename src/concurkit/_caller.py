"""The caller's thread while a run is under way: its inbox, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeAlias

from ._batch import Interrupted
from ._drive import Begin, Drive, Halt

# How long Ctrl-C waits for what it stops before it is abandoned: the promise is one second.
PATIENCE = 0.5

Then: TypeAlias = Callable[[], None] | None


class Caller:
    """Runs what a drive puts into its inbox, until the run is over.

    What comes through the inbox is the caller's own code (reading its input, a serial task); what
    that returns is ours. So Ctrl-C can be let through to the former and kept from the latter.
    """

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Callable[[], Then] | None] = SimpleQueue()
        self._in_their_code = False
        self._interrupted = False
        self._previous: Any = None
        self.put = self._inbox.put

    def run(self, drive: Drive) -> None:
        """Start the run and serve it to its end.

        Raises:
            KeyboardInterrupt: with a line that says how far the run had come.
        """
        with self._listening():
            try:
                drive.tell(Begin())
                self._serve()
                return
            except BaseException as error:
                drive.tell(Halt(PATIENCE))
                if isinstance(error, Interrupted) and error.then is not None:
                    error.then()
                self._serve_out(drive)
                if not isinstance(error, KeyboardInterrupt):
                    raise  # another signal handler of the caller's
        raise KeyboardInterrupt(drive.summary()) from None

    def _serve(self) -> None:
        while (todo := self._inbox.get()) is not None:
            self._in_their_code = True
            try:
                then = todo()
            finally:
                self._in_their_code = False
            if then is not None:
                then()
            if self._interrupted:  # and their code went on all the same
                raise KeyboardInterrupt

    def _serve_out(self, drive: Drive) -> None:
        """Wait for the end without running any more of the caller's code."""
        while (todo := self._inbox.get()) is not None:
            if todo == self._pass_on:  # a second Ctrl-C: wait for nothing
                drive.tell(Halt(0.0))

    @contextmanager
    def _listening(self) -> Generator[None]:
        """Take Ctrl-C at moments of ours: from the inbox, or inside the caller's own code."""
        previous = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(previous):
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
            self._inbox.put(self._pass_on)
        elif self._previous is signal.default_int_handler:
            self._interrupted = True
            raise Interrupted
        else:
            self._previous(number, frame)

    def _pass_on(self) -> None:
        """Do what Ctrl-C does here by default, or whatever the caller has set."""
        self._previous(signal.SIGINT, None)
