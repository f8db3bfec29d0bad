"""What a task costs in memory: while it waits for its turn, and once it is done."""

from collections.abc import Callable
from pathlib import Path

from harness.model import Contender, Extras, Kind, Scenario, from_extra

from ._programs import output

PROGRAM = Path(__file__).with_name("_memory_program.py")


def _contender(what: str) -> Callable[..., Contender]:
    def contender(
        name: str, settings: str, library: str, kind: Kind = "peer", share: float = 1.0
    ) -> Contender:
        def run(tasks: int) -> str:
            return output(PROGRAM, what, library, str(tasks))

        return Contender(name, settings, run, kind=kind, share=share)

    return contender


def _bytes(printed: str, tasks: int) -> Extras:
    return {"bytes each": float(printed) / tasks}


def _scenario(name: str, title: str, contenders: tuple[Contender, ...]) -> Scenario:
    return Scenario(
        name=name,
        title=title,
        metric=from_extra("bytes each", "bytes a task"),
        tasks=20_000,
        quick_tasks=5_000,
        warm_up=0,
        repeats=1,
        check=_bytes,
        contenders=contenders,
    )


pending, kept = _contender("pending"), _contender("kept")

PENDING = _scenario(
    "memory-pending",
    "memory that a pending task takes: 2 tasks run, all others wait; as Python counts its own",
    (
        pending("concurkit", 'Task.map, mode="thread"', "ours-map", "ours"),
        pending("concurkit", 'list of Task, mode="thread"', "ours-list", "ours"),
        pending("concurkit", "ThreadExecutor.submit", "ours-submit", "ours"),
        pending("concurkit", 'Task.map, mode="async"', "ours-async", "ours"),
        pending("ThreadPoolExecutor.submit", "default", "executor-submit"),
        pending("ThreadPoolExecutor.map", "default", "executor-map"),
        pending("mp ThreadPool.map", "chunksize=1", "thread-pool-map"),
        pending("mp ThreadPool.apply_async", "default", "thread-pool-apply"),
        pending("joblib", 'backend="threading"', "joblib"),
        pending("pebble ThreadPool.schedule", "default", "pebble"),
        pending("streamable map", "concurrency=2", "streamable"),
        pending("gather + Semaphore", "default", "gather"),
        pending("aiometer run_all", "max_at_once=2", "aiometer"),
        pending("anyio task group", "CapacityLimiter", "anyio", share=0.2),
    ),
)

KEPT = _scenario(
    "memory-kept",
    "memory that a finished task takes while its outcome is kept; as Python counts its own",
    (
        kept("concurkit", 'on_error="collect": a Success each', "ours-outcomes", "ours"),
        kept("concurkit", "values", "ours-values", "ours"),
        kept("concurkit", "ThreadExecutor.submit: a future each", "ours-futures", "ours"),
        kept("ThreadPoolExecutor.submit", "a future each", "executor-submit"),
        kept("mp ThreadPool.apply_async", "an AsyncResult each", "thread-pool-apply"),
        kept("pebble ThreadPool.schedule", "a future each", "pebble"),
        kept("asyncio.create_task", "a Task each", "asyncio-tasks"),
        kept("for loop", "values", "loop", "floor"),
    ),
)

SCENARIOS = (PENDING, KEPT)
