"""The ways to map over two warm processes of a cluster's library, on this machine alone."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ._processes import WORKERS, Function, Values, Way


@contextmanager
def ray() -> Iterator[Any]:
    """Its folder goes with it: a killed session of Ray leaves files, even locks, behind."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(
            num_cpus=WORKERS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
        yield ray
        ray.shutdown()


@contextmanager
def dask() -> Iterator[Any]:
    from dask import config
    from dask.distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="dask", ignore_cleanup_errors=True) as folder,
        config.set(temporary_directory=folder),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.FATAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def dask_unforgiving() -> Iterator[Any]:
    """A task that ends its worker is not tried again."""
    from dask import config

    with config.set({"distributed.scheduler.allowed-failures": 0}), dask() as client:
        yield client


@contextmanager
def ours_on_dask() -> Iterator[Any]:
    from concurkit import DaskExecutor

    with dask() as client, DaskExecutor(client) as executor:
        _warm(executor)
        yield executor


@contextmanager
def ours_on_ray() -> Iterator[Any]:
    from concurkit import RayExecutor

    with ray(), RayExecutor(max_workers=WORKERS) as executor:
        _warm(executor)
        yield executor


def _warm(executor: Any) -> None:
    """Start the processes there, as those of the engines are started."""
    for future in [executor.submit(time.sleep, 0.3) for _ in range(WORKERS)]:
        future.result()


def _ours(executor: Any, function: Function, values: Values) -> Any:
    from concurkit import Task, run_concurrently

    return run_concurrently(Task.map(function, values), mode=executor)


def _ray(pool: Any, function: Function, values: Values) -> Any:
    remote = pool.remote(function)
    return pool.get([remote.remote(value) for value in values])


def _ray_chunks(pool: Any, function: Function, values: Values) -> Any:
    def whole(part: Values) -> list[int]:
        return [function(value) for value in part]

    remote = pool.remote(whole)
    parts = [values[start : start + 1000] for start in range(0, len(values), 1000)]
    chunks = pool.get([remote.remote(part) for part in parts])
    return [result for chunk in chunks for result in chunk]


def _dask_map(client: Any, function: Function, values: Values) -> Any:
    return client.gather(client.map(function, values, pure=False))


def _dask_bag(client: Any, function: Function, values: Values) -> Any:
    from dask import bag

    return (
        bag.from_sequence(values, npartitions=4 * WORKERS).map(function).compute(scheduler=client)
    )


OURS_ON_DASK = Way("concurkit", "DaskExecutor, kept", _ours, ours_on_dask, "ours")
OURS_ON_RAY = Way("concurkit", "RayExecutor, kept", _ours, ours_on_ray, "ours")
RAY = Way("ray", "remote for each task", _ray, ray)
RAY_CHUNKS = Way("ray", "remote for each 1000 tasks", _ray_chunks, ray)
DASK_MAP = Way("dask client.map", "LocalCluster", _dask_map, dask)
DASK_BAG = Way("dask bag.map", "LocalCluster, 4 partitions a worker", _dask_bag, dask)
