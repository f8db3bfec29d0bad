"""What a task of a long stream costs, and how much memory the stream takes."""

from pathlib import Path

from harness.model import Contender, Extras, Kind, Scenario, WrongResultError, from_extra

from ._programs import output

PROGRAM = Path(__file__).with_name("_stream_program.py")


def _contender(
    name: str, settings: str, library: str, kind: Kind = "peer", share: float = 1.0
) -> Contender:
    def run(tasks: int) -> str:
        return output(PROGRAM, library, str(tasks))

    return Contender(name, settings, run, kind=kind, share=share)


def _figures(printed: str, tasks: int) -> Extras:
    counted, seconds, megabytes = printed.split()
    if int(counted) != tasks:
        raise WrongResultError(f"{counted} results of {tasks} tasks")
    return {"µs a task": float(seconds) / tasks * 1e6, "peak MB above start": float(megabytes)}


STREAM = Scenario(
    name="stream",
    title="1,000,000 no-op calls from a generator, read as a stream, 2 workers, in a fresh program",
    metric=from_extra("µs a task", "µs a task"),
    tasks=1_000_000,
    quick_tasks=20_000,
    warm_up=100,
    repeats=1,
    check=_figures,
    columns=("peak MB above start",),
    drawn=("peak MB above start",),
    contenders=(
        _contender("concurkit", 'mode="thread"', "ours-thread", "ours"),
        _contender("concurkit", 'mode="serial"', "ours-serial", "ours"),
        _contender("concurkit", 'mode="process"', "ours-process", "ours"),
        _contender("concurkit", 'mode="async"', "ours-async", "ours"),
        _contender("concurkit", "aio, async for", "ours-awaited", "ours"),
        _contender("ThreadPoolExecutor.map", "default, not bounded", "executor-map", share=0.2),
        _contender("mp ThreadPool.imap", "chunksize=1000, not bounded", "thread-pool-imap"),
        _contender("mp Pool.imap", "chunksize=1000, not bounded", "pool-imap"),
        _contender(
            "ProcessPoolExecutor.map", "chunksize=1000, not bounded", "process-executor-map"
        ),
        _contender("joblib", "threading, generator, batch_size=1000", "joblib"),
        _contender("joblib", "loky, generator, not bounded", "joblib-processes"),
        _contender("pebble ThreadPool.map", "chunksize=1000, not bounded", "pebble"),
        _contender("mpire imap", 'start_method="threading"', "mpire-threads"),
        _contender("mpire imap", 'start_method="fork"', "mpire-processes"),
        _contender("aiometer amap", "max_at_once=2, needs a sequence", "aiometer", share=0.1),
        _contender("streamable map", "concurrency=2", "streamable", share=0.2),
        _contender("streamable map", "async, concurrency=2", "streamable-async", share=0.2),
    ),
)

SCENARIOS = (STREAM,)
