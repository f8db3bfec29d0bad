"""Timeline: watches runs, and shows which worker ran which task, and when."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, final

from .._events import (
    Event,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRetried,
    TasksEnded,
    TaskStarted,
    WorkerCrashed,
)
from ._recording import Recording
from ._rows import Picture, draw
from ._saving import write_whole
from ._summary import Summary, summarise

_ENDINGS: Final = (".html", ".svg", ".json")


@final
class Timeline:
    """Watches runs and shows which worker ran which task, and when.

    Pass it in `observers=`, to one run or to several, also at the same time. It keeps about 40
    bytes for each task (tiny tasks that travel together are kept as one), and the texts of names
    and errors. In a notebook it shows itself.

    Example:
        >>> from concurkit.observers import Timeline
        >>> timeline = Timeline()
        >>> timeline
        <Timeline of no run yet>
        >>> timeline.save("run.txt")
        Traceback (most recent call last):
        ...
        ValueError: a timeline is saved as .html, .svg or .json, not as 'run.txt'
    """

    def __init__(self) -> None:
        self._recordings: dict[int, Recording] = {}

    def on_event(self, event: Event, /) -> None:
        """Take in what happened; see `Observer`."""
        recording = self._recordings.get(event.run)
        if recording is None:
            if isinstance(event, RunStarted):
                self._recordings[event.run] = Recording(event)
        elif (take := _TAKES.get(type(event))) is not None:
            take(recording, event)

    @property
    def runs(self) -> tuple[int, ...]:
        """The numbers of the runs that it has watched, in the order in which they began."""
        return tuple(self._recordings.copy())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what has happened so far to a file, as its ending says.

        The file is there whole or not at all. Saving while a run goes on is fine: tasks that have
        not ended are drawn with an open end.

        Args:
            path: ".html" is a page to look at, complete in itself, with no network; ".svg" a
                picture of all workers; ".json" a trace in the Chrome format, for Perfetto.

        Raises:
            ValueError: for any other ending.
            OSError: if the file can't be written.

        Example:
            >>> import tempfile
            >>> from pathlib import Path
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Timeline().save(Path(folder) / "run.html")
            ...     [path.name for path in Path(folder).iterdir()]
            ['run.html']
        """
        target = Path(path)
        ending = target.suffix.lower()
        if ending not in _ENDINGS:
            choices = f"{', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}"
            raise ValueError(f"a timeline is saved as {choices}, not as {target.name!r}")
        write_whole(target, _parts(ending, self._pictures()))

    def summary(self, run: int | None = None) -> Summary:
        """Give a run in numbers: utilisation, critical path, slowest tasks, speed-up.

        Args:
            run: its number, one of `runs`. By default the last one that was not started inside a
                task of another that it watched.

        Returns:
            A `Summary`, which as text is a few lines to read.

        Raises:
            ValueError: if it has watched no such run.

        Example:
            >>> from concurkit import Task, run_concurrently
            >>> timeline = Timeline()
            >>> run_concurrently(
            ...     Task.map(abs, [-1, -2]), mode="thread", observers=[timeline]
            ... )
            [1, 2]
            >>> timeline.summary().returned
            2
        """
        recording = self._recordings.get(self._last() if run is None else run)
        if recording is None:
            known = ", ".join(map(str, self.runs)) or "none"
            raise ValueError(
                f"no run {run} was watched; those that were: {known}"
                if run is not None or self._recordings
                else "no run was watched yet; pass the timeline in observers=[timeline]"
            )
        return summarise(draw(recording.so_far(), time.time()))

    def _last(self) -> int:
        known = self._recordings.copy()
        outer = [number for number, one in known.items() if one.outer not in known]
        return outer[-1] if outer else -1

    def _pictures(self) -> list[Picture]:
        now = time.time()
        return [draw(one.so_far(), now) for one in self._recordings.copy().values()]

    def __repr__(self) -> str:
        number = len(self._recordings)
        runs = "no run yet" if not number else f"{number:,} {'run' if number == 1 else 'runs'}"
        return f"<Timeline of {runs}>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that neither it nor the notebook styles the other."""
        page = html.escape("".join(_parts(".html", self._pictures())))
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" title="Timeline"'
            ' style="width: 100%; height: 640px; border: 0"></iframe>'
        )


# What is done with each kind of event; of workers that come and go, their tasks tell enough.
_TAKES: Final[dict[type, Callable[..., None]]] = {
    TaskStarted: Recording.started,
    TasksEnded: Recording.returned,
    TaskEnded: Recording.ended,
    TaskRetried: Recording.retried,
    WorkerCrashed: Recording.crashed,
    RunEnded: Recording.run_ended,
}


def _parts(ending: str, pictures: Sequence[Picture]) -> Iterable[str]:
    # Imported on use: whoever only watches needs none of them.
    if ending == ".html":
        from ._page import page

        return page(pictures)
    if ending == ".svg":
        from ._svg import svg

        return svg(pictures)
    from ._trace import trace

    return trace(pictures)
