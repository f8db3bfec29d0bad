"""The matrix of docs/conformance.md: it is about the checks that there are."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from concurkit.testing._check import all_checks
from concurkit.testing._run_checks import found

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "conformance"))

import contenders  # noqa: E402
import page  # noqa: E402


def test_the_page_has_a_row_for_every_check() -> None:
    """If this fails, a check is new or says something else: run `make conformance`."""
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")

    assert [] == [one.promise for one in all_checks().values() if f"| {one.promise} |" not in text]


@pytest.mark.parametrize(
    ("outcomes", "cell"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "n/a"], "holds (1 n/a)"),
        (["n/a", "n/a"], "n/a"),
        (["fails", "holds", "n/a"], "**1 of 2 fail**"),
        ([], ""),
    ],
)
def test_a_law_in_a_word(outcomes: list[str], cell: str) -> None:
    assert cell == page.law_cell(outcomes)


def _found(python: str, outcome: str) -> dict[str, Any]:
    verdict = {
        "law": 6,
        "name": "crash",
        "promise": "A crash.",
        "outcome": outcome,
        "detail": "`x`",
    }
    report = {"python": f"CPython {python}.1, Linux", "version": "", "verdicts": [verdict]}
    reports = {"ThreadPool": report, "process": report | {"version": "1.0"}}
    return {"python": python, "date": "2026-11-24", "reports": reports}


def test_the_tables_come_between_the_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(
        f"# Before\n\n{page.BEGIN}\nan older table\n{page.END}\n\nAfter\n", encoding="utf-8"
    )

    for _ in range(2):  # the same again comes to the same
        page.write(file, [_found("3.11", "fails"), _found("3.14", "holds")])
    text = file.read_text(encoding="utf-8")

    assert text.startswith(f"# Before\n\n{page.BEGIN}\n\n- Versions: concurkit 1.0\n")
    assert text.endswith(f"\n\n{page.END}\n\nAfter\n")
    assert "older" not in text
    assert "- Looked at on CPython 3.14.1, Linux, 2026-11-24\n" in text
    assert "| 6 a crash costs one task | **1 of 1 fail** | **1 of 1 fail** |\n" in text
    assert "| law | promise | ThreadPool 3.11 | ThreadPool 3.14 |\n" in text
    assert "| 6 | A crash. | **fails** | holds |\n" in text
    assert "- Python 3.11, process: process: A crash. (`x`).\n" in text
    assert "- Python 3.14, process: nothing fails.\n" in text
    assert "### ThreadPool 3.11\n\n- 6. A crash. → `'x'`\n" in text


@pytest.mark.parametrize(
    "one", [one for one in contenders.EVERYONE if sys.version_info >= one.since], ids=str
)
def test_every_contender_is_there_to_be_called(one: contenders.Contender) -> None:
    if one.factory.partition(":")[0] not in ("concurkit", "concurrent.futures", "adapters"):
        pytest.importorskip(one.factory.partition(":")[0])

    assert callable(found(one.factory))
