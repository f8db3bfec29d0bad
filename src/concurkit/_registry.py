"""Which executor a mode stands for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from ._task import shown
from .exceptions import ModeUnavailableError, UnknownModeError
from .typing import Executor

_GROUP = "concurkit.executors"

_EXECUTORS = {
    "serial": "concurkit.executors.serial:SerialExecutor",
    "thread": "concurkit.executors.thread:ThreadExecutor",
    "process": "concurkit.executors.process:ProcessExecutor",
    "async": "concurkit.executors.asynchronous:AsyncExecutor",
    "interpreter": "concurkit.executors.interpreter:InterpreterExecutor",
}

# Of these a run makes one and asks it how many workers it has, as of one that was registered.
_CLUSTERS = {
    "dask": "concurkit.executors.dask:DaskExecutor",
    "ray": "concurkit.executors.ray:RayExecutor",
}

# No other mode may have one of these names.
_OURS = ("auto", "fastest", *_EXECUTORS, *_CLUSTERS)

_registered: dict[str, Callable[..., Executor]] = {}


def register_mode(name: str, factory: Callable[..., Executor]) -> None:
    """Let `mode=name` stand for the executors that *factory* makes.

    A run in that mode makes one and shuts it down at its end. A package can do the same for all
    its users by an entry point in the group `concurkit.executors`, its name being the mode's.

    Args:
        name: the mode's name. One that was registered before now stands for this factory.
        factory: makes an executor, ours or any other with `submit` and `shutdown`. Of
            `max_workers`, `initializer` and `initargs` it is given what the run was, by keyword;
            so a class of executors will often do.

    Raises:
        ValueError: when *name* is one of concurkit's own, or empty.
        TypeError: when *name* is not a string, or *factory* can't be called.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from concurkit import Task, register_mode, run_concurrently
        >>> register_mode("standard", ThreadPoolExecutor)
        >>> run_concurrently(Task.map(abs, [-1, -2]), mode="standard", max_workers=2)
        [1, 2]
    """
    _check_name(name)
    if not callable(factory):
        raise TypeError(
            f"factory is {shown(factory)}; it must be a function or a class that makes an executor."
        )
    _registered[name] = factory


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name is {shown(name)}; it must be a string, as in 'cluster'.")
    if not name or name in _OURS:
        raise ValueError(
            f"{name!r} can't be registered: it is empty or one of concurkit's own modes "
            f"({', '.join(map(repr, _OURS))}); choose another name."
        )


def executor_class(mode: str) -> Any:
    """The executor class of a mode of ours, imported now since a run begins."""
    place, _, name = {**_EXECUTORS, **_CLUSTERS}[mode].partition(":")
    module = import_module(place)
    if hasattr(module, "get_ready"):
        module.get_ready()
    return getattr(module, name)


def is_ours(mode: str) -> bool:
    """Whether a run in *mode* makes an executor of ours for its workers, many or few."""
    return mode in _EXECUTORS


def is_cluster(mode: str) -> bool:
    """Whether *mode* is a cluster of others with an executor of ours."""
    return mode in _CLUSTERS


def make_executor(mode: str, **given: Any) -> Any:
    """An executor for a mode that was registered, made with what the caller gave."""
    if is_cluster(mode):
        return executor_class(mode)(**given)
    try:
        executor = _registered[mode](**given)
    except Exception as error:
        error.add_note(f"raised by what makes executors for mode {mode!r}, which was given {given}")
        raise
    if not is_executor(executor):
        raise TypeError(
            f"the factory of mode {mode!r} gave {shown(executor)}; it must give an executor, which "
            "has submit() and shutdown()."
        )
    return executor


def is_executor(value: object) -> bool:
    """Whether *value* can be a mode: it takes calls and can be shut down."""
    if isinstance(value, type):
        return False
    return callable(getattr(value, "submit", None)) and callable(getattr(value, "shutdown", None))


def launches(executor: object) -> bool:
    """Whether this is one of ours, to which a run gives batches, not calls."""
    return all(hasattr(executor, name) for name in ("launch", "grain", "strength"))


def check_mode(mode: object) -> None:
    """Raise UnknownModeError unless *mode* is a known name or an executor."""
    if isinstance(mode, str):
        if mode in _known_at_once() or _found(mode):
            return
        from difflib import get_close_matches

        known = _known()
        near = get_close_matches(mode, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        names = ", ".join(map(repr, known))
        raise UnknownModeError(f"unknown mode {mode!r}; known modes: {names}.{hint}")
    if not is_executor(mode):
        names = ", ".join(map(repr, _known()))
        raise UnknownModeError(
            f"mode is {shown(mode)}; it must be one of {names}, or an executor, which has submit() "
            "and shutdown(), such as ThreadExecutor(8)."
        )


def _found(mode: str) -> bool:
    """Whether an installed package brings this mode, which is registered then."""
    for point in _entry_points():
        if point.name == mode and mode not in _OURS:
            _registered[mode] = _loaded(point)
            return True
    return False


def _loaded(point: Any) -> Callable[..., Executor]:
    """What an entry point stands for.

    Raises:
        ModeUnavailableError: when it can't be imported, or is nothing that makes an executor.
    """
    brought = f"mode {point.name!r} is brought by {_package(point)} as {point.value!r}"
    try:
        factory = point.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModeUnavailableError(f"{brought}, which can't be loaded ({reason}).") from error
    if not callable(factory):
        raise ModeUnavailableError(
            f"{brought}, which is {shown(factory)}; it must be a function or a class that makes an "
            "executor."
        )
    return cast("Callable[..., Executor]", factory)


def _package(point: Any) -> str:
    return getattr(getattr(point, "dist", None), "name", None) or "a package"


def _entry_points() -> Any:
    from importlib.metadata import entry_points  # few runs need it, and it takes a while to import

    return entry_points(group=_GROUP)


def _known() -> list[str]:
    brought = [point.name for point in _entry_points()]
    return list(dict.fromkeys([*_known_at_once(), *brought]))


def _known_at_once() -> list[str]:
    return ["auto", *_EXECUTORS, *_CLUSTERS, *_registered]
