"""How a worker process starts: from a fork server of ours that never runs the caller's script.

The standard start methods import the caller's `__main__` in each child, which is why scripts need
a guard. Here functions of `__main__` travel by value, so nothing has to be imported, and the
preparation data is sent without it. The start method of the global multiprocessing context is not
ours to use or to settle; workers are only told of one that the program has set.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
import threading
import weakref
from collections.abc import Callable
from multiprocessing import connection, context, process  # pyright: ignore[reportAttributeAccessIssue]
from types import FunctionType, SimpleNamespace
from typing import Any, cast

from ..._daemons import DAEMON
from ...exceptions import ModeUnavailableError

METHODS = tuple(multiprocessing.get_all_start_methods())


def default_method() -> str:
    """The start method used when none is asked for; never fork, which breaks threaded parents."""
    return "forkserver" if "forkserver" in METHODS else "spawn"


def check_possible() -> None:
    """Raise ModeUnavailableError where the standard process pools don't work."""
    if not DAEMON:
        raise ModeUnavailableError(
            "process mode can't run inside a task of interpreter mode: Python's process pools need "
            "daemon threads, which a sub-interpreter may not have. Use mode='thread' or "
            "mode='interpreter' inside the task, or mode='process' for the outer run."
        )


def start_server() -> None:
    """Start the fork server, if there is to be one; what goes wrong shows when it is needed."""
    check_possible()
    if sys.platform != "win32" and default_method() == "forkserver":
        with contextlib.suppress(OSError):
            _server.ensure_running()


class SeatContext:
    """A multiprocessing context that remembers the one process started through it."""

    def __init__(self, method: str) -> None:
        self._context = cast("Any", multiprocessing.get_context(method))
        self._make: Any = _PROCESSES.get(method, self._context.Process)
        self.process: process.BaseProcess | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Process(self, *args: Any, **kwargs: Any) -> process.BaseProcess:  # noqa: N802
        """Make the process; `concurrent.futures` asks for it under this name."""
        made: process.BaseProcess = self._make(*args, **kwargs)
        self.process = made
        return made


class _MayHaveChildren:
    """Lets this process start some of ours though it is a daemon, as workers of Dask and Pool are.

    Such a process may have no children, lest they outlive it. Ours end when it does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting = 0
        self._daemon = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._starting:
                me = process.current_process()
                self._daemon, me.daemon = me.daemon, False
            self._starting += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._starting -= 1
            if not self._starting:
                process.current_process().daemon = self._daemon


_as_parent = _MayHaveChildren()


# Processes of ours, by start method; a method without one has the standard kind.
_PROCESSES: dict[str, type[process.BaseProcess]] = {}

if sys.platform != "win32":
    from multiprocessing import (
        forkserver,
        popen_forkserver,
        popen_spawn_posix,
        reduction,
        spawn,
        util,
    )

    def _where(function: Callable[..., Any], **names: Any) -> Callable[..., Any]:
        """A copy of a standard function, in which some global names mean something of ours."""
        made = cast("FunctionType", function)
        return FunctionType(made.__code__, {**made.__globals__, **names}, made.__name__)

    def _chosen(**_: bool) -> str | None:
        """The start method that the program has set; Python 3.11 to 3.13 would settle one here."""
        return multiprocessing.get_start_method(allow_none=True)

    _all_data = _where(spawn.get_preparation_data, get_start_method=_chosen)

    def _preparation_data(name: str) -> dict[str, Any]:
        """What a new process is told of this one: all but its `__main__`."""
        data: dict[str, Any] = _all_data(name)
        data.pop("init_main_from_name", None)
        data.pop("init_main_from_path", None)
        return data

    _spawn = SimpleNamespace(**{**vars(spawn), "get_preparation_data": _preparation_data})

    class _ForkServer(forkserver.ForkServer):
        ensure_running = _where(forkserver.ForkServer.ensure_running, spawn=_spawn)

    _server = _ForkServer()
    _server.set_forkserver_preload(
        ["concurkit.executors.process._worker", "concurrent.futures.process"]
    )

    _open: weakref.WeakSet[_Popen] = weakref.WeakSet()

    def _let_go() -> None:
        """In a child that the caller forked: its life must not pass for ours with the workers."""
        for started in list(_open):
            with contextlib.suppress(OSError):
                os.close(started.lifeline)
        _open.clear()

    os.register_at_fork(after_in_child=_let_go)

    class _Popen(popen_forkserver.Popen):
        """Starts a child from our fork server."""

        lifeline: int

        def __init__(self, process_obj: Any) -> None:
            self._asking = threading.Lock()
            super().__init__(process_obj)

        def poll(self, flag: int = os.WNOHANG) -> int | None:
            """The exit code, once there is one.

            It can be read once, and whoever starts a process asks for those of all others: a
            second thread that reads at the same time would take it for 255.
            """
            if flag != os.WNOHANG:
                connection.wait([self.sentinel])
            with self._asking:
                code: int | None = super().poll(os.WNOHANG)
                return code

        def _launch(self, process_obj: Any) -> None:
            preparation = _preparation_data(process_obj._name)
            message = io.BytesIO()
            context.set_spawning_popen(self)
            try:
                reduction.dump(preparation, message)
                reduction.dump(process_obj, message)
            finally:
                context.set_spawning_popen(None)
            self.sentinel, write_end = _server.connect_to_new_process(self._fds)  # type: ignore[attr-defined]
            kept_open = os.dup(write_end)  # the child takes its closing for the parent's death
            self.lifeline = kept_open
            _open.add(self)
            self.finalizer = util.Finalize(self, util.close_fds, (kept_open, self.sentinel))  # type: ignore[attr-defined]
            with open(write_end, "wb", closefd=True) as pipe:
                pipe.write(message.getbuffer())
            self.pid = forkserver.read_signed(self.sentinel)

        def close(self) -> None:
            """Close the descriptors."""
            _open.discard(self)
            super().close()

    class _Process(process.BaseProcess):
        _start_method = "forkserver"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._owner = os.getpid()

        def start(self) -> None:
            """Start the process."""
            with _as_parent:
                super().start()

        def join(self, timeout: float | None = None) -> None:
            """Wait for the process; a child forked from its owner has nothing to wait for.

            Such a child's multiprocessing would join it on exit, and fail with a traceback.
            """
            if os.getpid() == self._owner:
                super().join(timeout)

        @staticmethod
        def _Popen(process_obj: Any) -> _Popen:  # noqa: N802
            return _Popen(process_obj)

    class _SpawnPopen(popen_spawn_posix.Popen):
        _launch = _where(popen_spawn_posix.Popen._launch, spawn=_spawn)  # type: ignore[attr-defined]

    class _SpawnProcess(context.SpawnProcess):  # pyright: ignore[reportUntypedBaseClass]
        def start(self) -> None:
            """Start the process."""
            with _as_parent:
                super().start()

        @staticmethod
        def _Popen(process_obj: Any) -> _SpawnPopen:  # noqa: N802
            return _SpawnPopen(process_obj)

    _PROCESSES.update(forkserver=_Process, spawn=_SpawnProcess)
