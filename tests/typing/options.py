"""The keyword arguments, and annotations of the user's own made of `concurkit.typing`."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar, Unpack, assert_type

from rich.progress import Progress
from sample import HERE, parse, ping, size

from concurkit import (
    AsyncExecutor,
    Outcome,
    ProcessExecutor,
    SerialExecutor,
    Success,
    Task,
    ThreadExecutor,
    aio,
    iter_concurrently,
    register_mode,
    run_concurrently,
)
from concurkit.observers import Event, Observer, RunEnded, TaskEnded, TasksEnded
from concurkit.typing import Executor as AnyExecutor
from concurkit.typing import Mode, Runnable, RunOptions

T = TypeVar("T")
i = Task(size, HERE)


def modes(known: Mode, registered: str, executor: Executor) -> None:
    assert_type(run_concurrently([i], mode="auto"), list[int])
    assert_type(run_concurrently([i], mode="serial"), list[int])
    assert_type(run_concurrently([i], mode="process"), list[int])
    assert_type(run_concurrently([i], mode="dask"), list[int])
    assert_type(run_concurrently([i], mode=known), list[int])
    assert_type(run_concurrently([i], mode=registered), list[int])
    assert_type(run_concurrently([i], mode=executor), list[int])


def executors() -> None:
    with ThreadExecutor(2) as threads, ProcessExecutor(start_method="spawn") as processes:
        assert_type(run_concurrently([i], mode=threads), list[int])
        assert_type(run_concurrently((i, ping()), mode=processes), tuple[int, float])
    with AsyncExecutor(backend="trio") as loop, ThreadPoolExecutor() as pool:
        assert_type(run_concurrently([i], mode=loop, on_error="collect"), list[Outcome[int]])
        assert_type(run_concurrently([i], mode=pool), list[int])
    assert_type(SerialExecutor().submit(size, HERE), Future[int])
    assert_type(ThreadExecutor().submit(parse, HERE, encoding="ascii"), Future[list[str]])


class Odd:
    """Only what is asked of an executor."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise NotImplementedError

    def shutdown(self, wait: bool = True) -> None:
        """Nothing to end."""


def any_executor(executor: AnyExecutor) -> None:
    assert_type(run_concurrently([i], mode=executor, require_stop="kill"), list[int])
    assert_type(run_concurrently([i], mode=Odd(), require_stop=None), list[int])
    register_mode("odd", Odd)
    register_mode("pool", ThreadPoolExecutor)
    register_mode("ours", lambda **given: ThreadExecutor(**given))


def numbers() -> None:
    run_concurrently([i], max_workers=2, timeout=3, chunksize=10)
    run_concurrently([i], max_workers=None, timeout=0.5, chunksize="auto")
    run_concurrently([i], timeout=None)


class Counter:
    """Only what is asked of an observer; what it returns is of no account."""

    def __init__(self) -> None:
        self.ended = 0

    def on_event(self, event: Event) -> int:
        match event:
            case TaskEnded():
                assert_type(event.error, BaseException | None)
                self.ended += 1
            case TasksEnded():
                self.ended += len(event.indices)
            case RunEnded(stats=stats):
                assert_type(stats.done, int)
            case _:
                assert_type(event.run, int)
        return self.ended


def observed(several: list[Counter], any_of_them: Iterable[Observer]) -> None:
    assert_type(run_concurrently([i], progress=True, observers=[Counter()]), list[int])
    assert_type(run_concurrently((i,), observers=several, on_error="collect"), tuple[Outcome[int]])
    assert_type(list(iter_concurrently([i], observers=any_of_them, progress=False)), list[int])
    observer: Observer = Counter()
    run_concurrently([i], observers=(observer, Counter()))
    assert_type(run_concurrently([i], progress="sizes"), list[int])
    assert_type(list(iter_concurrently([i], progress=Progress())), list[int])


async def observed_and_awaited(observer: Observer) -> None:
    assert_type(await aio.run_concurrently([i], progress=True, observers=[observer]), list[int])
    assert_type(await aio.run_concurrently([i], progress=Progress()), list[int])
    async with aio.iter_concurrently([i], observers=[observer], progress="sizes") as run:
        assert_type(run, aio.Run[int])


def handed_on(tasks: Iterable[Runnable[T]], **options: Unpack[RunOptions]) -> list[T]:
    outcomes = run_concurrently(tasks, on_error="collect", **options)
    assert_type(outcomes, list[Outcome[T]])
    return [outcome.value for outcome in outcomes if isinstance(outcome, Success)]


async def handed_on_and_awaited(tasks: list[Runnable[T]], **options: Unpack[RunOptions]) -> list[T]:
    return await aio.run_concurrently(tasks, **options)


def any_runnable() -> list[Runnable[Any]]:
    tasks: list[Runnable[float]] = [ping, ping(), lambda: 0.5, Task(float, "1")]
    assert_type(run_concurrently(tasks), list[float])
    assert_type(handed_on([i], mode="thread", timeout=1), list[int])
    return [*tasks, *Task.map(parse, [HERE])]


def arguments_from_a_dict(arguments: dict[str, Any]) -> list[int]:
    return run_concurrently([i], **arguments)
