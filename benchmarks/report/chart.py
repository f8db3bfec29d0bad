"""What a picture shows, before anything is drawn: bars, their words, and the scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.figures import Figures
from harness.measured import Measured, Row
from harness.model import Kind
from harness.numbers import extra, number, ratio

WIDE = 20
"""From this ratio of the longest to the shortest bar on, the scale is logarithmic."""

LONGEST_REASON = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """One contender: the median, the fastest and the slowest round, and what is written.

    `median` is infinite for who never ended, and None for who gave no number at all.
    """

    name: str
    settings: str
    kind: Kind
    median: float | None
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture: `name` is that of its files, without `-light.svg`."""

    name: str
    title: str
    axis: str
    footer: str
    bars: tuple[Bar, ...]
    logarithmic: bool
    low: float
    high: float


def charts(measured: Measured, figures: Figures) -> list[Chart]:
    """The scenario's number first, then the columns that are drawn too, as far as there are any."""
    views = [(measured.name, measured)]
    views += [(f"{measured.name}-{slug(one)}", measured.by(one)) for one in measured.drawn]
    return [_chart(name, view, figures) for name, view in views if any(r.values for r in view.rows)]


def slug(column: str) -> str:
    """`peak MB above start` as a part of a file's name."""
    kept = (letter if letter.isalnum() else " " for letter in column.rpartition(", ")[0] or column)
    return "-".join("".join(kept).lower().split())


def _chart(name: str, measured: Measured, figures: Figures) -> Chart:
    bars = tuple(_bar(row, measured) for row in measured.ranked() if not row.not_available)
    ends = [end for bar in bars if bar.median is not None for end in (bar.low, bar.high)]
    seen = [end for end in ends if math.isfinite(end) and end > 0] or [1.0]
    logarithmic = max(seen) / min(seen) > WIDE and min(ends) > 0
    low = _below(min(seen)) if logarithmic else min(0.0, min(ends))
    quick = " (quick: fewer tasks)" if measured.quick else ""
    return Chart(
        name=name,
        title=measured.title[:1].upper() + measured.title[1:] + quick,
        axis=f"{measured.unit}, lower is better" + (", logarithmic" if logarithmic else ""),
        footer=footer(measured, figures),
        bars=bars,
        logarithmic=logarithmic,
        low=low,
        high=max(seen),
    )


def _below(value: float) -> float:
    """Where a logarithmic scale begins: a little below, so that the shortest bar can be seen."""
    return value / 2


def _bar(row: Row, measured: Measured) -> Bar:
    if not row.values:
        return Bar(row.name, row.settings, row.kind, None, 0.0, 0.0, _short(row.failed or ""))
    words = [number(row.median)]
    if row != measured.ours() and math.isfinite(row.median):
        words.append(ratio(row.median, measured.base()))
    if measured.best:
        words.append(f"{measured.best}: {extra(row.samples, measured.best)}")
    low, high = min(row.values), max(row.values)
    return Bar(row.name, row.settings, row.kind, row.median, low, high, " · ".join(words))


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"


def footer(measured: Measured, figures: Figures) -> str:
    """Where and when: enough to judge a picture that stands alone."""
    machine = figures.machine
    told: Sequence[str] = (
        f"median of {measured.rounds} rounds, x: times ours, line: fastest to slowest",
        measured.date,
        machine["python"],
        f"{machine['cpus']} CPUs, {machine['cpu']}",
        f"concurkit {figures.versions.get('concurkit', '')}".strip(),
    )
    return " · ".join(told)
