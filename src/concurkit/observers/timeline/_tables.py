"""What the page says in words: a run's heading, its figures, its slowest and its failed tasks."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from typing import Final, TypeAlias

from ._looks import HUES, IN_WORDS, hues, seen_statuses
from ._recording import ABANDONED, CANCELLED, KILLED, RETURNED, STATUSES
from ._rows import NO_WORKER, Picture
from ._summary import Summary, ends_in_words, summarise
from ._words import clean, count, seconds, share, times

MOST_FAILED: Final = 50

# A line of a table: which block, its task's name and number, how long, where, and how it ended.
Line: TypeAlias = tuple[int, str, int, str, str, str]


def article(number: int, picture: Picture, positions: array[int]) -> str:
    """A run's part of the page; its canvas is drawn by the script."""
    summary = summarise(picture)
    began = picture.recorded.began
    day = datetime.fromtimestamp(began.at).astimezone()
    inside = ""
    if began.inside is not None:
        inside = f" · inside task {began.inside[1]} of run {began.inside[0]}"
    workers = count(began.max_workers, "worker")
    sub = f"{clean(began.mode)} · {workers}{inside} · {day:%Y-%m-%d %H:%M:%S}"
    label = f"Chart of run {began.run}: a row for each worker, tasks from left to right"
    parts = [
        f'<article data-run="{number}" aria-labelledby="run-{number}">',
        f'<header><h2 id="run-{number}">Run {began.run}</h2><p>{escape(sub)}</p></header>',
        f'<dl class="figures">{"".join(_figures(summary))}</dl>',
        _ended_by(picture),
        f'<div class="bar"><ul class="legend">{"".join(_legend(picture))}</ul>{_ZOOM}</div>',
        f'<canvas tabindex="0" role="application" aria-label="{label}" aria-describedby="keys">',
        "</canvas>",
        f'<div class="tables">{_slowest(number, summary, positions)}',
        f"{_failed(number, picture, positions)}</div>",
        "</article>",
    ]
    return "\n".join(parts)


_ZOOM: Final = (
    '<div class="zoom" role="group" aria-label="Zoom">'
    '<button data-zoom="out" aria-label="Zoom out">\u2212</button>'
    '<button data-zoom="in" aria-label="Zoom in">+</button>'
    '<button data-zoom="fit" title="Show all">Fit</button></div>'
)


def _figures(summary: Summary) -> Iterator[str]:
    state = "so far" if summary.going else ", ".join(list(ends_in_words(summary))[1:])
    yield _figure("Time", seconds(summary.seconds), "and going on" if summary.going else "")
    yield _figure("Tasks returned", f"{summary.returned:,}", state)
    yield _figure(
        "Speed-up", times(summary.speedup), f"of {times(summary.possible_speedup)} possible"
    )
    yield _figure(
        "Workers in tasks", share(summary.utilisation), f"{seconds(summary.overhead)} were not"
    )
    path = summary.critical_path
    if path is not None:
        word = f"{count(path.tasks, 'task')}, {seconds(path.busy)}"
        yield _figure("Ended last", path.worker, word)


def _figure(what: str, value: str, more: str) -> str:
    return f"<div><dt>{what}</dt><dd><b>{escape(value)}</b> <span>{escape(more)}</span></dd></div>"


def _ended_by(picture: Picture) -> str:
    ended = picture.recorded.ended
    if ended is None or not ended.error:
        return ""
    return f'<p class="ended">Ended by {escape(ended.error)}</p>\n'


def _legend(picture: Picture) -> Iterator[str]:
    tones = hues(picture)
    for tone in range(HUES):
        names = [name for name, one in zip(picture.names, tones, strict=True) if one == tone]
        if names and len(set(tones)) > 1:
            shown = names[0] if len(names) == 1 else f"{len(names)} others"
            yield f'<li><i data-tone="{tone}"></i>{escape(shown)}</li>'
    for status in seen_statuses(picture):
        if status != STATUSES[RETURNED] or len(set(tones)) <= 1:
            yield f'<li><i data-status="{STATUSES.index(status)}"></i>{IN_WORDS[status]}</li>'


def _slowest(number: int, summary: Summary, positions: array[int]) -> str:
    rows = (
        (
            *(positions[slow.block], slow.name, slow.index, seconds(slow.duration)),
            *(slow.worker, _end_word(slow.status, slow.attempt)),
        )
        for slow in summary.slowest
    )
    return _table(number, "Slowest tasks", rows, "How it ended")


def _failed(number: int, picture: Picture, positions: array[int]) -> str:
    columns = picture.columns
    rows: list[Line] = []
    for block, trouble in picture.recorded.troubles.items():
        status = columns.status[block]
        if trouble.wait is None and len(rows) < MOST_FAILED:
            name = picture.names[columns.name[block]]
            rows.append(
                (
                    *(positions[block], name, columns.index[block]),
                    *(seconds(columns.duration[block]), _worker(picture, block)),
                    _failure_word(status, trouble.error),
                )
            )
    every = sum(1 for one in picture.recorded.troubles.values() if one.wait is None)
    more = f" (the first {MOST_FAILED} of {every:,})" if every > MOST_FAILED else ""
    return _table(number, f"Failed tasks{more}", rows, "Error")


def _worker(picture: Picture, block: int) -> str:
    return clean(picture.recorded.workers[picture.columns.worker[block]]) or NO_WORKER


def _end_word(status: str, attempt: int) -> str:
    return IN_WORDS[status] + (f", attempt {attempt}" if attempt > 1 else "")


def _failure_word(status: int, error: str) -> str:
    return f"{STATUSES[status]}: {error}" if status in (CANCELLED, KILLED, ABANDONED) else error


def _table(number: int, title: str, rows: Iterable[Line], last: str) -> str:
    lines = "".join(
        f'<tr><td><button data-run="{number}" data-block="{position}">{escape(name)}'
        f" <small>#{index}</small></button></td><td>{escape(took)}</td>"
        f"<td>{escape(worker)}</td><td>{escape(end)}</td></tr>\n"
        for position, name, index, took, worker, end in rows
    )
    if not lines:
        return ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Task", "Took", "Worker", last))
    return (
        f"<section><h3>{title}</h3><div class='wide'><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div></section>"
    )
