"""The table of a scenario, in Markdown."""

import math
import statistics
from collections.abc import Iterator, Sequence

from .model import Contender, Extra, Sample, label
from .quiet import QUIET
from .rounds import Played, Record

SET_APART = {"ours": "**", "peer": "", "floor": "_", "limit": "_"}

WIDEST = 52


def table(played: Played) -> str:
    """The scenario as a Markdown table, fastest first, with the notes that belong to it."""
    scenario = played.scenario
    heads = ["contender", "settings", scenario.metric.unit, "min-max", "ratio to ours"]
    heads += [f"x {scenario.reference}"] if scenario.reference else []
    heads += scenario.columns
    rows = [_row(record, played) for record in played.ranked()]
    title = scenario.title + (" (QUICK: fewer tasks)" if played.effort.quick else "")
    lines = [f"### {scenario.name}: {title}", "", *_aligned([heads, *rows])]
    return "\n".join([*lines, *_notes(played)])


def _row(record: Record, played: Played) -> list[str]:
    scenario = played.scenario
    contender = record.contender
    mark = SET_APART[contender.kind]
    cells = [f"{mark}{contender.name}{mark}", _settings(contender, record)]
    if not record.samples:
        assert record.failed is not None
        cells += [record.failed.reason]
        width = 5 + bool(scenario.reference) + len(scenario.columns)
        return cells + ["-"] * (width - len(cells))
    values = record.values(scenario.metric)
    middle = statistics.median(values)
    cells += [_number(middle), f"{_number(min(values))}-{_number(max(values))}"]
    cells += [_over(middle, played.ours())]
    if scenario.reference:
        cells += [_over(middle, played.reference())]
    return cells + [_extra(record.samples, name) for name in scenario.columns]


def _settings(contender: Contender, record: Record) -> str:
    if contender.share == 1 or not record.samples:
        return contender.settings
    return f"{contender.settings}; {record.samples[0].tasks:,} tasks"


def _over(value: float, base: float | None) -> str:
    if not base:
        return "-"
    return f"{_number(value / base)}x" if math.isfinite(value) else "never"


def _extra(samples: Sequence[Sample], name: str) -> str:
    found: list[Extra] = [sample.extras[name] for sample in samples if name in sample.extras]
    texts = sorted({value for value in found if isinstance(value, str)})
    numbers = [value for value in found if not isinstance(value, str)]
    shown = [_number(statistics.median(numbers))] if numbers else []
    return " / ".join([*shown, *texts]) or "-"


def _number(value: float) -> str:
    """Three significant digits, without an exponent; what took for ever took "never"."""
    if math.isinf(value):
        return "never"
    if not 0.001 <= abs(value) < 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of one width; a reason for a failure may stick out."""
    columns = zip(*rows, strict=True)
    widths = [max(len(c) for c in column if len(c) <= WIDEST) for column in columns]
    for number, row in enumerate(rows):
        yield "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        if number == 0:
            yield "| " + " | ".join("-" * width for width in widths) + " |"


def _notes(played: Played) -> Iterator[str]:
    for record in played.records:
        if record.samples and record.failed:
            yield f"\n{label(record.contender)}: {len(record.samples)} good, {record.failed.reason}"
    if played.others_busy > QUIET:
        yield f"\nNot a quiet machine: others used up to {played.others_busy:.1f} cores meanwhile."
