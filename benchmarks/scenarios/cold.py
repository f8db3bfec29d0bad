"""How long the first results take in a fresh program, and the second ones."""

from pathlib import Path

from harness.model import Contender, Extras, Kind, Scenario, from_extra

from ._programs import output

PROGRAM = Path(__file__).with_name("_cold_program.py")


def _contender(
    name: str, settings: str, library: str, kind: Kind = "peer", rounds: int | None = None
) -> Contender:
    def run(_: int) -> str:
        return output(PROGRAM, library)

    return Contender(name, settings, run, kind=kind, rounds=rounds)


def _times(printed: str, _: int) -> Extras:
    imported, first, second, later, closing = (float(word) * 1e3 for word in printed.split())
    return {
        "first, ms": first,
        "import, ms": imported,
        "second, ms": second,
        "later, ms": later,
        "first / second": first / second,
        "closing, ms": closing,
    }


COLD = Scenario(
    name="cold",
    title="2 results from 2 processes in a fresh program, import included; then 2 more",
    metric=from_extra("first, ms", "ms"),
    tasks=2,
    quick_tasks=2,
    warm_up=1,
    repeats=1,
    limit=30.0,
    check=_times,
    columns=("import, ms", "second, ms", "first / second", "later, ms", "closing, ms"),
    drawn=("later, ms",),
    reference="ProcessPoolExecutor, forkserver",
    contenders=(
        _contender("concurkit", 'mode="process" each time', "ours-per-call", "ours"),
        _contender("concurkit", "ProcessExecutor(2), kept", "ours-kept", "ours"),
        _contender("concurkit", "a function of __main__", "ours-from-main", "ours"),
        _contender("ProcessPoolExecutor, forkserver", "one each time", "executor-forkserver"),
        _contender("ProcessPoolExecutor, forkserver", "kept", "executor-forkserver-kept"),
        _contender("ProcessPoolExecutor, spawn", "one each time", "executor-spawn"),
        _contender("ProcessPoolExecutor, fork", "one each time", "executor-fork"),
        _contender("mp Pool", "fork, kept", "pool-fork"),
        _contender("mp Pool", "forkserver, kept", "pool-forkserver"),
        _contender("loky", "reusable executor", "loky"),
        _contender("joblib", "Parallel each time", "joblib"),
        _contender("pebble ProcessPool", "default, kept", "pebble"),
        _contender("mpire WorkerPool", "default, kept", "mpire"),
        _contender("anyio to_process", "a loop each time", "anyio"),
        _contender("dask LocalCluster", "kept", "dask", rounds=3),
        _contender("ray", "kept", "ray", rounds=3),
    ),
)

SCENARIOS = (COLD,)
