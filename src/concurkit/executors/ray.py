"""Ray mode: our processes on the machines of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from .._arguments import check_workers
from .._inner_threads import InnerThreads
from .cluster import _ray_options
from .cluster._executor import ClusterExecutor, check_terms
from .cluster._needs import engine_module
from .cluster._ray_home import Joined, connect


class RayExecutor(ClusterExecutor):
    """Runs tasks on a Ray cluster; a `concurrent.futures.Executor`, and a `mode` to keep open.

    Each task that runs at the same time has an actor; the task itself runs in a process of ours
    beside it, so that a crash or an overdue task costs nothing else. In a task, Ray's own
    functions are not connected to the cluster.

    Args:
        address: where: the address of a cluster, as in "10.0.0.1:6379", or "auto" for the one that
            runs on this machine. By default the program's own connection if `ray.init` was
            called, or that of another RayExecutor that is open, else the cluster that RAY_ADDRESS
            names, else one on this machine, which ends with the last executor that uses it.
        max_workers: how many tasks at once; by default as many as the cluster has CPUs.
        init_options: what `ray.init` takes beside the address, as in `{"runtime_env": {...}}`.
        actor_options: what an actor's `options` take, as in `{"num_gpus": 1}`. By default each asks
            for one CPU, or for its part where there are more actors than CPUs; for none on a
            cluster that was started for executors, unless *init_options* give "num_cpus".
        initializer: is called in each process before its first task; if it raises, what was to
            run there ends with InitializerError.
        initargs: what it is called with.
        max_tasks_per_child: after so many tasks a process is replaced by a new one.
        max_memory_per_child: the size above which a process is replaced; see `ProcessExecutor`.
        inner_threads: how many threads native libraries may use; see `ProcessExecutor`.
        propagate: context variables whose values, where a run or a call begins, its tasks see.

    Raises:
        ModeUnavailableError: when Ray is not installed, or no cluster answers.
        TypeError: when an option is not of the type that Ray wants.
        ValueError: when an option is not known or not the caller's to choose, or when an address
            is given and the program is connected already, in another way.

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
        _ray_options.check_address(address)
        engine_module("ray", "ray")
        to_init = _ray_options.init_options(init_options)
        to_actors = _ray_options.actor_options(actor_options)
        from .cluster._ray import RayEngine

        joined = _connect(address, to_init, workers)
        try:
            size = workers or joined.size
            engine = RayEngine(terms, size, to_actors, joined)
            self._engage(engine, terms, size, variables)
        except BaseException:
            joined.leave()
            raise


def _connect(address: str | None, options: dict[str, Any], workers: int | None) -> Joined:
    """Connect this program to a cluster, a new one if need be."""
    return connect(address, options, workers)
