"""The globals of functions that travel by value: in a worker, one dictionary for each module.

cloudpickle gives the functions of each pickle globals of their own. Then a task would not see what
an initializer, or a task before it, has put there by `global` or by filling a dictionary. Here they
share one, as functions of an imported module do, and what a worker has made of a global stays,
until the caller has changed that global on its own side: then the caller's value comes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import blake2b
from types import FunctionType
from typing import Any

from ._modules import findable

# By the name of the module: the globals, and what marks each value that came from the caller.
_globals: dict[str, dict[str, Any]] = {}
_marks: dict[str, dict[str, Any]] = {}

_LARGE = 1 << 20


def is_of_a_module(fn: FunctionType) -> bool:
    """Whether the globals of *fn* are those of a module here that other processes can't find."""
    module = sys.modules.get(fn.__module__)
    return module is not None and fn.__globals__ is vars(module) and not findable(fn.__module__)


def reduced_function(fn: FunctionType, reduced: tuple[Any, ...], pickled: Any) -> tuple[Any, ...]:
    """How pickle writes *fn*, given what cloudpickle makes of it.

    Args:
        fn: the function.
        reduced: cloudpickle's way to write it.
        pickled: gives the bytes of a value, to tell whether it has changed.
    """
    make, (code, base, *rest), (attributes, slots), _, _, fill = reduced
    contents = slots.pop("__globals__", {})
    marks = {name: _mark(value, pickled) for name, value in contents.items()}
    state = (fill, attributes, slots, contents, marks)
    return _make, (make, code, fn.__module__, base, tuple(rest)), state, None, None, _fill


def _mark(value: Any, pickled: Callable[[Any], bytes]) -> bytes | None:
    """What is the same while *value* is; None if that can't be told."""
    try:
        with memoryview(value) as view:
            if view.nbytes > _LARGE:  # too much to look at twice
                return None
    except TypeError:
        pass
    try:
        return blake2b(pickled(value), digest_size=16).digest()
    except Exception:
        return None


def _make(
    make: Callable[..., Any], code: Any, module: str, base: dict[str, Any], rest: tuple[Any, ...]
) -> Any:
    shared = _globals.setdefault(module, {})
    for name, value in base.items():
        shared.setdefault(name, value)
    return make(code, shared, *rest)


def _fill(fn: Any, state: tuple[Any, ...]) -> None:
    fill, attributes, slots, contents, marks = state
    fill(fn, (attributes, {**slots, "__globals__": {}}))
    shared, known = fn.__globals__, _marks.setdefault(fn.__module__, {})
    for name, value in contents.items():
        if name in shared and marks[name] is not None and known.get(name) == marks[name]:
            continue
        shared[name] = value
        known[name] = marks[name]
