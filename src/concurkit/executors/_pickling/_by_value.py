"""What plain pickle would look up by a name that other processes don't have, pickled by value.

cloudpickle does the work. What is added here: classes of the caller's come home as they were,
functions know the file that they are of, those under `functools.lru_cache` travel, and so does
what is of a module that only this process can find, as pytest and plugin loaders make them.
"""

from __future__ import annotations

import functools
import io
import sys
import threading
import uuid
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType, FunctionType
from typing import Any

import cloudpickle

from .._forks import keep_free
from ._modules import CACHED, by_name, findable
from ._namespaces import is_of_a_module, reduced_function
from ._variables import reduced_variable
from ._views import reduced_view


def dumps(value: Any, protocol: int, callback: Callable[[Any], bool] | None = None) -> bytes:
    """*value* as bytes that another process of this Python can read."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol, callback).dump(value)
    return buffer.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is ContextVar:
            return reduced_variable(obj)
        if type(obj) is memoryview:
            return reduced_view(obj)
        if type(obj) is CodeType:
            return _code, (obj.co_filename, *self.dispatch_table[CodeType](obj))
        if isinstance(obj, CACHED) and not by_name(obj):
            return _cached, (obj.__wrapped__, obj.cache_parameters()), _noted(obj)
        if isinstance(obj, FunctionType | type) and not findable(obj.__module__):
            _send_by_value(obj.__module__)
        reduced = super().reducer_override(obj)
        if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == 6:
            make, args, state, _, _, fill = reduced
            return _class, (_number(obj), make, args), (fill, state), None, None, _fill
        if type(obj) is FunctionType and type(reduced) is tuple and is_of_a_module(obj):
            return reduced_function(obj, reduced, _bytes_of)
        return reduced


class _Looker(_Pickler):
    """Writes what shows whether a value has changed: of functions and classes, which they are."""

    def persistent_id(self, obj: Any) -> str | None:
        return _number(obj) if isinstance(obj, FunctionType | type) else None


def _bytes_of(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Looker(buffer).dump(value)
    return buffer.getvalue()


def _send_by_value(module: str) -> None:
    """Tell cloudpickle that this module, which is loaded here, is not to be found elsewhere."""
    if module in sys.modules and module != "__main__":  # which it knows
        cloudpickle.register_pickle_by_value(sys.modules[module])


# ---- functions ----------------------------------------------------------------------------------


def _code(file: str, make: Callable[..., CodeType], args: tuple[Any, ...]) -> CodeType:
    """Code that tracebacks show in its file; cloudpickle has "<dynamic-code>" there from 3.1 on."""
    return make(*args).replace(co_filename=file)


# ---- functools.lru_cache ------------------------------------------------------------------------


def _cached(fn: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(fn)


def _noted(cached: Any) -> dict[str, Any]:
    """What is to be known of a cached function; the function may not be rebuilt when it is."""
    made_anew = ("__wrapped__", "cache_parameters")
    return {name: value for name, value in vars(cached).items() if name not in made_anew}


# ---- classes ------------------------------------------------------------------------------------

# A class goes out by value and comes back, in results, by value too. cloudpickle then finds the
# class that it was, but makes another one first, which `__init_subclass__` is told of, and writes
# the worker's copy of each method into it, with the worker's copy of the globals. So each class
# has a number here: one that is known is taken as it is, unless it came from elsewhere anyway.

_lock = threading.RLock()  # making a class may run anything
_numbers: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_classes: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_received: weakref.WeakSet[type] = weakref.WeakSet()

# A class is made under cloudpickle's lock too.
if hasattr(cloudpickle.cloudpickle, "_DYNAMIC_CLASS_TRACKER_LOCK"):
    keep_free(cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_LOCK)
keep_free(_lock)


def _number(cls: Any) -> str:
    with _lock:
        if cls not in _numbers:
            _numbers[cls] = number = uuid.uuid4().hex
            _classes[number] = cls
        return _numbers[cls]


def _class(number: str, make: Callable[..., type], args: tuple[Any, ...]) -> type:
    with _lock:
        cls = _classes.get(number)
        if cls is None:
            cls = make(*args)
            _numbers[cls], _classes[number] = number, cls
            _received.add(cls)
        return cls


def _fill(cls: type, state: tuple[Callable[..., Any], Any]) -> None:
    if cls in _received:
        fill, contents = state
        fill(cls, contents)
