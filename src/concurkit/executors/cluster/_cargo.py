"""What a batch brings along beside its pickle: large buffers, each put into the engine once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from pickle import PickleBuffer
from typing import Any
from uuid import uuid4

from ..process import _parcel
from ..process._sent import Region, Sent, note, sample_of, send
from ._wire import lot_of


class _Put(Region):
    """A buffer in the engine's own memory; one that it has lost counts as filled anew."""

    __slots__ = ("key", "reference")

    def __init__(self, reference: Any) -> None:
        super().__init__(0, 0)
        self.key = uuid4().hex
        self.reference = reference


class Cargo:
    """The large buffers of a batch.

    Attributes:
        lots: what nodes know each by, and whether several tasks share it.
    """

    def __init__(self) -> None:
        self.lots: list[tuple[str, bool]] = []
        self._puts: list[_Put] = []

    @property
    def references(self) -> list[Any]:
        """What the engine knows each by."""
        return [put.reference for put in self._puts]

    def add(self, put: Any, shared: bool = False) -> None:
        """Bring this along too."""
        assert isinstance(put, _Put)
        self.lots.append((put.key, shared))
        self._puts.append(put)

    def spoil(self) -> bool:
        """The engine has lost some of these: none is used again. Whether that was not known."""
        news = [put for put in self._puts if not put.fills]
        for put in news:
            put.fills += 1
        return bool(news)


def setting_put(setting: bytes, known: dict[str, Any], put: Callable[[Any], Any]) -> _Put:
    """A run's setting that is too large to go with each batch; put again if it was lost."""
    found: _Put | None = known.get("put")
    if found is None or found.fills:
        found = known["put"] = _Put(put(setting))
    return found


def loaded(
    setting: Any,
    buffers: Sequence[PickleBuffer],
    tasks: Iterable[int],
    known: dict[int, Sent],
    repeated: Container[int],
    put: Callable[[Any], Any],
) -> Cargo:
    """The cargo of a batch.

    Args:
        setting: that of its run, if it was put.
        buffers: what was left out of the batch's pickle, in order.
        tasks: of the batch, by their index in the run.
        known: what the run has put so far; it is not put again.
        repeated: the `id`s of owners whose memory goes to more than one task.
        put: gives a buffer to the engine, and returns what it knows it by.
    """
    cargo = Cargo()
    if setting is not None:
        cargo.add(setting)
    for buffer in buffers:
        owner = _parcel.owner(_parcel.source(buffer))
        key = id(owner)
        with buffer.raw() as view:
            sample, sent = sample_of(view), known.get(key)
            if sent is None or not sent.is_still(owner, sample):
                _forget_dead(known)
                place = _Put(put(lot_of(view)))
                sent = send(owner, sample, place, frozenset(tasks), key in repeated)
                note(known, key, sent)
            else:
                sent.goes_to(tasks)
        cargo.add(sent.region, sent.shared)
    return cargo


def _forget_dead(known: dict[int, Sent]) -> None:
    """What is nobody's any more goes from the engine with the last batch that brings it along."""
    for key in [key for key, sent in known.items() if sent.owner() is None]:
        del known[key]
