"""What a run has sent: so that what many tasks share is copied once, as long as it stays the same.

The memory is known by its owner. That it was filled anew since shows in a sample of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

# A run knows so many buffers that it sent before, and so many of those whose owner can't be
# referred to weakly, as bytes can't.
_KNOWN = 256
_KEPT = 4

_SAMPLES = 512


def nobody() -> None:
    """No owner."""


class Region:
    """A part of the file.

    Attributes:
        users: how many flights need what it holds.
        filled: so many bytes of it have memory.
        fills: how often it was filled.
        owner: gives whose memory it has a copy of, while that lives.
    """

    __slots__ = ("filled", "fills", "offset", "owner", "room", "users")

    def __init__(self, offset: int, room: int, users: int = 0) -> None:
        self.offset = offset
        self.room = room
        self.users = users
        self.filled = 0
        self.fills = 0
        self.owner: Callable[[], Any] = nobody


class Sent:
    """Memory that a run has sent.

    Attributes:
        owner: gives whose memory it was, while that lives.
        kept: whether `owner` keeps it alive.
        sample: some of its words.
        region: where it was copied to.
        fill: which of the fillings of that region it is.
        tasks: the tasks of the batch that it went with.
        shared: whether several tasks have it.
    """

    __slots__ = ("fill", "kept", "owner", "region", "sample", "shared", "tasks")

    def __init__(
        self,
        owner: Callable[[], Any],
        kept: bool,
        sample: bytes,
        region: Region,
        tasks: frozenset[int],
        shared: bool,
    ) -> None:
        self.owner = owner
        self.kept = kept
        self.sample = sample
        self.region = region
        self.fill = region.fills
        self.tasks = tasks
        self.shared = shared

    def is_still(self, owner: Any, sample: bytes) -> bool:
        """Whether the region has this memory as it is now."""
        same = self.owner() is owner and self.sample == sample
        return same and self.region.fills == self.fill

    def goes_to(self, tasks: Iterable[int]) -> None:
        """It is sent again: to others, or to the same that were taken back or are tried again."""
        self.shared = self.shared or not self.tasks.issuperset(tasks)


def send(owner: Any, sample: bytes, region: Region, tasks: frozenset[int], shared: bool) -> Sent:
    """Note down what a region was filled with."""
    try:
        reference: Callable[[], Any] = weakref.ref(owner)
    except TypeError:
        return Sent(lambda: owner, True, sample, region, tasks, shared)
    region.owner = reference
    return Sent(reference, False, sample, region, tasks, shared)


def note(known: dict[int, Sent], key: int, sent: Sent) -> None:
    """Remember what was sent, the latest only."""
    known.pop(key, None)
    known[key] = sent
    kept = [key for key, one in known.items() if one.kept] if sent.kept else []
    for old in kept[:-_KEPT]:
        del known[old]
    if len(known) > _KNOWN:
        del known[next(iter(known))]


def sample_of(view: memoryview) -> bytes:
    """Some of the bytes: enough to see that a buffer was filled anew."""
    words = view[: view.nbytes & ~7].cast("Q")
    step = max(1, len(words) // _SAMPLES)
    return b"".join((words[::step].tobytes(), view[:64], view[-64:]))
