"""What goes through a seat's pipes: the heads of messages, the same on both sides."""

from __future__ import annotations

import struct
from typing import NamedTuple


class WorkerTerms(NamedTuple):
    """What a worker is told as it starts.

    Attributes:
        name: what it is called.
        environ: its environment.
        setup: the initializer and what it is called with, pickled.
        max_tasks: after so many tasks it ends.
        max_memory: above so many resident bytes it ends once its task has.
    """

    name: str
    environ: dict[str, str]
    setup: bytes
    max_tasks: int | None
    max_memory: int | None


# To the worker: flight, token of the run's setting, length of its bytes, flags, share, hint (how
# many seconds a task is expected to take), the index of the first task (-1: no task of a run),
# which attempt of them this is; then the setting's bytes and the items'.
BATCH = struct.Struct("<QQIBIdqI")
TIMED, EXACT, TASKS, SINGLE, FAST, PARCEL = 1, 2, 4, 8, 16, 32

CLOSE = b""  # no more to come

# On the control pipe: flight, and whether only a batch that has not begun is meant.
RECALL = struct.Struct("<QB")

ASK = b"?"  # on the control pipe, too: what does the main thread do?

# From the worker: kind, flight, a count, when the batch began, seconds of work; then records,
# each behind its length. UNFIT: its initializer failed. SPENT: it takes no more batches, since it
# has run max_tasks or takes more than max_memory. LOG: a log record or a warning, with the position
# of the task that runs. STACK: what the main thread does.
REPLY = struct.Struct("<BQQdd")
PART, END, KEPT, UNREAD, UNFIT, SPENT, LOG, LETGO, STACK = range(9)
LENGTH = 8


def records(message: bytes | bytearray) -> list[memoryview]:
    """The records of a worker's message."""
    view, at, found = memoryview(message), REPLY.size, []
    while at < len(view):
        size = int.from_bytes(view[at : at + LENGTH], "little")
        found.append(view[at + LENGTH : at + LENGTH + size])
        at += LENGTH + size
    return found
