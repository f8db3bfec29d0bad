"""A `map` under way on an executor of ours: how it is begun, carried on and ended.

It needs no reader to go on: what was submitted is done whether or not anybody reads it, and
whether or not the executor is shut down or dropped meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from itertools import islice
from queue import Empty
from typing import Any, NamedTuple, NoReturn

from ._arrivals import unbroken
from ._batch import Batch, Interrupted, Job, inside, task_context
from ._caller import PATIENCE, Caller
from ._drive import Drive
from ._endings import Endings
from ._map_turns import Raised, Turns
from ._news import Begin, Drain, Halt, Read
from ._orders import Block, Failed, Terms
from ._schedule import Schedule
from ._source import Source
from ._task import is_async
from .executors._flight import Flight, Tell
from .executors._map import SHUT_DOWN

# Whether anybody has read it, and whether what was read last was an error.
UNREAD, READ, FAILED = range(3)


class Asked(NamedTuple):
    """The arguments of a `map`, checked."""

    fn: Callable[..., Any]
    timeout: float | None
    chunksize: int
    buffersize: int | None


class MapRun:
    """The run itself; it does not know the iterator, so that one which is dropped is noticed.

    Args:
        executor: where it runs; it is kept alive and at work until all that was submitted is done.
        asked: what the caller asked for.
        iterables: the input.
    """

    def __init__(self, executor: Any, asked: Asked, iterables: tuple[Iterable[Any], ...]) -> None:
        self.state = UNREAD
        self.turns = Turns()
        self.asked = asked
        self._executor = executor
        self._home = os.getpid()
        self._caller = Caller()  # its inbox takes results, too
        self._over = False  # nothing more will come
        self._why: Callable[[], BaseException] = _cancelled  # what will not come does not
        self._end_error: BaseException | None = None  # to be raised after all that was submitted
        self._wanted = True  # by somebody who may read it
        single = len(iterables) == 1
        items = iter(iterables[0]) if single else zip(*iterables, strict=False)
        first = list(items if asked.buffersize is None else islice(items, asked.buffersize))
        self._submitted = len(first)
        self._more = len(first) == asked.buffersize
        self._input: Iterator[Any] = items
        self._source = self._make_source(first, single)
        self._endings = Endings(self._source)
        self._drive: Drive | None = self._make_drive()
        self._hold(len(first))
        self._tell(Begin(), *self._supply(first))

    def _make_source(self, items: list[Any], single: bool) -> Source:
        all_there = self.asked.buffersize is None
        return Source(
            iter(items if all_there else ()),
            fn=self.asked.fn,
            single=single,
            length=len(items) if all_there else None,
            inert=all_there,  # a buffer is filled by `_supply`
            starts_async=is_async(self.asked.fn),
        )

    def _make_drive(self) -> Drive:
        asked, executor, source = self.asked, self._executor, self._source
        in_processes = executor.strength == "killed"
        terms = Terms(
            workers=executor.max_workers,
            grain=executor.grain,
            ahead=executor.ahead,
            chunksize=asked.chunksize if in_processes and asked.chunksize > 1 else None,
            fail_fast=False,
            shared=executor.shared,
            strength=executor.strength,
            length=source.length,
            window=asked.buffersize,
        )
        sharing = 1 if executor.shared else executor.max_workers
        job = Job(
            asked.fn,
            task_context(sharing, executor.home),
            single=source.single,
            exact=asked.chunksize == 1,  # a chunk may be run again where its worker dies
            share=inside().share * sharing,
            call=self._caller.put,
            propagate=getattr(executor, "propagate", ()),
        )
        launcher = _Launcher(executor)
        return Drive(Schedule(terms), launcher, job, source, self._settle, self._told)

    def _hold(self, tasks: int) -> None:
        """Keep the executor's workers until so many tasks more are over."""
        if self._executor.keeper is not None:
            self._executor.keeper.hold(self, tasks)
        elif self._executor.closed:
            raise RuntimeError(SHUT_DOWN)

    def _supply(self, items: list[Any]) -> tuple[Read, ...]:
        """What tells the drive of these items of a buffer."""
        return () if self.asked.buffersize is None else (Read(items, not self._more),)

    def _tell(self, *events: Any) -> None:
        """Tell the drive, and run here the serial calls that follow; Ctrl-C waits for its turn."""
        with self._caller.listening():
            try:
                for event in events:
                    if self._drive is not None:
                        self._drive.tell(event)
                self._attend_all()
            except BaseException as error:
                self._give_up(error)

    def _attend_all(self) -> None:
        """Do what is to be done in this thread, without waiting."""
        inbox = self._caller.inbox
        while not inbox.empty():
            with contextlib.suppress(Empty):
                self._attend(inbox.get_nowait())

    def _attend(self, todo: Any) -> None:
        if todo is None:
            self._over = True
        elif type(todo) is tuple:
            self.turns.arrive(*todo)
        else:
            self._caller.obey(todo)

    def _settle(self, one: Block | Failed) -> None:
        """Take in what came of tasks, in whichever thread brings it."""
        if isinstance(one, Block):
            parts = list(unbroken(one, one.report.values))
        elif one.own:
            self._endings.annotate(one)
            parts = [(one.index, [Raised(_told_apart(one))])]
        else:  # see `_why`
            return
        keeper = self._executor.keeper
        for first, values in parts:
            if self._wanted:
                self._caller.put((first, values))
            if keeper is not None:
                keeper.release(self, len(values))

    def _told(self, todo: object) -> None:
        """The drive asks for more input, which comes as results are read; or all is over."""
        drive = self._drive
        if todo is not None or drive is None:
            return
        error = drive.broken or drive.unfit
        if error is not None:
            self._why = lambda: error
        self._drive = None
        drive.close()
        if self._executor.keeper is not None:
            self._executor.keeper.release(self)
        self._caller.put(None)

    def drain(self) -> None:
        """Cancel what has not started; input that was not read is an error, and no end."""
        if self._more:
            self._more = False
            self._end_error = self._why()
        drive = self._drive
        if drive is not None:
            drive.tell(Drain())

    def closing(self, cancel: bool) -> None:
        """The executor was shut down: a map that an error ended is not waited for."""
        if cancel or self.state == FAILED:
            self.drain()

    def dropped(self) -> None:
        """Nobody can read it any more.

        What nobody has ever read was meant to be done all the same, as in the standard library.
        """
        if os.getpid() != self._home:
            return
        self._wanted = self._more = False
        self._input = iter(())
        drive = self._drive
        if self.state != UNREAD:
            self.drain()
        elif drive is not None:
            for event in self._supply([]):
                drive.tell(event)

    def close(self) -> None:
        """Cancel what has not started, and give no more results."""
        self._check_home()
        self.drain()
        self._wanted = False
        self._input = iter(())
        self._end_error = None

    def _give_up(self, error: BaseException) -> NoReturn:
        """Start nothing more since *error* was raised here, and raise that."""
        drive = self._drive
        if drive is not None and self._executor.keeper is None:
            drive.tell(Halt(PATIENCE))
            if isinstance(error, Interrupted) and error.then is not None:
                error.then()
        else:
            self.drain()
        if not isinstance(error, KeyboardInterrupt) or drive is None:
            raise error
        raise KeyboardInterrupt(drive.summary()) from None

    def _check_home(self) -> None:
        if os.getpid() != self._home:
            raise RuntimeError("this map belongs to the process that it was started in")


class _Launcher:
    """An executor that starts what it has accepted, whether or not it was shut down since."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    def launch(
        self, batches: list[tuple[Batch, Flight | None]], job: Job, tell: Tell
    ) -> list[Flight]:
        flights: list[Flight] = self._executor.launch(batches, job, tell, again=True)
        return flights


def _cancelled() -> BaseException:
    return CancelledError("the call was cancelled before it started")


def _told_apart(failed: Failed) -> BaseException:
    """The error of a task as an iterator can raise it: StopIteration would say that it ends."""
    error = failed.error
    if not isinstance(error, StopIteration):
        return error
    other = RuntimeError(f"task {failed.index} raised StopIteration")
    other.__cause__ = error
    return other
