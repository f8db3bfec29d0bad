"""Executors that each break one law, for the conformance kit to find: importable by its processes.

All but one are our ThreadExecutor, which keeps every law, with one fault put in.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

from concurkit import ThreadExecutor


class Plain(ThreadExecutor):
    """No fault: what the others stand on; each changes how a task is run, or what is asked."""

    def __init__(self, max_workers: int = 2, **options: Any) -> None:
        super().__init__(max_workers, **options)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not callable(fn):
            return super().submit(fn, *args, **kwargs)
        return super().submit(partial(type(self).call, fn, *args, **kwargs))

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)


class MapsBackwards(Plain):
    """Law 1."""

    def map(self, fn: Any, *iterables: Any, **_: Any) -> Iterator[Any]:
        futures = [self.submit(fn, *args) for args in zip(*iterables, strict=False)]
        return (future.result() for future in reversed(futures))


class RewordsErrors(Plain):
    """Law 1."""

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except KeyError as error:
            raise KeyError(f"in a task: {error}") from error


class ShortMap(Plain):
    """Law 2."""

    def map(self, fn: Any, *iterables: Any, **_: Any) -> Iterator[Any]:
        other = ThreadExecutor(2)  # a task that waits would keep this one alive
        futures = [other.submit(fn, *args) for args in zip(*iterables, strict=False)]
        return _while_there(weakref.ref(self), futures)


def _while_there(executor: Callable[[], Any], futures: list[Future[Any]]) -> Iterator[Any]:
    for future in futures:
        if executor() is None:
            return
        yield future.result()


class DropsWhatIsPending(Plain):
    """Law 2."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        inner = super().submit(fn, *args, **kwargs)
        outer: Future[Any] = Future()
        outer.cancel = lambda: inner.cancel() and Future.cancel(outer)  # type: ignore[method-assign]

        def settle(_: Any) -> None:
            if inner.cancelled():
                return
            if inner.exception() is not None:
                outer.set_exception(inner.exception())
            else:
                outer.set_result(inner.result())

        inner.add_done_callback(settle)
        return outer


class TooMany(Plain):
    """Law 3."""

    def __init__(self, max_workers: int = 2, **options: Any) -> None:
        super().__init__(max_workers and 2 * max_workers, **options)


class Twice(Plain):
    """Law 4."""

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        first = fn(*args, **kwargs)
        if getattr(fn, "__name__", "") == "mark":
            fn(*args, **kwargs)
        return first


class SwallowsSystemExit(Plain):
    """Law 5."""

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except SystemExit:
            return None


class EndsWithTheTask(Plain):
    """Law 5."""

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except SystemExit:
            os._exit(3)


class CancelsInName(Plain):
    """Law 7."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        inner = super().submit(fn, *args, **kwargs)
        outer: Future[Any] = Future()

        def settle(_: Any) -> None:
            if outer.cancelled():
                return
            if inner.cancelled():
                outer.cancel()
            elif inner.exception() is not None:
                outer.set_exception(inner.exception())
            else:
                outer.set_result(inner.result())

        inner.add_done_callback(settle)
        return outer


class LeavesAThread(Plain):
    """Law 8."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        super().shutdown(wait, cancel_futures=cancel_futures)


class LeavesAPipe(Plain):
    """Law 8."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        os.pipe()
        super().shutdown(wait, cancel_futures=cancel_futures)


_contexts = threading.local()


class MixesContexts(Plain):
    """Law 9."""

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not hasattr(_contexts, "mine"):
            _contexts.mine = copy_context()
        return _contexts.mine.run(fn, *args, **kwargs)


class RefusesLambdas(Plain):
    """Law 10."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if getattr(fn, "__name__", "") == "<lambda>":
            raise ValueError("no lambdas here")
        return super().submit(fn, *args, **kwargs)


class TakesAnything(Plain):
    """Law 11."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future() if self.closed else super().submit(fn, *args, **kwargs)


class HangsInTheEnd(Plain):
    """Law 12."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self.closed:
            time.sleep(60)
        super().shutdown(wait, cancel_futures=cancel_futures)
