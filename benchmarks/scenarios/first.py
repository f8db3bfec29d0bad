"""What the first call on threads takes, once the import is done."""

from pathlib import Path

from harness.model import Contender, Extras, Kind, Scenario, from_extra

from ._programs import output

PROGRAM = Path(__file__).with_name("_first_program.py")


def _contender(name: str, settings: str, library: str, kind: Kind = "peer") -> Contender:
    def run(_: int) -> str:
        return output(PROGRAM, library)

    return Contender(name, settings, run, kind=kind)


def _times(printed: str, _: int) -> Extras:
    imported, first, later = (float(word) * 1e3 for word in printed.split())
    return {"first, ms": first, "later, ms": later, "import, ms": imported}


FIRST_THREAD = Scenario(
    name="first-thread",
    title="the first call on threads in a fresh program, 2 tasks; the import is done before",
    metric=from_extra("first, ms", "ms"),
    tasks=2,
    quick_tasks=2,
    warm_up=1,
    repeats=1,
    limit=30.0,
    check=_times,
    columns=("later, ms", "import, ms"),
    drawn=("later, ms",),
    contenders=(
        _contender("concurkit", 'mode="thread"', "ours", "ours"),
        _contender("concurkit", "ThreadExecutor, kept", "ours-kept", "ours"),
        _contender("concurkit", 'mode="serial"', "ours-serial", "ours"),
        _contender("ThreadPoolExecutor.map", "one each time", "executor"),
        _contender("mp ThreadPool.map", "one each time", "thread-pool"),
        _contender("joblib", 'backend="threading"', "joblib"),
        _contender("pebble ThreadPool.map", "one each time", "pebble"),
        _contender("mpire map", 'start_method="threading"', "mpire"),
        _contender("streamable map", "concurrency=2", "streamable"),
        _contender("anyio to_thread", "a loop each time", "anyio"),
        _contender("asyncio.gather", "to_thread, a loop each time", "asyncio"),
        _contender("dask.delayed", "threads", "dask"),
    ),
)

SCENARIOS = (FIRST_THREAD,)
