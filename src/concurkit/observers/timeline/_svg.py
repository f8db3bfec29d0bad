"""A picture of runs as SVG: a row for each worker, neighbours too small to see drawn as one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from ._looks import IN_WORDS, MOST_RUNS, hues, left_out, seen_statuses
from ._recording import RETURNED, RUNNING, STATUSES
from ._rows import Picture, Row
from ._summary import ends_in_words, summarise
from ._svg_style import DEFINITIONS, STYLE
from ._words import TIMES, clean, count, seconds, times

WIDTH: Final = 1000
LEFT: Final = 190
RIGHT: Final = 20
ROOM: Final = WIDTH - LEFT - RIGHT
HEAD: Final = 78
FOOT: Final = 26


def svg(pictures: Sequence[Picture]) -> Iterator[str]:
    """The parts of the file."""
    note = left_out(pictures)
    pictures = pictures[:MOST_RUNS]
    heights = [_height(one) for one in pictures]
    legend = sorted({s for one in pictures for s in seen_statuses(one)}, key=STATUSES.index)
    height = sum(heights) + (44 if legend else 60)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
        f' width="{WIDTH}" height="{height:.0f}" role="img">\n<title>Timeline</title>\n'
        f"<style>{STYLE}</style>\n{DEFINITIONS}\n"
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>\n'
    )
    if not pictures:
        yield '<text class="muted" x="24" y="36">No run was watched yet.</text>\n'
    top = 0.0
    for picture, own in zip(pictures, heights, strict=True):
        yield f'<g transform="translate(0 {_n(top)})">\n'
        yield from _run(picture)
        yield "</g>\n"
        top += own
    yield from _legend(legend, top + 14)
    if note:
        where = f'x="{WIDTH - RIGHT}" y="{_n(top + 18)}" text-anchor="end"'
        yield f'<text class="muted" {where}>{note}</text>\n'
    yield "</svg>\n"


def _height(picture: Picture) -> float:
    several = len(set(hues(picture))) > 1
    return HEAD + len(picture.rows) * _row_height(picture) + FOOT + (22 if several else 0)


def _row_height(picture: Picture) -> float:
    return max(3.0, min(24.0, 600 / max(1, len(picture.rows))))


def _run(picture: Picture) -> Iterator[str]:
    summary = summarise(picture)
    began = picture.recorded.began
    inside = f" · inside run {began.inside[0]}, task {began.inside[1]}" if began.inside else ""
    workers = count(began.max_workers, "worker")
    title = (
        f"Run {began.run} · {clean(began.mode)} · {workers} · {seconds(summary.seconds)}{inside}"
    )
    speedup = f"{times(summary.speedup)} of {times(summary.possible_speedup)} possible"
    figures = f"{', '.join(ends_in_words(summary))} · speed-up {speedup}"
    yield f'<text class="title" x="24" y="30">{escape(title)}</text>\n'
    yield f'<text class="muted" x="24" y="49">{escape(figures)}</text>\n'
    scale = ROOM / max(picture.end - picture.begin, 1e-9)
    row_height = _row_height(picture)
    bottom = HEAD + len(picture.rows) * row_height
    yield from _axis(picture, scale, bottom)
    yield from _names(picture, bottom + 18)
    every = math.ceil(13 / row_height)
    tones = hues(picture)
    for number, row in enumerate(picture.rows):
        top = HEAD + number * row_height
        if number % every == 0:
            middle = _n(top + row_height / 2)
            label = escape(row.name if len(row.name) <= 27 else "…" + row.name[-26:])
            yield f'<text class="label" x="{LEFT - 10}" y="{middle}">{label}</text>\n'
        yield from _row(picture, row, top, row_height, scale, tones)


def _axis(picture: Picture, scale: float, bottom: float) -> Iterator[str]:
    length = picture.end - picture.begin
    yield f'<path class="grid" d="M{LEFT} {HEAD}H{WIDTH - RIGHT}"/>\n'
    for tick in ticks(length, 8):
        x = _n(LEFT + tick * scale)
        yield f'<path class="grid" d="M{x} {HEAD - 4}V{_n(bottom)}"/>'
        yield f'<text class="tick" x="{x}" y="{HEAD - 9}">{_tick(tick, length)}</text>\n'


def ticks(length: float, most: int) -> list[float]:
    """Round moments from 0 to *length*, at most so many and one."""
    if not 0 < length < math.inf:
        return [0.0]
    rough = length / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * by for by in (1, 2, 5, 10) if size * by >= rough * 0.999999)
    return [number * step for number in range(int(length / step * 1.000001) + 1)]


def _tick(value: float, length: float) -> str:
    unit, size = next(
        ((unit, size) for unit, size in (("s", 1.0), ("ms", 1e-3)) if length >= size), ("µs", 1e-6)
    )
    return f"{round(value / size, 6):,.10g} {unit}"


def _row(
    picture: Picture, row: Row, top: float, height: float, scale: float, tones: list[int]
) -> Iterator[str]:
    gap = min(3.0, height * 0.15)
    y, tall = top + gap, height - 2 * gap
    least = 3.0 if height >= 12 else 12.0  # narrower ones are drawn together, without a text
    small: dict[str, list[tuple[float, float]]] = {}
    columns = picture.columns
    for block in row.blocks:
        x = LEFT + (columns.started[block] - picture.begin) * scale
        end = min(x + columns.duration[block] * scale, WIDTH - RIGHT)
        x = min(max(LEFT, x), WIDTH - RIGHT)
        status = columns.status[block]
        look = f"t{tones[columns.name[block]]}" if status == RETURNED else STATUSES[status]
        if end - x >= least or status == RUNNING:
            yield _block(picture, row, block, look, x, y, end, tall)
        else:
            width = end - x if status == RETURNED else max(2.5, end - x)
            _merge(small.setdefault(look, []), x, x + max(0.6, width))
    for look, spans in sorted(small.items(), key=lambda item: not item[0].startswith("t")):
        path = "".join(f"M{_n(x)} {_n(y)}H{_n(e)}v{_n(tall)}H{_n(x)}z" for x, e in spans)
        yield f'<path class="{look}" d="{path}"/>\n'
    if row.crash is not None:
        x = LEFT + min(max(0.0, row.crash.at - picture.begin), picture.end - picture.begin) * scale
        yield (
            f'<path class="crash" d="M{_n(x)} {_n(top)}v{_n(height)}">'
            f"<title>{escape(row.name)} crashed: {escape(row.crash.error)}</title></path>\n"
        )


def _merge(spans: list[tuple[float, float]], begin: float, end: float) -> None:
    if spans and begin - spans[-1][1] < 0.6:
        spans[-1] = (spans[-1][0], max(spans[-1][1], end))
    else:
        spans.append((begin, end))


def _block(
    picture: Picture, row: Row, block: int, look: str, x: float, y: float, end: float, tall: float
) -> str:
    columns = picture.columns
    name, number = picture.names[columns.name[block]], columns.count[block]
    width = max(1.0, end - x - 0.8)  # a little air between neighbours
    what = f"{name} #{columns.index[block]}" if number == 1 else f"{name} {TIMES} {number:,}"
    lines = [what, f"{seconds(columns.duration[block])} on {row.name}"]
    lines[1] += f", {IN_WORDS[STATUSES[columns.status[block]]]}"
    if number == 1 and columns.attempt[block] > 1:
        lines[1] += f", attempt {columns.attempt[block]}"
    trouble = picture.trouble(block)
    lines += [trouble.error] if trouble else []
    rect = (
        f'<rect class="{look}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(tall)}"'
        f' rx="{_n(min(2.5, width / 3))}"><title>{escape(chr(10).join(lines))}</title></rect>'
    )
    room = int((width - 8) / 6.2)
    if tall < 14 or room < 4 or columns.status[block] not in (RETURNED, RUNNING):
        return rect + "\n"
    short = next((one for one in (what, name) if len(one) <= room), name[: room - 1] + "…")
    text = f'<text class="on" x="{_n(x + 5)}" y="{_n(y + tall / 2)}">{escape(short)}</text>'
    return f"{rect}{text}\n"


def _names(picture: Picture, y: float) -> Iterator[str]:
    """Which hue is whose, if there are several."""
    tones = hues(picture)
    x = float(LEFT)
    for tone in sorted(set(tones)) if len(set(tones)) > 1 else ():
        names = [name for name, one in zip(picture.names, tones, strict=True) if one == tone]
        shown = (names[0] if len(names) == 1 else f"{len(names)} others")[:24]
        yield f'<rect class="t{tone}" x="{_n(x)}" y="{_n(y - 6)}" width="12" height="12" rx="2.5"/>'
        yield f'<text class="muted" x="{_n(x + 18)}" y="{_n(y + 4)}">{escape(shown)}</text>\n'
        x += 40 + 6.6 * len(shown)


def _legend(statuses: Sequence[str], y: float) -> Iterator[str]:
    x = 24.0
    for status in statuses:
        look = "t0" if status == "returned" else status
        yield f'<rect class="{look}" x="{_n(x)}" y="{_n(y - 6)}" width="22" height="12" rx="2.5"/>'
        yield f'<text class="muted" x="{_n(x + 29)}" y="{_n(y + 4)}">{IN_WORDS[status]}</text>\n'
        x += 60 + 6.4 * len(IN_WORDS[status])


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
