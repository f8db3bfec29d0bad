"""What another process would find by its name: which modules, which functions and classes."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

# What plain pickle looks up by its name, without a look at the module.
CACHED: Any = functools._lru_cache_wrapper
NAMED = FunctionType | type | CACHED

_found: dict[str, bool] = {"__main__": False, "__mp_main__": False}


def by_name(obj: Any) -> bool:
    """Whether a fresh process finds this function or class by its name."""
    return findable(obj.__module__) and "<" not in getattr(obj, "__qualname__", "<")


def findable(name: str) -> bool:
    """Whether a fresh process that has our `sys.path` finds the module that we have under *name*.

    It does not find `__main__`, which is its own there, nor a file that was loaded from elsewhere,
    as pytest does with its tests. Decided once for each name.
    """
    try:
        return _found[name]
    except KeyError:
        found = _found[name] = _look(name)
        return found
    except TypeError:  # some put things that are not names into `__module__`
        return True


def _look(name: str) -> bool:
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    places = getattr(module, "__path__", None)
    parent = name.rpartition(".")[0]
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    if parent and not findable(parent):
        return False
    if (file is None and places is None) or (parent and path is None):
        return True  # builtin, or made by its parent
    own = getattr(module, "__spec__", None)
    known_as = getattr(own, "name", name)
    if known_as != name:  # a name that another module gave it, as `collections` does with its `abc`
        return findable(known_as)
    spec = _find(name, path)
    if spec is None:
        return False
    if file is None:  # a package without an `__init__`
        return list(spec.submodule_search_locations or ()) == list(places or ())
    # What it was loaded from, that is: `tlz` shows the file of the module that it stands for.
    loaded_from = getattr(own, "origin", None) or file
    return not spec.has_location or spec.origin == loaded_from or _is_installed(loaded_from)


def _is_installed(file: str) -> bool:
    """Whether it is a part of a library, which is taken by its name from whatever copy comes first.

    Ray puts a `psutil` of its own before the one that is installed and may be loaded already.
    """
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _find(name: str, path: Any) -> Any:
    """What the import system would load for *name*, were it not loaded yet."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec = find(name, path) if find is not None else None
        except Exception:  # a finder of somebody's; the next one may do better
            continue
        if spec is not None:
            return spec
    return None
