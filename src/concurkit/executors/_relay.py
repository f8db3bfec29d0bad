"""Log records and warnings of a worker, brought to the caller's loggers, handlers and filters.

A worker takes over the caller's levels and warning filters as a run begins. What gets past them is
sent home, and there it goes the way of any record or warning. No handler runs in the worker, so
none that a module sets up as it is imported runs twice.
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any, NamedTuple

from ._pickling._pickle import dumps, loads

if TYPE_CHECKING:
    from .._batch import Progress

_Filter = tuple[Any, ...]


class Outlook(NamedTuple):
    """What decides which records and warnings are made at all.

    Attributes:
        levels: of each logger that has one, the root's under "".
        silenced: the names of loggers that are disabled.
        disabled: what `logging.disable` was called with.
        filters: those of the `warnings` module.
    """

    levels: dict[str, int]
    silenced: list[str]
    disabled: int
    filters: list[_Filter]


# ---- in the caller's process ------------------------------------------------------------

_last: tuple[Outlook, bytes] | None = None


def outlook() -> bytes:
    """The outlook of this moment, for workers."""
    global _last  # noqa: PLW0603 - what hardly ever changes is pickled once
    now = _look()
    if _last is None or _last[0] != now:
        try:
            _last = now, dumps(tuple(now))
        except Exception:  # a filter for a category that can't be sent
            now = now._replace(filters=[])
            return dumps(tuple(now))
    return _last[1]


def _look() -> Outlook:
    root = logging.getLogger()
    levels, silenced = {"": root.level}, []
    for name, logger in list(root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            if logger.level:
                levels[name] = logger.level
            if logger.disabled:
                silenced.append(name)
    return Outlook(levels, silenced, root.manager.disable, list(warnings.filters))


def replay(data: Any, worker: str, index: int | None, context: Context | None) -> None:
    """Give what came from a worker to who handles it here, in the caller's context."""
    call = context.copy().run if context is not None else _call
    try:
        kind, *found = loads(data)
        if kind == "record":
            call(
                _handle, logging.makeLogRecord({**found[0], "worker": worker, "task_index": index})
            )
        else:
            call(_warn, *found)
    except Exception:  # a filter of the caller's that raises must not end the worker
        if logging.raiseExceptions and sys.stderr is not None:
            traceback.print_exc()


def _call(fn: Callable[..., None], *args: Any) -> None:
    fn(*args)


def _handle(record: logging.LogRecord) -> None:
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


_registries: dict[str, dict[Any, Any]] = {}  # which warnings were shown, by file


def _warn(message: Warning | str, category: type[Warning], filename: str, lineno: int) -> None:
    """Show a warning unless a worker, or this process, has shown it as often as it may be."""
    registry = _registries.setdefault(filename, {})
    module = _module_of(filename)
    try:
        warnings.warn_explicit(message, category, filename, lineno, module, registry)
    except Warning:  # "error" since the run began: too late to raise it in the task
        warnings.showwarning(message, category, filename, lineno)


def _module_of(filename: str) -> str:
    """The name that filters know the code of that file by."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == filename:
            return name
    return "__main__"  # a notebook's cell, a prompt, `-c`


# ---- in the worker ----------------------------------------------------------------------

_applied: tuple[bytes, Outlook] | None = None


def apply(data: bytes) -> None:
    """Take over the caller's outlook."""
    global _applied  # noqa: PLW0603 - a process has one outlook
    if _applied is not None and _applied[0] == data:
        return
    new = Outlook(*loads(data))
    if _applied is not None:
        for name in _applied[1].levels.keys() - new.levels.keys():
            logging.getLogger(name).setLevel(logging.NOTSET)
        for name in _applied[1].silenced:
            logging.getLogger(name).disabled = False
    for name, level in new.levels.items():
        logging.getLogger(name or None).setLevel(level)
    for name in new.silenced:
        logging.getLogger(name).disabled = True
    logging.disable(new.disabled)
    if list(warnings.filters) != new.filters:
        warnings.resetwarnings()
        warnings.filters.extend(new.filters)  # type: ignore[attr-defined]
    _applied = data, new


class Relay:
    """What takes the place of a worker's own handlers.

    Args:
        send: brings bytes to the caller's process.
        running: gives the batch that runs here, if one does.
    """

    def __init__(
        self, send: Callable[[bytes], None], running: Callable[[], Progress | None]
    ) -> None:
        self._send = send
        self._running = running
        self._call_handlers = logging.Logger.callHandlers
        self._before: set[int] = set()

    def begin(self) -> None:
        """Take records and warnings from now on."""

        def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: ARG001
            send(_packed_record(record, _name(running())))

        send, running = self._send, self._running
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]
        warnings.showwarning = self._show
        self._before = set(_handlers())

    def look_again(self) -> None:
        """Leave records to the worker's own handlers if its initializer has added any."""
        if not self._before.issuperset(_handlers()):
            logging.Logger.callHandlers = self._call_handlers  # type: ignore[method-assign]

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        try:
            data = dumps(("warning", message, category, filename, lineno))
            loads(data)
        except Exception:  # its class can't travel
            data = dumps(("warning", f"{category.__name__}: {message}", Warning, filename, lineno))
        self._send(data)


def _handlers() -> Iterable[int]:
    root = logging.getLogger()
    for logger in [root, *list(root.manager.loggerDict.values())]:
        for handler in getattr(logger, "handlers", ()):
            yield id(handler)


def _name(progress: Progress | None) -> str | None:
    """What the task is called that runs in a batch."""
    from .._current import task_of  # few tasks log

    task = None if progress is None else task_of(progress)
    return None if task is None else task.name


def _packed_record(record: logging.LogRecord, task_name: str | None) -> bytes:
    """A record as bytes: its message made, its traceback a text, as `QueueHandler` does."""
    fields = {**record.__dict__, "task_name": task_name}
    try:
        fields["msg"] = record.getMessage()
    except Exception as error:
        fields["msg"] = f"{record.msg!r} % {record.args!r} can't be formatted: {error}"
    fields["args"] = None
    if record.exc_info:
        if not record.exc_text:
            fields["exc_text"] = logging.Formatter().formatException(record.exc_info)
        fields["exc_info"] = None
    try:
        return dumps(("record", fields))
    except Exception:
        return dumps(("record", {name: _sendable(value) for name, value in fields.items()}))


def _sendable(value: Any) -> Any:
    try:
        dumps(value)
    except Exception:
        return repr(value)
    return value
