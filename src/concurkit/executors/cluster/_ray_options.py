"""What a caller may say of Ray, checked before anything is started."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..._task import shown
from ...exceptions import ModeUnavailableError
from ._needs import engine_module

# An actor is one seat's: it runs each batch once, and ends with the executor, as do others like it.
_OURS = (
    *("max_restarts", "max_task_retries", "max_concurrency", "concurrency_groups"),
    *("max_pending_calls", "allow_out_of_order_execution"),
    *("name", "namespace", "get_if_exists", "lifetime"),
)


def check_address(address: object) -> None:
    """Raise unless it may be where a cluster is.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty.
        ModeUnavailableError: it is of a Ray Client.
    """
    if address is None:
        return
    if not isinstance(address, str) or not address:
        kind = ValueError if isinstance(address, str) else TypeError
        raise kind(
            f"address is {shown(address)}; it must be that of a Ray cluster, as in "
            "'10.0.0.1:6379', or 'auto', or None."
        )
    check_direct("address", address)


def check_direct(name: str, address: str) -> None:
    """Raise ModeUnavailableError if *address*, which has this *name*, is of a Ray Client."""
    if address.startswith("ray://"):
        raise ModeUnavailableError(
            f"{name} is {address!r}: a Ray Client, which can't say what becomes of a task before "
            "it ends. Run the program on a machine of the cluster with address='auto', for "
            "instance by `ray job submit`."
        )


def init_options(given: Any) -> dict[str, Any]:
    """What goes to `ray.init` beside the address.

    Raises:
        TypeError: it is no mapping of names.
        ValueError: an option is not known.
    """
    options = _mapping("init_options", given, "{'runtime_env': {...}}")
    if "address" in options:
        raise ValueError("init_options have 'address'; it is an argument of its own: address=.")
    parameters = inspect.signature(engine_module("ray", "ray").init).parameters.values()
    known = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
    known.remove("address")
    for name in options:
        if name not in known and not name.startswith("_"):  # it takes more, which are its own
            raise ValueError(
                f"init_options have {name!r}, which ray.init does not know; they may have "
                f"{', '.join(known)}."
            )
    return options


def actor_options(given: Any) -> dict[str, Any]:
    """What goes to an actor's `options`.

    Raises:
        TypeError: it is no mapping of names, or an option is of another type than it must be.
        ValueError: an option is not the caller's to choose, or is not known to Ray.
    """
    options = _mapping("actor_options", given, "{'num_gpus': 1}")
    for name in options:
        if name in _OURS:
            raise ValueError(
                f"actor_options have {name!r}, which is concurkit's own affair; they say what an "
                "actor needs, for instance num_cpus, num_gpus, memory, resources, runtime_env, "
                "scheduling_strategy."
            )
    if options:
        try:
            engine_module("ray", "ray").remote(**options)(_Checked)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"actor_options are such that Ray refuses them: {error}") from None
    return options


class _Checked:
    """Stands for an actor."""


def _mapping(name: str, given: Any, example: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in given):
        raise TypeError(
            f"{name} is {shown(given)}; it must be a dict of options by their names, as in "
            f"{example}, or None."
        )
    return dict(given)
