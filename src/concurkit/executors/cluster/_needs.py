"""What a cluster needs: its engine here, and the same Python and package on both sides."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...exceptions import ModeUnavailableError
from ._node import versions


def engine_module(name: str, mode: str) -> Any:
    """The engine's package, whose types are its own.

    Raises:
        ModeUnavailableError: it is not installed; how to do that.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ModeUnavailableError(
            f"mode {mode!r} needs the package {name}, which can't be imported ({error}): "
            f'pip install "concurkit[{mode}]"'
        ) from error


ANSWER = 5  # seconds that a server has to answer


def check_listens(address: str, what: str) -> None:
    """Raise ModeUnavailableError unless somebody listens at *address*, as far as that can be told.

    The engines themselves would ask again and again, and leave something behind.
    """
    scheme, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if scheme not in {"", "tcp", "tls"} or not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except OSError as error:
        raise ModeUnavailableError(
            f"no {what} answers at {address} ({error}). Is that its address, and is it up?"
        ) from error


def is_reached(address: str) -> bool:
    """Whether somebody listens at an engine's own address, which may be inside this process."""
    scheme, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if scheme == "inproc":
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), 1.0).close()
    except (OSError, ValueError):
        return False
    return True


def check_versions(found: Any, where: str) -> str:
    """Which process a node is, by what `versions` gave there.

    Raises:
        ModeUnavailableError: it has no concurkit, or another one, or another Python.
    """
    if isinstance(found, BaseException):
        if _is_import_error(found):
            raise _lacking(found, where) from found
        raise ModeUnavailableError(f"{where} can't be used: {found!r}") from found
    node, *theirs = found
    for name, there, here in zip(("Python", "concurkit"), theirs, versions()[1:], strict=True):
        if there != here:
            raise ModeUnavailableError(
                f"{where} has {name} {there}, and this program has {name} {here}; tasks travel as "
                "bytecode and pickles, so both must be alike."
            )
    return str(node)


def check_imports(ask: Callable[[], object], where: str) -> None:
    """Raise ModeUnavailableError if what is asked there fails for lack of concurkit."""
    try:
        ask()
    except Exception as error:  # others show as soon as there is something to do
        if _is_import_error(error):
            raise _lacking(error, where) from error


def _is_import_error(error: BaseException) -> bool:
    """Whether it is one, or what an engine makes of one where it reads a message: its text."""
    text = str(error)
    return isinstance(error, ImportError) or text.startswith(("ModuleNotFound", "ImportError("))


def _lacking(error: BaseException, where: str) -> ModeUnavailableError:
    told = f"{type(error).__name__}: {error}" if isinstance(error, ImportError) else str(error)
    return ModeUnavailableError(
        f"{where} can't import concurkit ({told}); install it there, in the same version as here, "
        f"which is {versions()[2]}."
    )
