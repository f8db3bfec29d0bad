"""Reports as tables: one in full as plain text, and several side by side in Markdown."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence

from ._report import LAWS, Report, Verdict

_WORDS = {"holds": "holds", "fails": "FAILS", "n/a": "n/a"}
_LEFT = " " * 10


def text(report: Report) -> str:
    """One report: each law, its promises, and what happened where one is not kept."""
    lines = [", ".join(filter(None, [report.executor, report.python]))]
    for law, title in LAWS.items():
        verdicts = report.of_law(law)
        if verdicts:
            lines += ["", f"{law}. {title}"]
            lines += [line for one in verdicts for line in _lines(one)]
    return "\n".join([*lines, "", summary(report)])


def summary(report: Report) -> str:
    """How many promises hold."""
    count = Counter(one.outcome for one in report.verdicts)
    return f"{count['holds']} hold, {count['fails']} fail, {count['n/a']} n/a"


def _lines(one: Verdict) -> list[str]:
    width = max(60, min(100, shutil.get_terminal_size((100, 24)).columns))
    lines = textwrap.wrap(
        one.promise, width, initial_indent=f"   {_WORDS[one.outcome]:7}", subsequent_indent=_LEFT
    )
    if one.detail:
        lines += textwrap.wrap(
            one.detail, width, initial_indent=f"{_LEFT}- ", subsequent_indent=f"{_LEFT}  "
        )
    return lines


def markdown(reports: Sequence[tuple[str, Report]]) -> str:
    """Several reports side by side, a row for each promise and a column for each executor."""
    promises = {one.name: one for _, report in reports for one in report.verdicts}
    order = sorted(promises.values(), key=lambda one: one.law)
    cells = [{one.name: one for one in report.verdicts} for _, report in reports]
    rows = [["law", "promise", *(title for title, _ in reports)]]
    rows += [
        [f"{one.law}", one.promise, *(_cell(found.get(one.name)) for found in cells)]
        for one in order
    ]
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def _cell(one: Verdict | None) -> str:
    if one is None:
        return ""
    return f"**{one.outcome}**" if one.outcome == "fails" else one.outcome
