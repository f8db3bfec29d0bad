"""Which of Dask's workers may be used, by what `submit_options` say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple

from ..._task import shown

# A batch is one call to one worker, which must run once: so these are not the caller's to choose.
_OURS = ("key", "pure", "retries", "allow_other_workers", "actor", "actors")


class Places(NamedTuple):
    """Which workers may be used.

    Attributes:
        workers: their addresses, names or hosts; None is all.
        resources: what each must have.
    """

    workers: frozenset[str] | None = None
    resources: Mapping[str, float] = {}

    def __bool__(self) -> bool:
        return self.workers is not None or bool(self.resources)

    def fit(self, address: str, info: Mapping[str, Any]) -> bool:
        """Whether the worker at *address* may be used, by what the scheduler says of all."""
        its = info.get(address)
        if its is None:
            return False
        if self.workers is not None and self.workers.isdisjoint(
            {address, str(its.get("name")), its.get("host", "")}
        ):
            return False
        has = its.get("resources") or {}
        return all(has.get(name, 0) >= much for name, much in self.resources.items())

    def slots(self, threads: int, its: Mapping[str, Any]) -> int:
        """How many batches a worker takes at once that the scheduler says this of."""
        has = its.get("resources") or {}
        room = [int(has.get(name, 0) // much) for name, much in self.resources.items() if much > 0]
        return min([threads, *room])

    @property
    def shown(self) -> str:
        """What a worker must be, for a message."""
        told = [] if self.workers is None else [f"among {sorted(self.workers)}"]
        if self.resources:
            told.append(f"with the resources {dict(self.resources)}")
        return f" {' and '.join(told)}" if told else ""


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], Places]:
    """What goes to `Client.submit`, and which workers it may be sent to.

    Raises:
        TypeError: an option is of another type than Dask takes.
        ValueError: an option is not the caller's to choose, or is not known.
    """
    known = ("workers", "resources", "priority", "fifo_timeout")
    for name in options:
        if name not in known:
            why = "is concurkit's own affair" if name in _OURS else "is not known"
            raise ValueError(
                f"submit_options has {name!r}, which {why}; it may have {', '.join(known)}."
            )
    _check(options)
    rest = dict(options)
    workers = rest.pop("workers", None)
    chosen: Iterable[Any] | None = [workers] if isinstance(workers, str) else workers
    return rest, Places(
        None if chosen is None else frozenset(map(str, chosen)),
        dict(rest.get("resources") or {}),
    )


def _check(options: Mapping[str, Any]) -> None:
    """Dask itself would say so in its scheduler only, which nobody hears."""
    priority = options.get("priority", 0)
    if not isinstance(priority, Real):
        raise TypeError(
            f"submit_options has the priority {shown(priority)}; it must be a number, as in "
            '{"priority": 10}.'
        )
    resources = options.get("resources")
    if resources is None:
        return
    if not isinstance(resources, Mapping) or not all(
        isinstance(name, str) and isinstance(much, Real) for name, much in resources.items()
    ):
        raise TypeError(
            f"submit_options has the resources {shown(resources)}; they must be a dict of names "
            'and numbers, as in {"resources": {"GPU": 1}}.'
        )
