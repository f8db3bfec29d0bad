"""The options of a run: the one place where arguments are checked."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ._arguments import observing, per_second, seconds, variables, whole, wrong
from ._inner_threads import InnerThreads, check_inner_threads
from ._setup import Setup
from ._task import shown

if TYPE_CHECKING:
    from ._retry import Retry
    from .observers import Observer

OnError: TypeAlias = Literal["raise", "group", "collect"]
RequireStop: TypeAlias = Literal["cancel", "kill"]

_ON_ERROR = ("raise", "group", "collect")
_STOPS = ("cancel", "kill")


class Options(NamedTuple):
    """What the caller asked of a run, checked and carried whole."""

    mode: Any
    max_workers: int | None
    timeout: float | None
    total_timeout: float | None
    warn_after: float | None
    retry: Retry | None
    max_per_second: float | None
    chunksize: int | Literal["auto"]
    on_error: OnError
    setup: Setup
    inner_threads: InnerThreads
    propagate: tuple[ContextVar[Any], ...]
    require_stop: RequireStop | None
    observers: tuple[Observer, ...]

    @classmethod
    def check(
        cls,
        *,
        mode: object,
        max_workers: object,
        timeout: object,
        total_timeout: object,
        warn_after: object,
        retry: object,
        max_per_second: object,
        chunksize: object,
        on_error: object,
        initializer: object,
        initargs: object,
        inner_threads: object,
        propagate: object,
        require_stop: object,
        progress: object,
        observers: object,
    ) -> Options:
        """Options from a caller's arguments.

        Raises:
            TypeError, ValueError: naming the argument, its value, the choices and the fix.
        """
        if isinstance(on_error, str) and on_error in _ON_ERROR:
            policy: Any = on_error
        else:
            raise wrong(on_error, "on_error", "'raise', 'group' or 'collect'", str)
        if require_stop is not None and require_stop not in _STOPS:
            raise wrong(require_stop, "require_stop", "'cancel', 'kill' or None", str)
        stop: Any = require_stop
        limit = None if total_timeout is None else seconds(total_timeout, "total_timeout")
        rate = None if max_per_second is None else per_second(max_per_second, "max_per_second")
        size: Any = "auto" if chunksize == "auto" else whole(chunksize, "chunksize", "'auto'")
        if rate is not None and size not in ("auto", 1):
            raise ValueError(
                f"chunksize is {shown(size)}, but the tasks of a chunk start one right after "
                "another, and max_per_second spaces them; leave one of the two out."
            )
        return cls(
            mode=mode,
            max_workers=None if max_workers is None else whole(max_workers, "max_workers", "None"),
            timeout=None if timeout is None else seconds(timeout, "timeout"),
            total_timeout=limit,
            warn_after=None
            if warn_after is None
            else seconds(warn_after, "warn_after", "to be quiet"),
            retry=None if retry is None else _policy(retry),
            max_per_second=rate,
            chunksize=size,
            on_error=policy,
            setup=Setup.check(initializer, initargs),
            inner_threads=check_inner_threads(inner_threads),
            propagate=variables(propagate),
            require_stop=stop,
            observers=_watching(progress, observers),
        )


def _watching(progress: object, observers: object) -> tuple[Observer, ...]:
    """Who is told of the run: the bar, if one is wanted, then the others."""
    found = observing(observers)
    if progress is False:
        return found
    from .observers.progress import observer_for  # few runs show one

    bar = observer_for(progress)
    return found if bar is None else (bar, *found)


def _policy(retry: object) -> Retry:
    from ._retry import as_retry  # few runs need it, and it takes a while to import

    return as_retry(retry)
