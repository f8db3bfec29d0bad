"""The page of the documentation: the figures to beat, then every scenario with its picture."""

from collections.abc import Iterator, Sequence

from harness.figures import Figures
from harness.measured import Measured, Row
from harness.numbers import extra, number, ratio
from harness.table import aligned, body

from .chart import Chart, charts
from .targets import NEXT, TARGETS, Target

INTRODUCTION = """\
# Benchmarks

This page is written by a program, from figures that it measured. How it measures, and how to read
its tables, is told in [benchmarks/README.md](../benchmarks/README.md). Lower is better everywhere.
"""

REPRODUCE = """\
To measure it all on your machine, and write this page anew:

```sh
make bench ARGS="--json build/figures.json --page docs/benchmarks.md"
```
"""

SUMMARY = """\
## The figures to beat

The goals were set before the library was written, from what peers reached on one machine with two
processors. *Best peer* is the fastest of the libraries and idioms that others would use; yardsticks
written by hand for one case are left out of it, and are in the tables below. *Peer / ours* is above
1 where we are faster, and below 1 where the peer is. For `crash` and `hang`, the best is who kept
most of the other tasks' results.
"""


def page(figures: Figures, pictures: str | None) -> str:
    """The whole page; `pictures` is where they are, seen from it, or None where none were drawn."""
    parts = [INTRODUCTION, *_machine(figures), REPRODUCE, SUMMARY, _summary(figures)]
    for measured in figures.scenarios:
        parts += _section(measured, figures, pictures)
    return "\n".join(parts).rstrip() + "\n"


def _machine(figures: Figures) -> Iterator[str]:
    machine = figures.machine
    memory = f", {machine['memory_gb']} GB of memory" if machine.get("memory_gb") else ""
    gil = "" if machine["gil"] else ", free-threaded"
    yield f"- Machine: {machine['cpu']}, {machine['cpus']} CPUs{memory}; {machine['system']}"
    yield f"- Python: {machine['python']}{gil}"
    yield f"- Measured: {_dates(figures.scenarios)}; {_rounds(figures.scenarios)}"
    yield "- Versions: " + ", ".join(f"{name} {one}" for name, one in figures.versions.items())
    if any(one.quick for one in figures.scenarios):
        yield "- **Some of it was measured with few tasks (`--quick`): those figures say little.**"
    yield ""


def _dates(scenarios: Sequence[Measured]) -> str:
    days = sorted({one.date for one in scenarios})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _rounds(scenarios: Sequence[Measured]) -> str:
    counts = sorted({one.rounds for one in scenarios})
    told = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"medians of {told} rounds"


# The first table ---------------------------------------------------------------------------------


def _summary(figures: Figures) -> str:
    heads = ["work", "unit", "goal", "ours", "best peer", "its settings", "peer / ours", "next"]
    return "\n".join([*aligned([heads, *(_target(one, figures) for one in TARGETS)]), ""])


def _target(target: Target, figures: Figures) -> list[str]:
    measured = figures.scenario(target.scenario)
    if measured is None:
        return [target.work, "-", _goal(target), "not measured yet", *"----"]
    view = target.view(measured)
    work = f"[{target.work}](#{measured.name})"
    ours, peers = target.ours(view), target.peers(view)[: 1 + NEXT]
    cells = [work, target.unit(view), _goal(target)]
    cells += [_shown(ours, target, view, bold=True) if ours else "no figure"]
    if not peers:
        return [*cells, *"----"]
    best = peers[0]
    cells += [f"{best.name}: {_shown(best, target, view)}", best.settings]
    cells += [ratio(best.median, ours.median) if ours else "-"]
    return [
        *cells,
        "; ".join(f"{one.name} {_shown(one, target, view)}" for one in peers[1:]) or "-",
    ]


def _goal(target: Target) -> str:
    return "-" if target.goal is None else number(target.goal)


def _shown(row: Row, target: Target, view: Measured, bold: bool = False) -> str:
    value = number(row.median / target.base(view))
    kept = f" ({view.best} {extra(row.samples, view.best)})" if view.best else ""
    return f"**{value}**{kept}" if bold else f"{value}{kept}"


# The scenarios -----------------------------------------------------------------------------------


def _section(measured: Measured, figures: Figures, pictures: str | None) -> Iterator[str]:
    yield f"## {measured.name}\n"
    quick = " **Measured with few tasks: says little.**" if measured.quick else ""
    yield f"{_sentence(measured.title)}{quick}\n"
    if pictures:
        for chart in charts(measured, figures):
            yield picture(chart, pictures)
    yield body(measured) + "\n"


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:].rstrip(".") + "."


def picture(chart: Chart, folder: str) -> str:
    """Both looks; the reader's browser takes the one that fits."""
    dark, light = f"{folder}/{chart.name}-dark.svg", f"{folder}/{chart.name}-light.svg"
    alt = chart.title.replace('"', "&quot;")
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{dark}">\n'
        f'  <img alt="{alt}" src="{light}">\n'
        "</picture>\n"
    )
