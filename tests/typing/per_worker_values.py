"""What `per_worker` gives: the value of its factory, entered, and awaited if that is async."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Self, assert_type

from sample import Client, ping, ready

from concurkit import PerWorker, Task, per_worker, run_concurrently


class Session:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None: ...


class Lease:
    def __enter__(self) -> int:
        return 1

    def __exit__(self, *error: object) -> None: ...


async def log_in() -> Session:
    return Session()


async def lease() -> Lease:
    return Lease()


@per_worker
def decorated() -> Client:
    return Client()


@per_worker
async def awaited() -> Client:
    return Client()


@per_worker
@contextmanager
def managed() -> Generator[Client]:
    yield Client()


@per_worker
@asynccontextmanager
async def managed_in_loop() -> AsyncGenerator[Client]:
    yield Client()


def sync_factories() -> None:
    assert_type(decorated(), Client)
    assert_type(per_worker(Client)(), Client)
    assert_type(per_worker(ready)(), bool)
    assert_type(per_worker(lambda: {"a": 1})(), dict[str, int])
    assert_type(per_worker(Session)(), Session)


def context_managers() -> None:
    assert_type(managed(), Client)
    assert_type(per_worker(Lease)(), int)
    assert_type(per_worker(partial(sqlite3.connect, ":memory:"))(), sqlite3.Connection)


async def async_factories() -> None:
    assert_type(awaited, PerWorker[Coroutine[Any, Any, Client]])
    assert_type(await awaited(), Client)
    assert_type(await per_worker(ping)(), float)
    assert_type(await managed_in_loop(), Client)
    assert_type(await per_worker(log_in)(), Session)
    assert_type(await per_worker(lease)(), int)


def as_values() -> None:
    of_clients: PerWorker[Client] = decorated
    called: Callable[[], Client] = decorated
    assert_type(run_concurrently([Task(decorated)]), list[Client])
    assert_type(run_concurrently([of_clients]), list[Client])
    assert_type(run_concurrently([called]), list[Client])


def wrong_calls() -> None:
    per_worker(Client())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    per_worker(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    per_worker(sqlite3.connect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    decorated(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
