"""What goes through the queues between interpreters, the same on both sides.

To the worker: flight, token of the run's setting, the setting's bytes or none, flags, share, hint
(how many seconds a task is expected to take), the index of the first task, which attempt of them
this is, the items' bytes; None when no more is to come.

From the worker: kind, flight, when the batch began, seconds of work, bytes. UNFIT: its initializer
failed. STUCK: it ends, but threads that tasks have left there don't. LOG: a log record or a
warning; in place of the time, the position of the running task.
"""

from __future__ import annotations

from typing import TypeAlias

TIMED, EXACT, TASKS, SINGLE, FAST = 1, 2, 4, 8, 16

PART, END, UNREAD, UNFIT, STUCK, LOG = range(6)

Order: TypeAlias = tuple[int, int, bytes, int, int, float, int, int, bytes]
Answer: TypeAlias = tuple[int, int, float, float, bytes]
