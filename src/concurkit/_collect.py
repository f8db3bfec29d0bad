"""Putting what came of a run's tasks into the shape of its input."""

from __future__ import annotations

from typing import Any

from ._drive import Drive
from ._endings import Endings
from ._options import Options
from ._orders import Block, Failed
from ._outcome import Failure, Success
from ._source import Source
from .exceptions import RunTimeoutError


class Collector:
    """The results of one run, as they come in and as they are handed out.

    Attributes:
        keeps_outcomes: whether outcomes are kept, not only values: the caller asked for them, or
            the error of a run that takes too long will hold them.
    """

    def __init__(self, source: Source, options: Options) -> None:
        self._source = source
        self._on_error = options.on_error
        self.keeps_outcomes = options.on_error == "collect" or options.total_timeout is not None
        self._endings = Endings(source)
        self._results: list[Any] = []
        self._failures: list[Failed] = []

    def settle(self, one: Block | Failed) -> None:
        """Take in what a block of tasks, or one that failed, came to."""
        if isinstance(one, Block):
            outcomes = self.keeps_outcomes
            self._place(
                one.indices, self._endings.successes(one) if outcomes else one.report.values
            )
            return
        self._endings.annotate(one)
        if self._on_error == "collect":
            self._place([one.index], [self._endings.failure(one)])
        elif one.own:
            self._failures.append(one)

    def result(self, drive: Drive) -> Any:
        """The run's result in the shape of its input, or the error that it ends with."""
        for error in (drive.broken, drive.input_error):
            if error is not None:
                raise error
        schedule = drive.schedule
        own = sorted(self._failures, key=lambda failed: failed.index)
        self._failures.clear()
        if own and self._on_error == "raise":
            raise own[0].error
        short = schedule.unread or (schedule.lost > 0 and self._on_error != "collect")
        if short and (error := schedule.why_cut()) is not None:
            raise self._with_outcomes(error, own)
        if own:
            total = schedule.tally.drawn
            message = f"{len(own)} of {total} tasks failed"
            raise BaseExceptionGroup(message, [failed.error for failed in own])
        results = self._results
        if self.keeps_outcomes and self._on_error != "collect":
            results = [outcome.value for outcome in results]
        shape = self._source.shape
        if shape is dict:
            return dict(zip(self._source.keys or (), results, strict=True))
        return results if shape is list else tuple(results)

    def _with_outcomes(self, error: BaseException, own: list[Failed]) -> BaseException:
        """The error of a run that was cut, with what had ended."""
        if isinstance(error, RunTimeoutError):
            ended = [one for one in self._results if isinstance(one, Success | Failure)]
            ended += [self._endings.failure(failed) for failed in own]
            error.outcomes = sorted(ended, key=lambda outcome: outcome.index)
        return error

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
