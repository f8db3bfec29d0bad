"""What a stream gives, whatever the input's shape: values, or outcomes if it collects."""

from collections.abc import Iterator
from typing import assert_type

from sample import HERE, Client, parse, ping, ready, size

from concurkit import Outcome, Retry, Run, Stats, Task, aio, iter_concurrently
from concurkit.typing import StreamOptions

client = Client()
i = Task(size, HERE)


def values(iterator: Iterator[Task[bytes]]) -> None:
    assert_type(iter_concurrently([i]), Run[int])
    assert_type(iter_concurrently(Task.map(parse, [HERE]), mode="process"), Run[list[str]])
    assert_type(iter_concurrently([ready], ordered=True), Run[bool])
    assert_type(iter_concurrently([client.fetch], buffersize=9), Run[bytes])
    assert_type(iter_concurrently(iterator, on_error="group"), Run[bytes])
    assert_type(iter_concurrently({"p": ping}, retry=2), Run[float])
    assert_type(iter_concurrently((i, i), max_per_second=5), Run[int])


def outcomes() -> None:
    assert_type(iter_concurrently([i], on_error="collect"), Run[Outcome[int]])
    assert_type(iter_concurrently([ping], on_error="collect"), Run[Outcome[float]])
    assert_type(iter_concurrently({1: i}, on_error="collect"), Run[Outcome[int]])


def reading(options: StreamOptions) -> None:
    with iter_concurrently([i], **options) as run:
        assert_type(run, Run[int])
        for value in run:
            assert_type(value, int)
        assert_type(next(run), int)
        assert_type(run.stats, Stats)
        assert_type(list(run), list[int])


async def awaiting() -> None:
    assert_type(aio.iter_concurrently([ping]), aio.Run[float])
    assert_type(aio.iter_concurrently(Task.map(parse, [HERE])), aio.Run[list[str]])
    assert_type(aio.iter_concurrently([i], on_error="collect"), aio.Run[Outcome[int]])
    async with aio.iter_concurrently([ready], retry=Retry(on=OSError)) as run:
        assert_type(run, aio.Run[bool])
        async for value in run:
            assert_type(value, bool)
        assert_type(run.stats, Stats)
