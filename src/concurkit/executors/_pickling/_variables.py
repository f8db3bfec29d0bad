"""Context variables on their way to another process, which pickle knows nothing of.

One that an importable module holds is found there by its name. Any other, as of `__main__` or a
notebook, has a number, so that the worker has one variable for it, however often it comes.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from contextvars import Context, ContextVar
from typing import Any

from .._forks import keep_free
from ._modules import findable

_lock = threading.Lock()
keep_free(_lock)
_count = itertools.count()
_numbers: dict[ContextVar[Any], tuple[int, int]] = {}
_variables: dict[tuple[int, int], ContextVar[Any]] = {}
_places: dict[ContextVar[Any], tuple[str, str] | None] = {}


def reduced_variable(variable: ContextVar[Any]) -> tuple[Any, ...]:
    """How pickle writes *variable*."""
    place = _place_of(variable)
    if place is not None:
        return _at, place
    with _lock:
        number = _numbers.get(variable)
        if number is None:
            number = os.getpid(), next(_count)
            _numbers[variable], _variables[number] = number, variable
    return _numbered, (number, variable.name, _default_of(variable))


def _default_of(variable: ContextVar[Any]) -> tuple[Any, ...]:
    """The value that it has where nothing set it, if any."""
    try:
        return (Context().run(variable.get),)
    except LookupError:
        return ()


def _at(module: str, name: str) -> Any:
    __import__(module)
    return getattr(sys.modules[module], name)


def _numbered(number: tuple[int, int], name: str, default: tuple[Any, ...]) -> ContextVar[Any]:
    with _lock:
        variable = _variables.get(number)
        if variable is None:
            variable = ContextVar(name, default=default[0]) if default else ContextVar(name)
            _numbers[variable], _variables[number] = number, variable
        return variable


def _place_of(variable: ContextVar[Any]) -> tuple[str, str] | None:
    """The module and the name under which others find *variable*; looked for once."""
    if variable not in _places:
        _places[variable] = _look_for(variable)
    return _places[variable]


def _look_for(variable: ContextVar[Any]) -> tuple[str, str] | None:
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable and findable(name):
                return name, attribute
    return None
