"""How the workers of a process executor are started, checked once and the same for all."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..._arguments import whole
from ..._inner_threads import InnerThreads, check_inner_threads, inner_environ
from ..._setup import Setup
from ..._task import shown
from .._pickling._settings import packed_setup
from . import _start
from ._memory import can_tell, check_size
from ._wire import WorkerTerms


class Plan(NamedTuple):
    """What the workers are started with.

    Attributes:
        method: the start method.
        setup: the initializer and its arguments, pickled; empty if there is none.
        max_tasks: after so many tasks a worker is replaced.
        max_memory: above so many resident bytes a worker is replaced once its task has ended.
        inner: how many threads native libraries may use.
        sharing: how many workers share the machine.
    """

    method: str
    setup: bytes
    max_tasks: int | None
    max_memory: int | None
    inner: InnerThreads
    sharing: int

    @classmethod
    def check(
        cls,
        *,
        start_method: object,
        initializer: object,
        initargs: object,
        max_tasks_per_child: object,
        max_memory_per_child: object,
        inner_threads: object,
        sharing: int,
    ) -> Plan:
        """A plan from the caller's arguments."""
        return cls(
            method=_method(start_method),
            setup=packed_setup(Setup.check(initializer, initargs)),
            max_tasks=None
            if max_tasks_per_child is None
            else whole(max_tasks_per_child, "max_tasks_per_child", "None"),
            max_memory=_limit(max_memory_per_child),
            inner=check_inner_threads(inner_threads),
            sharing=sharing,
        )

    def terms(self, name: str) -> WorkerTerms:
        """What the worker of that name is told, in the environment of this moment."""
        environ = dict(os.environ)
        environ.update(inner_environ(self.inner, environ, self.sharing))
        return WorkerTerms(name, environ, self.setup, self.max_tasks, self.max_memory)


def _method(start_method: object) -> str:
    if start_method is None:
        return _start.default_method()
    if isinstance(start_method, str) and start_method in _start.METHODS:
        return start_method
    raise ValueError(
        f"start_method is {shown(start_method)}; this system has "
        f"{', '.join(map(repr, _start.METHODS))}, or None for the default."
    )


def _limit(value: object) -> int | None:
    size = check_size(value, "max_memory_per_child")
    if size is not None and not can_tell():
        raise ModuleNotFoundError(
            'max_memory_per_child needs psutil on this system: pip install "concurkit[memory]". '
            "Or leave it out.",
            name="psutil",
        )
    return size
