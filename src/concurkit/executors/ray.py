"""Ray mode: our processes on the machines of a Ray cluster."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from .._arguments import check_workers
from .._cpus import default_workers
from .._daemons import DAEMON
from .._inner_threads import InnerThreads
from .._task import shown
from ..exceptions import ModeUnavailableError
from .cluster._executor import ClusterExecutor, check_terms
from .cluster._needs import ANSWER, check_listens, engine_module

# Of 107 bytes that a socket's path may have, Ray's own part takes 63.
_LONGEST = 44

_TRIES = "RAY_gcs_server_port_wait_time_s"


class RayExecutor(ClusterExecutor):
    """Runs tasks on a Ray cluster; a `concurrent.futures.Executor`, and a `mode` to keep open.

    Each task that runs at the same time has an actor; the task itself runs in a process of ours
    beside it, so that a crash or an overdue task costs nothing else. In a task, Ray's own
    functions are not connected to the cluster.

    Args:
        address: where: the address of a cluster, as in "10.0.0.1:6379", or "auto" for the one that
            runs on this machine. By default the program's own connection if `ray.init` was
            called, else the cluster that RAY_ADDRESS names, else one on this machine, which ends
            with the executor.
        max_workers: how many tasks at once; by default as many as the cluster has CPUs.
        init_options: what `ray.init` takes beside the address, as in `{"runtime_env": {...}}`.
        actor_options: what an actor's `options` take, as in `{"num_gpus": 1}`. By default each asks
            for one CPU, or for its part where there are more actors than CPUs.
        initializer: is called in each process before its first task; if it raises, what was to
            run there ends with InitializerError.
        initargs: what it is called with.
        max_tasks_per_child: after so many tasks a process is replaced by a new one.
        max_memory_per_child: the size above which a process is replaced; see `ProcessExecutor`.
        inner_threads: how many threads native libraries may use; see `ProcessExecutor`.
        propagate: context variables whose values, where a run or a call begins, its tasks see.

    Raises:
        ModeUnavailableError: when Ray is not installed, or no cluster answers.
        ValueError: when an address is given and the program is connected already.

    Example:
        >>> from concurkit import RayExecutor, Task, run_concurrently
        >>> with RayExecutor(max_workers=2) as ray:  # doctest: +SKIP
        ...     run_concurrently(Task.map(abs, [-1, -2]), mode=ray)
        [1, 2]
    """

    mode = "ray"

    def __init__(
        self,
        address: str | None = None,
        *,
        max_workers: int | None = None,
        init_options: Mapping[str, Any] | None = None,
        actor_options: Mapping[str, Any] | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | str | None = None,
        inner_threads: InnerThreads = "auto",
        propagate: Iterable[ContextVar[Any]] = (),
    ) -> None:
        workers = check_workers(max_workers)
        terms, variables = check_terms(
            uuid4().hex,
            1,
            initializer=initializer,
            initargs=initargs,
            max_tasks_per_child=max_tasks_per_child,
            max_memory_per_child=max_memory_per_child,
            inner_threads=inner_threads,
            propagate=propagate,
        )
        _check_address(address)
        engine_module("ray", "ray")
        from .cluster._ray import RayEngine

        end = _connect(address, dict(init_options or {}), workers)
        try:
            size = workers or _cpus()
            engine = RayEngine(terms, size, dict(actor_options or {}), end)
            self._engage(engine, terms, size, variables)
        except BaseException:
            end()
            raise


def _check_address(address: object) -> None:
    if address is not None and not isinstance(address, str):
        raise TypeError(
            f"address is {shown(address)}; it must be that of a Ray cluster, as in "
            "'10.0.0.1:6379', or 'auto', or None."
        )
    if address is not None and address.startswith("ray://"):
        raise ModeUnavailableError(
            f"address is {address!r}: a Ray Client, which can't say what becomes of a task before "
            "it ends. Run the program on a machine of the cluster with address='auto', for "
            "instance by `ray job submit`."
        )


def _connect(
    address: str | None, options: dict[str, Any], workers: int | None
) -> Callable[[], object]:
    """Connect this program to a cluster, a new one if need be; returns what undoes it."""
    ray = engine_module("ray", "ray")
    if ray.is_initialized():
        if address is not None or options:
            raise ValueError(
                "this program is connected to a Ray cluster already, by ray.init: leave address= "
                "and init_options= out, or call ray.shutdown() first."
            )
        return _nothing
    if address is None and not os.environ.get("RAY_ADDRESS"):
        options = {"num_cpus": workers or default_workers("process"), **options}
        options.setdefault("include_dashboard", False)
        options.setdefault("logging_level", "ERROR")  # it tells of each start and end
        return _Local(options).end
    check_listens(address or os.environ["RAY_ADDRESS"], "Ray cluster")
    _init(address, options)
    return _disconnect


def _init(address: str | None, options: dict[str, Any]) -> None:
    starts = address == "local"  # its own servers may take their time
    try:
        with nullcontext() if starts else _asked_few_times():
            engine_module("ray", "ray").init(address=address, **options)
    except Exception as error:
        raise ModeUnavailableError(
            f"no Ray cluster can be used at {address or os.environ.get('RAY_ADDRESS')} "
            f"({type(error).__name__}: {error}). Is it the head's address, and does the cluster "
            "have the same Ray, the same Python and the same token (RAY_AUTH_MODE) as this program?"
        ) from error


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


class _Local:
    """A Ray cluster on this machine, which lives as long as the thread that it is started in.

    Linux ends Ray's servers with the *thread* that started them (PR_SET_PDEATHSIG), and a caller's
    thread may end before its executor does.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._place = None if "_temp_dir" in options else _short_place()
        if self._place is not None:  # Ray would leave its logs there
            self._options["_temp_dir"] = self._place.name
        self._up: Future[None] = Future()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="concurkit-ray", daemon=DAEMON)
        self._thread.start()
        self._up.result()

    def _live(self) -> None:
        try:
            _init("local", self._options)
        except BaseException as error:
            self._up.set_exception(error)
            return
        self._up.set_result(None)
        self._over.wait()
        engine_module("ray", "ray").shutdown()

    def end(self) -> None:
        """Leave nothing of it."""
        self._over.set()
        self._thread.join()
        if self._place is not None:
            self._place.cleanup()


def _short_place() -> TemporaryDirectory[str] | None:
    """A folder for the servers' files, if their sockets' paths are not too long below it."""
    place = TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    if len(place.name) <= _LONGEST:
        return place
    place.cleanup()
    return None


def _cpus() -> int:
    return max(1, int(engine_module("ray", "ray").cluster_resources().get("CPU", 1)))


def _disconnect() -> None:
    engine_module("ray", "ray").shutdown()


def _nothing() -> None:
    """Nothing of ours is to be ended."""
