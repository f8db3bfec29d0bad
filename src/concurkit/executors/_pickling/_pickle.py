"""Tasks, results and exceptions as bytes: plain pickle where it can, cloudpickle where it can't."""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.reduction import ForkingPickler
from types import FunctionType, MethodType
from typing import Any

from ..._task import shown
from ...exceptions import RemoteError, RemoteTraceback
from ._modules import NAMED, by_name
from ._views import reduced_view

loads = pickle.loads

# Buffers from this size on travel beside the pickle; below it the pipe is as quick.
LARGE = 1 << 17

_PROTOCOL = pickle.HIGHEST_PROTOCOL


class _ByValueError(Exception):
    """Something can't be found again by its name in another process."""


class _Plain(ForkingPickler):
    """Pickle, refusing what would be looked up by name where there is no such name."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, NAMED) and not by_name(obj):
            raise _ByValueError
        return reduced_view(obj) if isinstance(obj, memoryview) else NotImplemented


def dumps(value: Any, aside: list[pickle.PickleBuffer] | None = None) -> bytes:
    """*value* as bytes; lambdas, closures and what is of `__main__` by value.

    Large buffers are put *aside*, in order, if there is a list for them; `loads` needs them.
    """
    callback = None if aside is None else _putting(aside)
    buffer = io.BytesIO()
    try:
        _Plain(buffer, _PROTOCOL, True, callback).dump(value)
    except Exception:
        from . import _by_value

        if aside is not None:
            aside.clear()
        return _by_value.dumps(value, _PROTOCOL, callback)
    return buffer.getvalue()


def _putting(aside: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """What pickle asks of each buffer: whether it is to stay in the stream."""

    def put(buffer: pickle.PickleBuffer) -> bool:
        try:
            with buffer.raw() as view:
                if view.nbytes < LARGE:
                    return True
        except BufferError:  # it has gaps
            return True
        aside.append(buffer)
        return False

    return put


# Values of these types need no care: pickle takes them as they are and always rebuilds them.
_PLAIN = frozenset({int, float, complex, str, bytes, bool, type(None)})


def plain(values: Iterable[Any]) -> bool:
    """Whether all *values* are such that nothing can go wrong with them."""
    return _PLAIN.issuperset(map(type, values))


def dumps_items(items: Iterable[Any], aside: list[pickle.PickleBuffer] | None = None) -> bytes:
    """What `dumps` gives for a list of items, with a short way for plain ones."""
    return pickle.dumps(items, _PROTOCOL) if plain(items) else dumps(items, aside)


# ---- what can't be pickled ----------------------------------------------------------------------


def culprit(value: Any, name: str) -> str:
    """The member of *value* that can't be pickled, as a path from *name*: `task.args[0].lock`."""
    path, found, seen = name, value, {id(value)}
    while True:
        for step, part in _parts(found):
            if id(part) not in seen and not _pickles(part):
                path, found = path + step, part
                seen.add(id(part))
                break
        else:
            return f"{path} ({shown(found)}, of type {type(found).__name__})"


def _pickles(value: Any) -> bool:
    try:
        dumps(value)
    except Exception:
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of *value*, each with what to write behind its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"[{shown(key)}]", part
    elif isinstance(value, list | tuple | set | frozenset):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif isinstance(value, MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=False)
        for variable, cell in cells:
            yield f" (variable {variable})", cell.cell_contents
        for variable in value.__code__.co_names:
            if variable in value.__globals__:
                yield f" (global {variable})", value.__globals__[variable]
    else:
        for attribute, part in getattr(value, "__dict__", {}).items():
            yield f".{attribute}", part
        for attribute in ("func", "args", "keywords"):  # functools.partial
            if hasattr(value, attribute):
                yield f".{attribute}", getattr(value, attribute)


# ---- exceptions ---------------------------------------------------------------------------------

Wire = tuple[str, str, str, bytes | None, bool]


def pack_error(error: BaseException) -> Wire:
    """An exception for the way home: class name, text, traceback, bytes if any, and their form."""
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    try:
        text = str(error)
    except Exception:
        text = f"<{name} whose str() fails>"
    try:
        trace = "".join(traceback.format_exception(error))
    except Exception:
        trace = f"{name}: {text}\n"
    for form in (_by_its_own_way, _by_type_and_args):
        data = form(error)
        if data is not None:
            return name, text, trace, data, form is _by_type_and_args
    return name, text, trace, None, False


def unpack_error(wire: Wire) -> BaseException:
    """The exception again, its worker's traceback as the cause; a RemoteError if it can't be."""
    name, text, trace, data, bare = wire
    error: BaseException | None = None
    if data is not None:
        try:
            error = _rebuild(*loads(data)) if bare else loads(data)
        except BaseException:
            error = None
    if not isinstance(error, BaseException):
        error = RemoteError(f"{name}: {text}", name, trace)
    error.__cause__ = RemoteTraceback(trace)
    return error


def _alike(back: Any, value: Any) -> bool:
    """Whether *back* is what *value* became by pickling, also without a usable `==`."""
    try:
        if back == value:
            return True
    except Exception:
        pass
    return dumps(back) == dumps(value)


def _by_its_own_way(error: BaseException) -> bytes | None:
    """The exception pickled, if it comes out of that as it went in."""
    try:
        data = dumps(error)
        back = loads(data)
        if type(back) is type(error) and _alike(back.args, error.args):
            return data
    except BaseException:
        pass
    return None


def _by_type_and_args(error: BaseException) -> bytes | None:
    """Type, args and attributes: for an `__init__` or `__reduce__` that pickle can't deal with."""
    try:
        data = dumps((type(error), error.args, dict(error.__dict__)))
        back = _rebuild(*loads(data))
        if type(back) is type(error) and _alike(back.args, error.args):
            return data
    except BaseException:
        pass
    return None


def _rebuild(
    cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]
) -> BaseException:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
