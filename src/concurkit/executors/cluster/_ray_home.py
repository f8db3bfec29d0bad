"""Where a program meets Ray: its own connection, or one of ours, which executors share.

A process has one connection to Ray. So executors that are open at the same time use the same one,
and the last that is shut down ends it.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ..._cpus import default_workers
from ..._daemons import DAEMON
from ...exceptions import ModeUnavailableError
from ._needs import ANSWER, check_listens, engine_module
from ._ray_options import check_direct
from ._ray_session import Session

# Of 107 bytes that a socket's path may have, Ray's own part takes 63.
_LONGEST = 44

_TRIES = "RAY_gcs_server_port_wait_time_s"


class Joined(NamedTuple):
    """A connection, as one executor has it.

    Attributes:
        session: the connection.
        size: how many tasks at once, where the executor does not say.
        free: whether its CPUs count for nothing: they are as many as the executor that came first
            has workers, and another one has workers too.
        leave: to be called when the executor does not need it any more.
    """

    session: Session
    size: int
    free: bool
    leave: Callable[[], None]


class _Connection(ABC):
    """A connection of ours.

    Attributes:
        asked: the address and the options that it was made with.
        session: which connection it is.
        free: see `Joined`.
        users: how many executors use it.
    """

    free = False

    def __init__(self, address: str | None, options: dict[str, Any]) -> None:
        self.asked = (address, options)
        self.session: Session
        self.users = 0

    @abstractmethod
    def end(self) -> None:
        """Leave nothing of it."""


_ours: _Connection | None = None
_lock = threading.Lock()  # held also while Ray starts or ends: it can do either only once


def connect(address: str | None, options: dict[str, Any], workers: int | None) -> Joined:
    """Connect this program to a cluster, a new one if need be."""
    global _ours  # noqa: PLW0603 - a process has one connection
    ray = engine_module("ray", "ray")
    with _lock:
        # If the program has shut ours down, those who used it end what is left.
        ours = _ours if _ours is not None and _ours.session.is_on() else None
        if ours is not None or ray.is_initialized():
            _check_same(address, options, ours)
        else:
            ours = _ours = _opened(address, options, workers)
        if ours is None:
            return Joined(Session(), _cpus(), False, lambda: None)
        ours.users += 1
    once = ExitStack()
    once.callback(_leave, ours)
    size = default_workers("process") if ours.free else _cpus()
    return Joined(ours.session, size, ours.free, once.close)


def _check_same(address: str | None, options: dict[str, Any], ours: _Connection | None) -> None:
    """Raise ValueError unless the connection that there is will do."""
    if (address is None and not options) or (ours is not None and ours.asked == (address, options)):
        return
    by = "by ray.init" if ours is None else "by another RayExecutor"
    way = "call ray.shutdown()" if ours is None else "shut that executor down"
    raise ValueError(
        f"this program is connected to a Ray cluster already, {by}, and can have one connection "
        f"only: leave address= and init_options= out, or {way} first."
    )


def _leave(ours: _Connection) -> None:
    """One executor less; the last one ends the connection."""
    global _ours  # noqa: PLW0603
    with _lock:
        ours.users -= 1
        if ours.users:
            return
        if _ours is ours:
            _ours = None
        ours.end()


def _begin_anew() -> None:
    """A forked child has the lock as it was, and none of the threads."""
    global _lock, _ours
    _lock, _ours = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


# ---- to a cluster that is there, and to a new one ------------------------------------------------


def _opened(address: str | None, options: dict[str, Any], workers: int | None) -> _Connection:
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    if where == "local":
        return _Local(address, options, workers)
    return _Remote(address, options, where)


class _Remote(_Connection):
    """A connection to a cluster that is there."""

    def __init__(self, address: str | None, options: dict[str, Any], where: str) -> None:
        super().__init__(address, options)
        check_direct("RAY_ADDRESS", where)
        check_listens(where, "Ray cluster")
        try:
            with _asked_few_times():
                engine_module("ray", "ray").init(address=address, **options)
        except Exception as error:
            raise ModeUnavailableError(
                f"no Ray cluster can be used at {where} ({type(error).__name__}: {error}). Is it "
                "the head's address, do init_options= suit a cluster that is there, and does it "
                "have the same Ray, the same Python and the same token (RAY_AUTH_MODE) as this "
                "program?"
            ) from error
        self.session = Session()

    def end(self) -> None:
        self.session.end()


@contextmanager
def _asked_few_times() -> Generator[None]:
    """Have Ray ask a head that turns it away for seconds, not for minutes.

    The variable is Ray's own, for operators; it is read by each `ray.init`.
    """
    if _TRIES in os.environ:
        yield
        return
    os.environ[_TRIES] = str(ANSWER)
    try:
        yield
    finally:
        os.environ.pop(_TRIES, None)


class _Local(_Connection):
    """A Ray cluster on this machine, which lives as long as the thread that it is started in.

    Linux ends Ray's servers with the *thread* that started them (PR_SET_PDEATHSIG), and a caller's
    thread may end before its executor does.
    """

    def __init__(self, address: str | None, options: dict[str, Any], workers: int | None) -> None:
        super().__init__(address, options)
        self.free = "num_cpus" not in options
        self._options = {
            "num_cpus": workers or default_workers("process"),
            "include_dashboard": False,
            "logging_level": "ERROR",  # it tells of each start and end
            **options,
        }
        self._place = None if "_temp_dir" in options else _short_place()
        if self._place is not None:  # Ray would leave its logs there
            self._options["_temp_dir"] = self._place.name
        self._up: Future[Session] = Future()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="concurkit-ray", daemon=DAEMON)
        try:
            self._thread.start()
            self.session = self._up.result()
        except BaseException:  # it can't start, or the program was told to end while it does
            self.end()
            raise

    def _live(self) -> None:
        try:
            session = _started(self._options)
        except BaseException as error:
            self._up.set_exception(error)
            return
        self._up.set_result(session)
        self._over.wait()
        session.end()

    def end(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._place is not None:
            self._place.cleanup()


def _started(options: dict[str, Any]) -> Session:
    try:
        engine_module("ray", "ray").init(address="local", **options)
    except Exception as error:
        raise ModeUnavailableError(
            f"no Ray cluster can be started on this machine ({type(error).__name__}: {error}). It "
            f"was asked for with {', '.join(options)}; see init_options=."
        ) from error
    return Session()


def _short_place() -> TemporaryDirectory[str] | None:
    """A folder for the servers' files, if their sockets' paths are not too long below it."""
    place = TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    if len(place.name) <= _LONGEST:
        return place
    place.cleanup()
    return None


def _cpus() -> int:
    return max(1, int(engine_module("ray", "ray").cluster_resources().get("CPU", 1)))
