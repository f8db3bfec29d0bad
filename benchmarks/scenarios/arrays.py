"""What it costs to give NumPy arrays to two processes: one for many tasks, or one for each."""

from collections.abc import Callable
from pathlib import Path

from harness.model import Contender, Extras, Kind, Scenario, from_extra

from ._programs import output

PROGRAM = Path(__file__).with_name("_arrays_program.py")

SLICE_MB = 6.25
EACH_MB = 8


def _contender(
    what: str,
    name: str,
    settings: str,
    library: str,
    kind: Kind = "peer",
    rounds: int | None = None,
) -> Contender:
    def run(tasks: int) -> str:
        return output(PROGRAM, what, library, str(tasks))

    return Contender(name, settings, run, kind=kind, rounds=rounds)


def _times(printed: str, megabytes: float) -> Extras:
    first, again, change = printed.split()
    seconds = float(first)
    found: Extras = {
        "first, ms": seconds * 1e3,
        "again, ms": float(again) * 1e3 if again != "spared" else again,
        "GB/s": megabytes / 1e3 / seconds,
        "sees a change": change,
    }
    return found


def _shared(printed: str, tasks: int) -> Extras:
    return _times(printed, SLICE_MB * tasks * tasks)


def _back(printed: str, tasks: int) -> Extras:
    return _times(printed, 2.0 * EACH_MB * tasks)


def _scenario(
    name: str,
    title: str,
    check: Callable[[str, int], Extras],
    contenders: tuple[Contender, ...],
) -> Scenario:
    return Scenario(
        name=name,
        title=title,
        metric=from_extra("first, ms", "ms"),
        tasks=32,
        quick_tasks=8,
        warm_up=0,
        repeats=1,
        limit=150.0,
        check=check,
        columns=("again, ms", "GB/s", "sees a change"),
        drawn=("again, ms",),
        reference="ProcessPoolExecutor",
        contenders=contenders,
    )


SHARED = _scenario(
    "arrays-shared",
    "one array of 200 MB to 32 tasks that sum a slice of it, on 2 processes",
    _shared,
    (
        _contender("shared", "concurkit", 'mode="process" each time', "ours-each-time", "ours"),
        _contender("shared", "concurkit", "ProcessExecutor(2), kept", "ours-kept", "ours"),
        _contender("shared", "ProcessPoolExecutor", "forkserver, kept", "executor", rounds=2),
        _contender("shared", "mp Pool.starmap", "forkserver, kept", "mp-pool"),
        _contender("shared", "joblib", "default (memmap), kept", "joblib"),
        _contender("shared", "loky map", "reusable executor", "loky", rounds=2),
        _contender("shared", "pebble ProcessPool.map", "default, kept", "pebble", rounds=2),
        _contender("shared", "dask client.scatter", "broadcast=True, kept", "dask-scatter"),
        _contender("shared", "ray", "ray.put once, kept", "ray-put"),
        _contender("shared", "ray", "an argument of each task, kept", "ray", rounds=3),
        _contender("shared", "mpire shared_objects", "fork, one each time", "mpire"),
        _contender("shared", "SharedMemory", "by hand, names to a warm pool", "hand", "limit"),
        _contender("shared", "for loop", "no concurrency", "loop", "floor"),
    ),
)

BACK = _scenario(
    "arrays-back",
    "32 arrays of 8 MB there, each plus one back, on 2 processes",
    _back,
    (
        _contender("back", "concurkit", "ProcessExecutor(2), kept", "ours-kept", "ours"),
        _contender("back", "concurkit", 'mode="process" each time', "ours-each-time", "ours"),
        _contender("back", "ProcessPoolExecutor", "forkserver, kept", "executor"),
        _contender("back", "mp Pool.map", "forkserver, kept", "mp-pool"),
        _contender("back", "mp Pool.map", "forkserver, kept, chunksize=1", "mp-pool-singly"),
        _contender("back", "joblib", "default (memmap), kept", "joblib"),
        _contender("back", "loky map", "reusable executor", "loky"),
        _contender("back", "mpire map", "default, kept", "mpire"),
        _contender("back", "pebble ProcessPool.map", "default, kept", "pebble"),
        _contender("back", "dask client.map", "LocalCluster, kept", "dask"),
        _contender("back", "ray", "an argument of each task, kept", "ray"),
        _contender("back", "SharedMemory", "by hand, names to a warm pool", "hand", "limit"),
        _contender("back", "for loop", "no concurrency", "loop", "floor"),
    ),
)

SCENARIOS = (SHARED, BACK)
