"""Calls that must be errors, in both checkers: an ignore that is not needed is an error itself."""

from sample import HERE, ping, size

from concurkit import Task, aio, run_concurrently
from concurkit.typing import Mode, Runnable, RunOptions

i = Task(size, HERE)


class Deaf:
    """No observer: it is not told anything."""


def tasks() -> None:
    Task(size)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Task(size, "path")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Task(size, path=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Task(size(HERE))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Task.map(size, ["path"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Task.map(size, HERE)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([size])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([size(HERE)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently(["size"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently("size")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently(i)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently(size)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently((i, 1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently({"i": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def options() -> None:
    run_concurrently([i], on_error="nope")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], on_error=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], timeout="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], max_workers=2.5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], chunksize="big")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], mode=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], mode=size)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], require_stop="stop")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], observers=Deaf())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], observers=[Deaf()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], observers=[print])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], progress=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    run_concurrently([i], max_worker=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    run_concurrently([i], "thread")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    run_concurrently((i, i), on_error="collect", timeout="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def awaited() -> None:
    await aio.run_concurrently([size])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await aio.run_concurrently([i], on_error="nope")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await aio.run_concurrently([i], timeout="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await aio.run_concurrently([i], "thread")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def results() -> None:
    a: list[str] = run_concurrently([i])  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    b: list[int] = run_concurrently([i], on_error="collect")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    c: tuple[int, int] = run_concurrently((i,))  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    d: list[int] = run_concurrently((i, i))  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    e: list[int] = aio.run_concurrently([i])  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(a, b, c, d, e)


def annotations() -> None:
    f: Mode = "nope"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    g: RunOptions = {"timeout": "3"}  # type: ignore[typeddict-item]  # pyright: ignore[reportAssignmentType]
    h: Runnable[int] = ping  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(f, g, h)
