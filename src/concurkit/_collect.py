"""Putting what came of a run's tasks into the shape of its input."""

from __future__ import annotations

import time
from reprlib import Repr
from typing import Any

from ._batch import clock
from ._drive import Drive
from ._options import Options
from ._outcome import Failure, Outcome, Success
from ._schedule import Block, Failed
from ._source import Source
from ._task import name_of

_short = Repr()
_short.maxstring = _short.maxother = 40
_short.maxlevel = 3


class Collector:
    """The results of one run, as they come in and as they are handed out."""

    def __init__(self, source: Source, options: Options) -> None:
        self._source = source
        self._options = options
        self._outcomes = options.on_error == "collect"
        self._results: list[Any] = []
        self._failures: list[Failed] = []
        self._epoch = time.time() - clock()

    def settle(self, one: Block | Failed) -> None:
        """Take in what a block of tasks, or one that failed, came to."""
        if isinstance(one, Block):
            if self._outcomes:
                self._add_outcomes(one)
            else:
                self._place(one.indices, one.report.values)
            return
        self._annotate(one)
        if self._outcomes:
            self._place([one.index], [self._failure(one)])
        else:
            self._failures.append(one)

    def result(self, drive: Drive) -> Any:
        """The run's result in the shape of its input, or the error that it ends with."""
        for error in (drive.broken, drive.input_error):
            if error is not None:
                raise error
        own = sorted((f for f in self._failures if f.own), key=lambda failed: failed.index)
        if own:
            errors = [failed.error for failed in own]
            self._failures.clear()
            if self._options.on_error == "raise":
                raise errors[0]
            total = len(self._results)
            raise BaseExceptionGroup(f"{len(errors)} of {total} tasks failed", errors)
        shape = self._source.shape
        if shape is dict:
            return dict(zip(self._source.keys or (), self._results, strict=True))
        return self._results if shape is list else tuple(self._results)

    def _place(self, indices: Any, values: Any) -> None:
        results = self._results
        first, last = indices[0], indices[-1]
        if last >= len(results):
            results.extend([None] * (last + 1 - len(results)))
        if last - first + 1 == len(indices):
            results[first : last + 1] = values
        else:
            for index, value in zip(indices, values, strict=True):
                results[index] = value

    def _add_outcomes(self, block: Block) -> None:
        report, epoch = block.report, self._epoch
        failed = {position for position, _ in report.failures}
        since = report.since
        outcomes: list[Outcome[Any] | None] = []
        items = block.items
        for position, (index, value) in enumerate(zip(block.indices, report.values, strict=True)):
            until = report.ends[position]
            if position in failed:
                outcomes.append(None)  # its Failure follows
            else:
                outcomes.append(
                    Success(
                        value=value,
                        index=index,
                        key=self._key(index),
                        name=self._name(items[position]),
                        attempts=1,
                        started=epoch + since,
                        duration=max(0.0, until - since),
                        worker=report.worker,
                    )
                )
            since = until
        self._place(block.indices, outcomes)

    def _failure(self, failed: Failed) -> Failure:
        return Failure(
            error=failed.error,
            index=failed.index,
            key=self._key(failed.index),
            name=self._name(failed.item),
            attempts=1,
            started=self._epoch + failed.started,
            duration=failed.duration,
            worker=failed.worker,
            stopped=failed.stopped,
        )

    def _key(self, index: int) -> Any:
        return None if self._source.keys is None else self._source.keys[index]

    def _name(self, item: Any) -> str:
        fn = self._source.fn
        return name_of(fn) if fn is not None else str(item.name or name_of(item.fn))

    def _annotate(self, failed: Failed) -> None:
        """Note on the error which task it comes from."""
        worker = f" · {failed.worker}" if failed.worker else ""
        note = f"task {failed.index} {self._call(failed.item)}{worker} · attempt 1"
        try:
            failed.error.add_note(note)
        except Exception:  # an exception class may forbid it; the error itself matters more
            return

    def _call(self, item: Any) -> str:
        fn, kwargs, name = self._source.fn, {}, None
        if fn is None:
            args, kwargs, name = item.args, item.kwargs, item.name
        else:
            args = (item,) if self._source.single else item
        shown = [*map(_brief, args), *(f"{key}={_brief(value)}" for key, value in kwargs.items())]
        call = f"{name_of(fn if fn is not None else item.fn)}({', '.join(shown)})"
        return f"{name!r} {call}" if name else call


def _brief(value: Any) -> str:
    """A short repr; never an error, whatever the value's own repr does."""
    try:
        return _short.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
