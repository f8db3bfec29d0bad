"""memoryviews on their way to another process, which pickle leaves open."""

from __future__ import annotations

import pickle
from typing import Any


def reduced_view(view: memoryview) -> tuple[Any, ...]:
    """How a memoryview travels, which pickle leaves open."""
    memoryview(bytes(view.itemsize)).cast(view.format)  # type: ignore[call-overload]  # or refuse it
    data = view if view.c_contiguous else view.tobytes()
    if not view.nbytes:
        return _empty_view, (view.format, view.itemsize, view.readonly)
    return _rebuild_view, (pickle.PickleBuffer(data), view.format, view.shape, view.readonly)


def _rebuild_view(buffer: Any, form: str, shape: tuple[int, ...], readonly: bool) -> memoryview:
    view = memoryview(buffer)
    if view.readonly and not readonly:
        view = memoryview(bytearray(view))
    shaped: memoryview = view.cast("B").cast(form, shape)  # type: ignore[call-overload]
    return shaped.toreadonly() if readonly else shaped


def _empty_view(form: str, itemsize: int, readonly: bool) -> memoryview:
    view: memoryview = memoryview(bytearray(itemsize)).cast(form)[:0]  # type: ignore[call-overload]
    return view.toreadonly() if readonly else view
