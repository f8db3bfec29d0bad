"""What belongs to one worker, made on first use by `per_worker` and closed when the worker ends.

Tasks find it through their batch's `Progress`, hence by their context. So do the threads that they
start where threads inherit a context; the others are outside any worker.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, copy_context
from typing import Any, NamedTuple

from ._batch import Progress, _progress
from ._opening import Ends, opened, opened_in_loop
from ._worker_loop import close_loop, finish, has_loop, hold_loop, release_loop


class _Kept(NamedTuple):
    name: str
    ends: Ends


class Belongings:
    """The values of one worker.

    Attributes:
        values: each value by the key of what made it; one made on an event loop by that and the
            loop.
    """

    __slots__ = ("__weakref__", "_closed", "_holding", "_kept", "_locks", "_pid", "values")

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}
        self._kept: dict[Any, _Kept] = {}  # in the order of making
        self._locks: dict[Any, Any] = {}
        self._closed = False
        self._holding = False
        self._pid = 0

    # ---- making -------------------------------------------------------------------------------

    def make(self, key: Any, name: str, factory: Callable[[], Any]) -> Any:
        """This worker's value of *key*; threads that ask at the same time get the same one."""
        with self._locks.setdefault(key, threading.RLock()):
            if key not in self.values:
                self._refuse_if_closed(name)
                value, ends = opened(factory())
                self._hold(_asyncio_loop())
                self._keep(key, value, _Kept(name, ends))
                return value
            return self.values[key]

    async def make_in_loop(self, key: Any, name: str, factory: Callable[[], Any]) -> Any:
        """The value of *key* for the running loop: what is made on one is of no use on another."""
        loop = _running_loop()
        place = (key, loop)
        if place in self.values:
            return self.values[place]
        async with self._locks.setdefault(place, _loop_lock()):
            if place not in self.values:
                self._refuse_if_closed(name)
                made = factory()
                value, ends = await opened_in_loop(
                    await made if hasattr(type(made), "__await__") else made
                )
                # An async generator, since a loop that ends closes those that it has: the loop may
                # be one that a task runs itself.
                life = self._life(place, _Kept(name, ends))
                await life.__anext__()
                self._hold(loop)
                self._keep(place, value, _Kept(name, [life.aclose]))
                return value
            return self.values[place]

    async def _life(self, place: Any, kept: _Kept) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            for things in (self.values, self._kept, self._locks):
                things.pop(place, None)
            with _shielded():
                _raise(await _close_in_loop(kept))

    def _hold(self, loop: object) -> None:
        """Keep the worker's loop, if that runs, as long as the values that may live on it."""
        self._holding = self._holding or hold_loop(loop)

    def _keep(self, key: Any, value: Any, kept: _Kept) -> None:
        self._pid = os.getpid()
        self._kept[key] = kept
        self.values[key] = value
        if self._closed:  # meanwhile, while a thread that a task left behind was making it
            self.close()

    def _refuse_if_closed(self, name: str) -> None:
        if self._closed:
            raise RuntimeError(
                f"the worker has ended, and {name}() with it: a thread or an abandoned task that "
                "goes on after its worker can't have a value made for that worker any more."
            )

    # ---- closing ------------------------------------------------------------------------------

    def close(self) -> None:
        """Close all values, the last first, in the worker's own thread; errors are logged."""
        trouble: BaseException | None = None
        had_loop = has_loop()
        with self._closing():
            while self._kept:
                trouble = _close(self._pop()) or trouble
        if not had_loop:  # closing may have needed one
            close_loop()
        if self._holding:
            self._holding = False
            release_loop()
        _raise(trouble)

    async def aclose(self) -> None:
        """Do the same in the worker's event loop."""
        trouble: BaseException | None = None
        with self._closing():
            while self._kept:
                trouble = await _close_in_loop(self._pop()) or trouble
        _raise(trouble)

    def end(self) -> None:
        """The worker ends: close all values, then its loop."""
        try:
            self.close()
        finally:
            close_loop()

    @contextmanager
    def _closing(self) -> Generator[None]:
        # What closes a value may use another one.
        self._closed = True
        if self._pid != os.getpid():  # a forked child's copies: they are the parent's to close
            self._kept.clear()
            self.values.clear()
        token = self.enter()
        try:
            yield
        finally:
            _progress.reset(token)

    def _pop(self) -> _Kept:
        key, kept = self._kept.popitem()
        self.values.pop(key, None)
        return kept

    def enter_call(self, fn: Callable[..., Any], context: Context) -> Progress:
        """Code in *context* is from here on a call of *fn* in this worker, of no run."""
        progress = Progress((None,), 0)
        progress.fn = fn
        progress.belongings = self
        progress.outer = context.get(_progress)
        context.run(_progress.set, progress)
        return progress

    def enter(self) -> Any:
        """From here on, code in the calling context is this worker's."""
        progress = Progress(())
        progress.belongings = self
        progress.outer = _progress.get()
        return _progress.set(progress)


def _close(kept: _Kept) -> BaseException | None:
    """Close one value; returns an error that must go on."""
    trouble: BaseException | None = None
    for end in kept.ends:
        try:
            ending = end()
            if hasattr(type(ending), "__await__"):
                finish(_awaited(ending), copy_context())  # type: ignore[arg-type]
        except BaseException as error:
            trouble = _noted(kept, error) or trouble
    return trouble


async def _close_in_loop(kept: _Kept) -> BaseException | None:
    trouble: BaseException | None = None
    for end in kept.ends:
        try:
            ending = end()
            if hasattr(type(ending), "__await__"):
                await ending
        except BaseException as error:
            trouble = _noted(kept, error) or trouble
    return trouble


async def _awaited(ending: Any) -> None:
    await ending


def _noted(kept: _Kept, error: BaseException) -> BaseException | None:
    """Log an error; returns it if it is a Ctrl-C or a cancellation, which concern more than us."""
    from logging import getLogger

    if isinstance(error, Exception | SystemExit | KeyboardInterrupt):
        getLogger("concurkit").error("closing the value of %s() failed", kept.name, exc_info=error)
    return None if isinstance(error, Exception | SystemExit) else error


def _raise(trouble: BaseException | None) -> None:
    if trouble is not None:
        raise trouble


# ---- event loops --------------------------------------------------------------------------------


def _asyncio_loop() -> object:
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()


def _running_loop() -> object:
    return _asyncio_loop() or sys.modules["trio"].lowlevel.current_trio_token()


def _loop_lock() -> Any:
    return sys.modules["trio" if _asyncio_loop() is None else "asyncio"].Lock()


def _shielded() -> AbstractContextManager[Any]:
    """At the end of a loop of trio's, whatever waits is cancelled, unless shielded."""
    if _asyncio_loop() is not None:
        return nullcontext()
    shield: AbstractContextManager[Any] = sys.modules["trio"].CancelScope(shield=True)
    return shield
