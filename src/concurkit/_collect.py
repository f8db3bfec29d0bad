"""Putting what came of a run's tasks into the shape of its input."""

from __future__ import annotations

from typing import Any

from ._drive import Drive
from ._endings import Endings
from ._options import OnError, Options
from ._orders import Block, Failed
from ._source import Source
from .exceptions import RunTimeoutError


class Collector:
    """The results of one run, as they come in and as they are handed out.

    Attributes:
        keeps_outcomes: whether outcomes are kept, not only values: the caller asked for them, or
            the error of a run that takes too long will hold them.
        endings: makes outcomes.
    """

    def __init__(self, source: Source, options: Options) -> None:
        self._source = source
        self._on_error: OnError = options.on_error
        self.keeps_outcomes = options.on_error == "collect" or options.total_timeout is not None
        self.endings = Endings(source)
        self._results: list[Any] = []
        self._failures: list[Failed] = []

    def settle(self, one: Block | Failed) -> None:
        """Take in what a block of tasks, or one that failed, came to."""
        if isinstance(one, Block):
            outcomes = self.keeps_outcomes
            self._place(one.indices, self.endings.successes(one) if outcomes else one.report.values)
            return
        self.endings.annotate(one)
        if self._on_error == "collect":
            self._place([one.index], [self.endings.failure(one)])
        elif one.own:
            self._failures.append(one)

    def result(self, drive: Drive) -> Any:
        """The run's result in the shape of its input, or the error that it ends with."""
        failures, self._failures = self._failures, []
        error = final_error(drive, self._on_error, failures)
        if isinstance(error, RunTimeoutError) and error is not drive.input_error:
            from ._outcome import Failure, Success

            ended = [one for one in self._results if isinstance(one, Success | Failure)]
            ended += [self.endings.failure(failed) for failed in failures]
            error.outcomes = sorted(ended, key=lambda outcome: outcome.index)
        if error is not None:
            raise error
        results = self._results
        if self.keeps_outcomes and self._on_error != "collect":
            results = [outcome.value for outcome in results]
        shape = self._source.shape
        if shape is dict:
            return dict(zip(self._source.keys or (), results, strict=True))
        return results if shape is list else tuple(results)

    def _place(self, indices: Any, values: Any) -> None:
        results = self._results
        first, last = indices[0], indices[-1]
        if first == len(results) and last - first + 1 == len(indices):
            results.extend(values)  # the common case, in a third of the time of what follows
            return
        if last >= len(results):
            results.extend([None] * (last + 1 - len(results)))
        if last - first + 1 == len(indices):
            results[first : last + 1] = values
        else:
            for index, value in zip(indices, values, strict=True):
                results[index] = value


def final_error(drive: Drive, on_error: OnError, failures: list[Failed]) -> BaseException | None:
    """The error that a run ends with, if any, given the tasks that failed by themselves."""
    for error in (drive.broken, drive.unfit, drive.input_error):
        if error is not None:
            return error
    schedule = drive.schedule
    failures.sort(key=lambda failed: failed.index)
    if failures and on_error == "raise":
        return failures[0].error
    if schedule.unread or (schedule.lost > 0 and on_error != "collect"):
        error = schedule.why_cut()
        if error is not None:
            return error
    if failures:
        message = f"{len(failures)} of {schedule.tally.drawn} tasks failed"
        return BaseExceptionGroup(message, [failed.error for failed in failures])
    return None
