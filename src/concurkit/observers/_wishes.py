"""What observers may ask of a run, beside being told what happens in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

Prelude: TypeAlias = Callable[[], object]
"""Is called in the context of each batch's tasks, where they run, before the first of them."""


@runtime_checkable
class HasPrelude(Protocol):
    """An observer that sets something for the tasks of a run, such as a context variable.

    It costs nothing per task: those of a batch run in copies of one context.
    """

    def prelude(self, run: int, /) -> Prelude | None:
        """What to call before each batch of run number *run*; None is nothing.

        Called where the run begins, in its caller's context, before `RunStarted` is told. Where
        tasks are pickled, so is what it returns.
        """
        ...


class Wishes(NamedTuple):
    """What a run's observers ask of it.

    Attributes:
        preludes: are called before each batch.
        ends: whether it is to be noted when each task of a batch ends. A failure is told by itself,
            with its own times, so only observers with `wants_ends = False` do without.
    """

    preludes: tuple[Prelude, ...] = ()
    ends: bool = False


def _prelude_of(observer: HasPrelude, run: int) -> Prelude | None:
    """Its prelude; a run goes on without one that can't be had."""
    try:
        return observer.prelude(run)
    except Exception as error:
        from logging import getLogger

        getLogger("concurkit").error("an observer has no prelude for its run", exc_info=error)
        return None


def wishes_of(observers: Iterable[Any], run: int) -> Wishes:
    """What these observers ask of run number *run*, by `prelude()` and by `wants_ends`."""
    preludes: list[Prelude] = []
    ends = False
    for one in observers:
        prelude = _prelude_of(one, run) if isinstance(one, HasPrelude) else None
        if prelude is not None:
            preludes.append(prelude)
        ends = ends or bool(getattr(one, "wants_ends", True))
    return Wishes(tuple(preludes), ends)
