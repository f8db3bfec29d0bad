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
    """A buffer in the engine's own memory."""

    __slots__ = ("key", "reference")

    def __init__(self, reference: Any) -> None:
        super().__init__(0, 0)
        self.key = uuid4().hex
        self.reference = reference


class Cargo:
    """The large buffers of a batch.

    Attributes:
        lots: what nodes know each by, and whether several tasks share it.
        references: what the engine knows each by.
    """

    def __init__(self) -> None:
        self.lots: list[tuple[str, bool]] = []
        self.references: list[Any] = []

    def add(self, sent: Sent) -> None:
        """Bring this along too."""
        put = sent.region
        assert isinstance(put, _Put)
        self.lots.append((put.key, sent.shared))
        self.references.append(put.reference)


def put_setting(setting: bytes, put: Callable[[Any], Any]) -> _Put:
    """A run's setting that is too large to go with each batch."""
    return _Put(put(setting))


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
        cargo.lots.append((setting.key, False))
        cargo.references.append(setting.reference)
    for buffer in buffers:
        owner = _parcel.owner(_parcel.source(buffer))
        key = id(owner)
        with buffer.raw() as view:
            sample, sent = sample_of(view), known.get(key)
            if sent is None or not sent.is_still(owner, sample):
                place = _Put(put(lot_of(view)))
                sent = send(owner, sample, place, frozenset(tasks), key in repeated)
                note(known, key, sent)
            else:
                sent.goes_to(tasks)
        cargo.add(sent)
    return cargo
