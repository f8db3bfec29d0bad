"""The table of a scenario, in Markdown."""

from collections.abc import Iterator, Sequence

from .measured import Measured, Row
from .model import label
from .numbers import extra, number, ratio, spread
from .quiet import QUIET

SET_APART = {"ours": "**", "peer": "", "floor": "_", "limit": "_"}

WIDEST = 52


def table(measured: Measured) -> str:
    """The scenario as a Markdown table under its title, with the notes that belong to it."""
    title = measured.title + (" (QUICK: fewer tasks)" if measured.quick else "")
    return f"### {measured.name}: {title}\n\n{body(measured)}"


def body(measured: Measured) -> str:
    """The table, fastest first, and its notes."""
    heads = ["contender", "settings", measured.unit, "min-max", "ratio to ours"]
    heads += [f"x {measured.reference}"] if measured.reference else []
    heads += measured.columns
    rows = [_row(row, measured) for row in measured.ranked()]
    return "\n".join([*aligned([heads, *rows]), *_notes(measured)])


def _row(row: Row, measured: Measured) -> list[str]:
    mark = SET_APART[row.kind]
    cells = [f"{mark}{row.name}{mark}", row.settings]
    if not row.values:
        cells += [row.failed or "no word"]
        width = 5 + bool(measured.reference) + len(measured.columns)
        return cells + ["-"] * (width - len(cells))
    cells += [number(row.median), spread(row.values), ratio(row.median, measured.base())]
    if measured.reference:
        cells += [ratio(row.median, measured.reference_median())]
    return cells + [extra(row.samples, name) for name in measured.columns]


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of one width; a reason for a failure may stick out."""
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    columns = zip(*safe, strict=True)
    widths = [max((len(c) for c in column if len(c) <= WIDEST), default=3) for column in columns]
    for count, row in enumerate(safe):
        yield "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        if count == 0:
            yield "| " + " | ".join("-" * width for width in widths) + " |"


def _notes(measured: Measured) -> Iterator[str]:
    for row in measured.rows:
        if row.values and row.failed:
            yield f"\n{label(row)}: {len(row.values)} good, {row.failed}"
    if measured.others_busy > QUIET:
        busy = f"{measured.others_busy:.1f}"
        yield f"\nNot a quiet machine: others used up to {busy} cores meanwhile."
