"""From what a schedule settled to outcomes, and to errors that say which task they come from."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from ._attempts import chain
from ._batch import clock
from ._calls import arguments_in, name_in
from ._orders import Block, Failed
from ._source import Source
from ._task import name_of

if TYPE_CHECKING:
    from ._outcome import Failure, Success


class Endings:
    """Makes the outcomes of one run's tasks.

    Attributes:
        epoch: what is added to a moment of the run's clock to make it one of the calendar's.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.epoch = time.time() - clock()

    def successes(self, block: Block) -> list[Success[Any] | None]:
        """The outcomes of a block of tasks; None in place of one that failed."""
        from ._outcome import Success  # most runs want values

        report, epoch, items = block.report, self.epoch, block.items
        failed = {position for position, _ in report.failures}
        since = report.since
        outcomes: list[Success[Any] | None] = []
        for position, (index, value) in enumerate(zip(block.indices, report.values, strict=True)):
            until = report.ends[position]
            if position in failed:
                outcomes.append(None)
            else:
                outcomes.append(
                    Success(
                        value=value,
                        index=index,
                        key=self._key(index),
                        name=self.name(items[position]),
                        attempts=block.attempts,
                        started=epoch + since,
                        duration=max(0.0, until - since),
                        worker=report.worker,
                    )
                )
            since = until
        return outcomes

    def failure(self, failed: Failed) -> Failure:
        """The outcome of a task that failed."""
        from ._outcome import Failure

        return Failure(
            error=failed.error,
            index=failed.index,
            key=self._key(failed.index),
            name=self.name(failed.item),
            attempts=failed.attempts,
            started=self.epoch + failed.started,
            duration=failed.duration,
            worker=failed.worker,
            stopped=failed.stopped,
        )

    def annotate(self, failed: Failed) -> None:
        """Note on the error which task it comes from, and what its earlier attempts raised."""
        worker = f" · {failed.worker}" if failed.worker else ""
        attempt = f"attempt {failed.attempts}" if failed.attempts else "never started"
        notes = [f"task {failed.index} {self._call(failed.item)}{worker} · {attempt}"]
        for number, error in enumerate(failed.earlier, 1):
            notes.append(f"attempt {number} failed with {type(error).__name__}: {_text(error)}")
        # An exception class may forbid either; the error itself matters more.
        with contextlib.suppress(Exception):
            chain([*failed.earlier, failed.error])
        with contextlib.suppress(Exception):
            for note in notes:
                failed.error.add_note(note)

    def _key(self, index: int) -> Any:
        return None if self._source.keys is None else self._source.keys[index]

    def name(self, item: Any) -> str:
        """The name of a task."""
        return name_in(self._source.fn, item)

    def _call(self, item: Any) -> str:
        fn = self._source.fn
        arguments = arguments_in(fn, item, single=self._source.single)
        call = f"{name_of(fn if fn is not None else item.fn)}({arguments})"
        return f"{item.name!r} {call}" if fn is None and item.name else call


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(no text)"
