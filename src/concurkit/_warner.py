"""Saying of tasks that they take long, in a thread of ours: asking for a stack may take a while."""

from __future__ import annotations

import threading
import time
import traceback
from queue import Empty, SimpleQueue
from typing import NamedTuple

from ._batch import Job, clock
from ._calls import arguments_in, cut, name_in
from ._daemons import DAEMON
from ._orders import Warn
from ._snapshot import Running
from ._stacks import MOMENT, Answers
from .executors._flight import Flight

# How long the end of a run waits for what is still to be said, in seconds. It takes that long only
# if a logging handler or the repr of an argument does.
_PATIENCE = 5.0


class _Slow(NamedTuple):
    """A task that takes long, its batch, and since when it runs."""

    warn: Warn
    flight: Flight


class Warner:
    """Logs the tasks of one run that take long.

    Args:
        job: what the run's batches have in common.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._slow: SimpleQueue[_Slow | None] = SimpleQueue()
        self._closing = False
        # Filters and handlers see the context variables of whoever started the run.
        self._thread = threading.Thread(
            target=job.context.copy().run,
            args=(self._serve,),
            name="concurkit-warner",
            daemon=DAEMON,
        )
        self._thread.start()

    def warn(self, warn: Warn, flight: Flight) -> None:
        """Have it said that this task takes long; never waits."""
        self._slow.put(_Slow(warn, flight))

    def close(self) -> None:
        """Wait until all is said, which is soon: nobody is asked any more."""
        self._closing = True
        self._slow.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)

    def _serve(self) -> None:
        while True:
            slow, ends = self._next()
            try:
                self._say(slow)
            except Exception:  # a filter or a handler of the caller's: the run goes on
                traceback.print_exc()
            if ends:
                return

    def _next(self) -> tuple[list[_Slow], bool]:
        """What there is to say, and whether that is the last: all that comes together at once."""
        found: list[_Slow] = []
        one = self._slow.get()
        while one is not None:
            found.append(one)
            try:
                one = self._slow.get_nowait()
            except Empty:
                return found, False
        return found, True

    def _say(self, slow: list[_Slow]) -> None:
        from logging import getLogger

        answers = Answers([one.flight for one in slow])
        while not answers.over() and not self._closing:
            time.sleep(MOMENT)
        logger = getLogger("concurkit")
        for one, stack in zip(slow, answers.stacks, strict=True):
            running = self._running(one, stack)
            logger.warning("%s", _told(running), extra={"running": running})

    def _running(self, slow: _Slow, stack: str | None) -> Running:
        job, (warn, flight) = self._job, slow
        sight = flight.sight()
        still = sight.is_at(warn.position)  # else the stack is another task's
        return Running(
            worker=sight.worker,
            index=warn.index,
            name=name_in(job.fn, warn.item),
            arguments=cut(arguments_in(job.fn, warn.item, single=job.single)),
            seconds=clock() - warn.since,
            attempt=warn.attempt,
            behind=warn.behind,
            unsure=min(sight.window - 1, warn.behind) if still else 0,
            stack=stack if still else None,
        )


def _told(running: Running) -> str:
    unsure = f", or one of the next {running.unsure}," if running.unsure else ""
    worker = f" on {running.worker}" if running.worker else ""
    text = (
        f"{running.call}{unsure} has run for {running.seconds:.3g} s{worker}, "
        f"attempt {running.attempt}"
    )
    return text if running.stack is None else f"{text}\n{running.stack or '  in C code'}"
