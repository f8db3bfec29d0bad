"""Dask mode: our processes on the machines of a Dask cluster."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from .._arguments import check_workers
from .._cpus import default_workers
from .._inner_threads import InnerThreads
from .._task import shown
from ..exceptions import ModeUnavailableError
from .cluster._dask_places import split
from .cluster._executor import ClusterExecutor, check_terms
from .cluster._needs import ANSWER, check_listens, engine_module

# What Dask serves of its state: for this machine only, and at any port.
_QUIET_SERVER = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}

_configuring = threading.Lock()  # Dask's configuration is one for all threads, put back by each


class DaskExecutor(ClusterExecutor):
    """Runs tasks on a Dask cluster; a `concurrent.futures.Executor`, and a `mode` to keep open.

    Each task runs in a process of ours beside the Dask worker that it was sent to, so that a
    crash or an overdue task costs nothing else there. Dask's own functions, such as
    `get_worker()`, are not at hand in a task.

    Args:
        cluster: where: the address of a scheduler, a `distributed.Client`, or a cluster object of
            Dask's. By default the program's own client if there is one, else the scheduler that
            Dask is configured for, else a cluster in this process, which ends with the executor.
        max_workers: how many tasks at once; by default as many as the workers have threads, or
            as their resources suffice for.
        security: how to connect to what *cluster* or Dask's configuration names, unless that is a
            Client: what `distributed.Client` takes as such.
        submit_options: of what `Client.submit` takes: "workers", "resources", "priority" and
            "fifo_timeout", as in `{"resources": {"GPU": 1}, "priority": 10}`.
        initializer: is called in each process before its first task; if it raises, what was to
            run there ends with InitializerError.
        initargs: what it is called with.
        max_tasks_per_child: after so many tasks a process is replaced by a new one.
        max_memory_per_child: the size above which a process is replaced; see `ProcessExecutor`.
        inner_threads: how many threads native libraries may use; see `ProcessExecutor`.
        propagate: context variables whose values, where a run or a call begins, its tasks see.

    Raises:
        ModeUnavailableError: when Dask is not installed, no scheduler answers within 5 seconds,
            or there is no worker after 30.
        TypeError: when *cluster* or one of *submit_options* is something else.
        ValueError: when *submit_options* has another option, or *security* is of no use.

    Example:
        >>> from concurkit import DaskExecutor, Task, run_concurrently
        >>> with DaskExecutor(max_workers=2) as dask:  # doctest: +SKIP
        ...     run_concurrently(Task.map(abs, [-1, -2]), mode=dask)
        [1, 2]
    """

    mode = "dask"

    def __init__(
        self,
        cluster: Any = None,
        *,
        max_workers: int | None = None,
        security: Any = None,
        submit_options: Mapping[str, Any] | None = None,
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
            None,
            initializer=initializer,
            initargs=initargs,
            max_tasks_per_child=max_tasks_per_child,
            max_memory_per_child=max_memory_per_child,
            inner_threads=inner_threads,
            propagate=propagate,
        )
        options, places = split(submit_options or {})
        engine_module("distributed", "dask")
        from .cluster._dask import DaskEngine

        client, end = _connect(cluster, security, workers)
        try:
            engine = DaskEngine(client, terms, options, places, end)
            self._engage(engine, terms, workers or engine.slots(), variables)
        except BaseException:
            end()
            raise


def _connect(cluster: Any, security: Any, workers: int | None) -> tuple[Any, Callable[[], object]]:
    """A client, and what ends all that was started for it."""
    distributed = engine_module("distributed", "dask")
    if isinstance(cluster, distributed.Client):
        _check_security(security, "the Client is connected already")
        return _synchronous(cluster), _nothing
    if cluster is None:
        try:
            client = distributed.default_client()
        except ValueError:  # there is none
            cluster = engine_module("dask", "dask").config.get("scheduler-address", None)
        else:
            _check_security(security, "the program has a Client, which is connected already")
            return _synchronous(client), _nothing
    if cluster is not None:
        client = _client_of(cluster, security)
        return client, client.close
    _check_security(security, "no scheduler is named, so a cluster is made inside this program")
    return _local(workers or default_workers("process"))


def _check_security(security: Any, why: str) -> None:
    if security is not None:
        raise ValueError(
            f"security= says how to connect to a scheduler, and {why}; leave it out, or pass the "
            'scheduler\'s address too, as in DaskExecutor("tls://10.0.0.1:8786", security=...).'
        )


def _client_of(cluster: Any, security: Any) -> Any:
    distributed = engine_module("distributed", "dask")
    if not isinstance(cluster, str) and not hasattr(cluster, "scheduler_address"):
        raise TypeError(
            f"cluster is {shown(cluster)}; it must be the address of a scheduler, as in "
            "'tcp://10.0.0.1:8786', a distributed.Client, a cluster object of Dask's, or None."
        )
    if isinstance(cluster, str):
        check_listens(cluster, "Dask scheduler")
    elif getattr(getattr(cluster, "status", None), "name", "") in ("closing", "closed", "failed"):
        raise ModeUnavailableError(
            f"the Dask cluster {type(cluster).__name__} is closed; make a new one, or leave "
            "cluster out for one of the run's own."
        )
    try:
        return distributed.Client(cluster, security=security, timeout=ANSWER, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:
        raise ModeUnavailableError(
            f"no Dask scheduler can be used at {shown(cluster)} ({type(error).__name__}: {error}). "
            "Is it the scheduler's address, and does security= fit?"
        ) from error


def _synchronous(client: Any) -> Any:
    if client.asynchronous:
        raise TypeError(
            "the Dask client is asynchronous, so it lives in one event loop only; pass the address "
            "of its scheduler, or make the client without asynchronous=True."
        )
    if client.status in ("closing", "closed"):
        raise ModeUnavailableError(
            "the Dask client is closed; make a new one, or pass the address of its scheduler."
        )
    return client


def _local(workers: int) -> tuple[Any, Callable[[], object]]:
    """A cluster in this process: its worker only hands batches on to processes of ours."""
    distributed = engine_module("distributed", "dask")
    place = TemporaryDirectory(prefix="concurkit-dask-", ignore_cleanup_errors=True)
    with ExitStack() as undo:
        undo.callback(place.cleanup)
        # For a moment: the scheduler takes no folder as an argument.
        here = {"temporary-directory": place.name}
        with _configuring, engine_module("dask", "dask").config.set(here):
            cluster = distributed.LocalCluster(
                n_workers=1,
                threads_per_worker=workers,
                processes=False,  # Dask's own would run the program's main file again
                memory_limit=None,
                scheduler_kwargs=_QUIET_SERVER,
                silence_logs=logging.CRITICAL,
            )
        undo.callback(cluster.close)
        client = distributed.Client(cluster, set_as_default=False)
        undo.callback(client.close)
        return client, undo.pop_all().close


def _nothing() -> None:
    """Nothing of ours is to be ended."""
