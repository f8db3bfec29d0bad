"""What a worker is sent once: the initializer, and what the tasks of each run have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, NamedTuple

from ..._batch import Job, worker_context
from ..._setup import Setup
from ..._task import name_of
from ...exceptions import TaskNotPicklableError
from .._relay import apply, outlook
from ._pickle import culprit, dumps, loads

# A run's setting is sent to a worker once; so many are kept there.
_REMEMBERED = 16

_tokens = itertools.count(1)


def setting_of(job: Job) -> tuple[int, bytes]:
    """The setting of a run as bytes, made once, and a number to know it by."""
    found = job.kept.get("setting")
    if found is None:
        variables = [(one, job.context[one]) for one in job.propagate if one in job.context]
        data = dumps((job.fn, variables, outlook(), job.run, job.preludes))
        found = job.kept["setting"] = (next(_tokens), data)
    return found


class Setting(NamedTuple):
    """What the tasks of a run have in common, in a worker; the names are those of `Job`."""

    fn: Any
    context: Context
    run: int
    preludes: Sequence[Callable[[], object]]


def opened_setting(data: bytes | memoryview, share: int) -> Setting:
    """In a worker: the setting of a run, whose levels and filters hold from now on."""
    fn, variables, seen, run, preludes = loads(data)
    apply(seen)
    return Setting(fn, worker_context(share, variables), run, preludes)


def remember(settings: dict[int, Any], token: int, value: Any) -> None:
    """Keep what a run's setting is known by; the oldest goes when there are many.

    Both sides do this for the same messages in the same order, so each knows what the other has.
    """
    settings[token] = value
    if len(settings) > _REMEMBERED:
        del settings[next(iter(settings))]


def packed_setup(setup: Setup, place: str = "process") -> bytes:
    """The initializer and its arguments as bytes; none if there is no initializer."""
    if setup.initializer is None:
        return b""
    try:
        return dumps(tuple(setup))
    except Exception as error:
        name = name_of(setup.initializer)
        where = culprit(tuple(setup), "(initializer, initargs)")
        raise TaskNotPicklableError(
            f"the initializer {name} can't be sent to another {place}: {where} can't be pickled "
            f"({error}). Pass plain data in initargs and make the rest in the initializer."
        ) from error
