"""What a run returns: the values that its tasks give, in the shape of its input."""

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, assert_type

from sample import HERE, Client, nothing, parse, ping, ready, size

from concurkit import Task, run_concurrently

client = Client()


# ---- every kind of task


def tasks() -> None:
    assert_type(run_concurrently([Task(len, "a")], mode="thread"), list[int])
    assert_type(run_concurrently([Task(size, HERE), Task(size, HERE)]), list[int])
    assert_type(run_concurrently([Task(parse, HERE, encoding="ascii")]), list[list[str]])
    assert_type(run_concurrently([Task(nothing).named("nothing")]), list[None])


def maps() -> None:
    assert_type(run_concurrently(Task.map(size, [HERE])), list[int])
    assert_type(run_concurrently(Task.map(parse, [HERE])), list[list[str]])
    assert_type(run_concurrently(Task.map(parse, [HERE], ["ascii"])), list[list[str]])
    assert_type(run_concurrently(Task.map(lambda path: parse(path), [HERE])), list[list[str]])


def callables() -> None:
    assert_type(run_concurrently([ready, ready]), list[bool])
    assert_type(run_concurrently([lambda: size(HERE)]), list[int])
    assert_type(run_concurrently([partial(size, HERE)]), list[int])
    assert_type(run_concurrently([client.name]), list[str])
    assert_type(run_concurrently([dict[str, int]]), list[dict[str, int]])


def async_callables() -> None:
    assert_type(run_concurrently([ping, ping]), list[float])
    assert_type(run_concurrently([lambda: parse(HERE)]), list[list[str]])
    assert_type(run_concurrently([partial(parse, HERE)]), list[list[str]])
    assert_type(run_concurrently([client.fetch]), list[bytes])


def coroutine_objects() -> None:
    assert_type(run_concurrently([ping(), ping()], mode="async"), list[float])
    assert_type(run_concurrently((parse(path) for path in [HERE]), mode="async"), list[list[str]])


# ---- every shape of input


def iterables(
    listed: list[Task[int]],
    unique: set[Callable[[], str]],
    iterator: Iterator[Coroutine[Any, Any, bytes]],
) -> None:
    assert_type(run_concurrently(listed), list[int])
    assert_type(run_concurrently(unique), list[str])
    assert_type(run_concurrently(iterator), list[bytes])
    assert_type(run_concurrently(Task(size, path) for path in [HERE]), list[int])
    assert_type(run_concurrently([Task(size, path) for path in [HERE]]), list[int])
    assert_type(run_concurrently(partial(size, path) for path in [HERE]), list[int])
    assert_type(run_concurrently({"a": Task(size, HERE)}.values()), list[int])


def tuples() -> None:
    i, s, p, b = Task(size, HERE), Task(str, 1), Task(parse, HERE), Task(bytes, 1)
    assert_type(run_concurrently((i,)), tuple[int])
    assert_type(run_concurrently((i, s)), tuple[int, str])
    assert_type(run_concurrently((i, s, p)), tuple[int, str, list[str]])
    assert_type(run_concurrently((i, s, p, b)), tuple[int, str, list[str], bytes])
    assert_type(run_concurrently((i, s, p, b, i)), tuple[int, str, list[str], bytes, int])
    assert_type(
        run_concurrently((i, s, i, s, i, s)),
        tuple[int, str, int, str, int, str],
    )
    assert_type(
        run_concurrently((i, s, i, s, i, s, i)),
        tuple[int, str, int, str, int, str, int],
    )
    assert_type(
        run_concurrently((i, s, i, s, i, s, i, s)),
        tuple[int, str, int, str, int, str, int, str],
    )
    assert_type(run_concurrently((i, s, i, s, i, s, i, s, i)), tuple[Any, ...])
    assert_type(run_concurrently((i, s, i, s, i, s, i, s, i, s)), tuple[Any, ...])


def tuples_of_other_tasks(several: tuple[Task[int], ...]) -> None:
    assert_type(run_concurrently((ready, lambda: size(HERE))), tuple[bool, int])
    assert_type(run_concurrently((client.name, Task(ping), ping())), tuple[str, float, float])
    assert_type(run_concurrently((ping, client.fetch)), tuple[float, bytes])
    assert_type(run_concurrently((ping, Task(size, HERE))), tuple[float, int])
    assert_type(
        run_concurrently((ping, ping, ping, ping, ping, ping, ping, client.fetch))[7], bytes
    )
    assert_type(run_concurrently(several), tuple[int, ...])
    assert_type(run_concurrently(tuple(Task(size, path) for path in [HERE])), tuple[int, ...])


def mappings(by_number: dict[int, Callable[[], str]]) -> None:
    assert_type(run_concurrently({"a": Task(size, HERE), "b": Task(len, "b")}), dict[str, int])
    assert_type(run_concurrently({"a": ping, "b": ping}), dict[str, float])
    assert_type(run_concurrently({"a": ready}), dict[str, bool])
    assert_type(run_concurrently({("a", 1): lambda: size(HERE)}), dict[tuple[str, int], int])
    assert_type(run_concurrently(by_number), dict[int, str])


def on_error_that_keeps_values() -> None:
    assert_type(run_concurrently([Task(size, HERE)], on_error="raise"), list[int])
    assert_type(run_concurrently([Task(size, HERE)], on_error="group"), list[int])
    assert_type(run_concurrently((Task(size, HERE), ping), on_error="group"), tuple[int, float])
    assert_type(run_concurrently({1: Task(size, HERE)}, on_error="group"), dict[int, int])


def nothing_known(anything: list[Any]) -> None:
    assert_type(run_concurrently(anything), list[Any])
    assert_type(run_concurrently([]), list[Any])
    assert_type(run_concurrently(()), tuple[Any, ...])
    assert_type(run_concurrently({}), dict[Any, Any])
