"""What an import costs over an interpreter that does nothing."""

import statistics
import time

from harness.model import Contender, Extras, Kind, Scenario, from_extra

from ._programs import output

NOTHING = "pass"


def _milliseconds(program: str) -> float:
    start = time.perf_counter()
    output("-I", "-c", program)
    return (time.perf_counter() - start) * 1e3


def _modules(program: str) -> int:
    return int(output("-I", "-c", f"{program}\nimport sys; print(len(sys.modules))"))


def _contender(program: str, kind: Kind = "peer") -> Contender:
    def run(tasks: int) -> Extras:
        pairs = [(_milliseconds(NOTHING), _milliseconds(program)) for _ in range(tasks)]
        nothing, something = (statistics.median(times) for times in zip(*pairs, strict=True))
        modules = _modules(program) - _modules(NOTHING)
        return {"ms": something - nothing, "modules": float(modules), "nothing, ms": nothing}

    return Contender(program, "-", run, kind=kind)


IMPORTS = Scenario(
    name="import",
    title="time to import, over a Python that does nothing",
    metric=from_extra("ms", "ms"),
    tasks=9,
    quick_tasks=3,
    warm_up=1,
    repeats=1,
    check=lambda found, _: dict(found),
    columns=("modules", "nothing, ms"),
    contenders=(
        _contender("import concurkit", "ours"),
        _contender("from concurkit import run_concurrently", "ours"),
        _contender("import concurrent.futures"),
        _contender("from concurrent.futures import ProcessPoolExecutor"),
        _contender("import multiprocessing.pool"),
        _contender("import asyncio"),
        _contender("import anyio"),
        _contender("import trio"),
        _contender("import joblib"),
        _contender("import loky"),
        _contender("import pebble"),
        _contender("import mpire"),
        _contender("import streamable"),
        _contender("import aiometer"),
        _contender("import dask"),
        _contender("import dask.distributed"),
        _contender("import ray"),
    ),
)

SCENARIOS = (IMPORTS,)
