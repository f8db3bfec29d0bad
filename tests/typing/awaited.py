"""The async twin: the same types, to be awaited."""

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, assert_type

from sample import HERE, Client, parse, ping, ready, size

from concurkit import Outcome, Task, aio
from concurkit.typing import OnError

client = Client()
i, s = Task(size, HERE), Task(str, 1)


async def values(iterator: Iterator[Coroutine[Any, Any, bytes]]) -> None:
    assert_type(await aio.run_concurrently([Task(len, "a")], mode="thread"), list[int])
    assert_type(await aio.run_concurrently(Task.map(parse, [HERE])), list[list[str]])
    assert_type(await aio.run_concurrently([ready]), list[bool])
    assert_type(await aio.run_concurrently([lambda: size(HERE)]), list[int])
    assert_type(await aio.run_concurrently([partial(parse, HERE)]), list[list[str]])
    assert_type(await aio.run_concurrently([client.fetch]), list[bytes])
    assert_type(await aio.run_concurrently([ping(), ping()]), list[float])
    assert_type(await aio.run_concurrently(iterator), list[bytes])
    assert_type(await aio.run_concurrently([i], on_error="group"), list[int])


async def shapes(several: tuple[Task[int], ...], by_number: dict[int, Callable[[], str]]) -> None:
    assert_type(await aio.run_concurrently((i,)), tuple[int])
    assert_type(await aio.run_concurrently((i, s, ping())), tuple[int, str, float])
    assert_type(await aio.run_concurrently((ping, client.fetch)), tuple[float, bytes])
    assert_type(
        await aio.run_concurrently((i, s, i, s, i, s, i, s)),
        tuple[int, str, int, str, int, str, int, str],
    )
    assert_type(await aio.run_concurrently((i, s, i, s, i, s, i, s, i)), tuple[Any, ...])
    assert_type(await aio.run_concurrently(several), tuple[int, ...])
    assert_type(await aio.run_concurrently({"i": i}), dict[str, int])
    assert_type(await aio.run_concurrently({"p": ping}), dict[str, float])
    assert_type(await aio.run_concurrently(by_number), dict[int, str])


async def outcomes(on_error: OnError) -> None:
    assert_type(await aio.run_concurrently([i], on_error="collect"), list[Outcome[int]])
    assert_type(
        await aio.run_concurrently((i, s), on_error="collect"),
        tuple[Outcome[int], Outcome[str]],
    )
    assert_type(
        await aio.run_concurrently({"p": ping}, on_error="collect"), dict[str, Outcome[float]]
    )
    assert_type(
        await aio.run_concurrently([i], on_error=on_error),
        list[int] | list[Outcome[int]],
    )
