"""The benchmarks' pure parts: what was measured goes to a file and back, to a page, to pictures.

Nothing is measured or drawn here, and no peer is needed.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
if BENCHMARKS not in sys.path:
    sys.path.insert(0, BENCHMARKS)

import scenarios  # noqa: E402
from harness import figures as files  # noqa: E402
from harness.environment import Environment  # noqa: E402
from harness.figures import Figures, OtherMachineError  # noqa: E402
from harness.measured import Measured, Row  # noqa: E402
from harness.model import Kind, Sample, Scenario, WrongResultError, label  # noqa: E402
from harness.numbers import number, ratio  # noqa: E402
from harness.table import table  # noqa: E402
from report.chart import charts, slug  # noqa: E402
from report.page import page  # noqa: E402
from report.targets import TARGETS, Target  # noqa: E402
from scenarios import _hard_cases as hard_cases  # noqa: E402
from scenarios import hard  # noqa: E402

MACHINE = {
    "cpu": "a processor",
    "cpus": 2,
    "memory_gb": 8,
    "system": "Linux 6.1",
    "python": "CPython 3.11.7",
    "gil": True,
}
VERSIONS = {"concurkit": "0.1.0", "joblib": "1.6.0"}


def row(name: str, *values: float, kind: Kind = "peer", **extras: float | str) -> Row:
    samples = tuple(Sample(value, 10, extras) for value in values)
    return Row(name, "default", kind, values, samples)


def measured(*rows: Row, name: str = "threads", **more: Any) -> Measured:
    found = Measured(name, "ten calls", "µs a task", "2026-11-23", 3, False, 0.0, rows)
    return replace(found, **more)


OURS = row("concurkit", 2.0, 1.0, 3.0, kind="ours")
SLOW = row("joblib", 60.0, 50.0, 70.0)
QUICK = row("mp ThreadPool.map", 1.0, 1.0, 1.0)
GONE = Row("ray", "default", "peer", failed="not available: No module named 'ray'")
BROKEN = Row("mpire", "default", "peer", failed="failed: it did not")


# ---- scenarios ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.name)
def test_each_contender_of_a_scenario_has_a_name_of_its_own(scenario: Scenario) -> None:
    labels = [label(one) for one in scenario.contenders]

    assert len(set(labels)) == len(labels)


def test_scenarios_have_names_of_their_own() -> None:
    names = [one.name for one in scenarios.ALL]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "target",
    [target for target in TARGETS if target.scenario != "fastest"],  # which no mode does yet
    ids=lambda target: target.work,
)
def test_each_figure_to_beat_is_about_a_number_that_is_measured(target: Target) -> None:
    scenario = scenarios.named(target.scenario)
    ours = [one for one in scenario.contenders if one.kind == "ours"]

    assert target.column is None or target.column in scenario.columns
    assert any(target._means(one) for one in ours)


@pytest.mark.parametrize("case", hard_cases.MIXED, ids=lambda case: case.name)
def test_the_hard_cases_have_the_ideal_that_their_title_tells(case: hard_cases.Case) -> None:
    assert hard_cases.ideal(case, hard.SLOW, hard.WORKERS) == 0.15


@pytest.mark.parametrize("case", hard_cases.ONE_SLOW, ids=lambda case: case.name)
def test_one_slow_task_is_all_that_an_ideal_run_waits_for(case: hard_cases.Case) -> None:
    assert hard_cases.ideal(case, hard.TINY, hard.WORKERS) == 0.25


def test_a_hard_case_is_judged_by_its_worst_and_a_wrong_result_is_no_time() -> None:
    case = hard_cases.FEW
    check = hard_cases.judged([case], workers=4)
    right = hard_cases.values(case, 5)

    assert check([(0.2, right)], 5) == {"few": 2.0, "worst": 2.0}
    with pytest.raises(WrongResultError, match="few"):
        check([(0.2, right[::-1])], 5)


# ---- the file -----------------------------------------------------------------------------------


def test_figures_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    never = row("loky", math.inf, 2.0, **{"close s": "never"})
    told = measured(OURS, never, BROKEN, columns=("close s",), best=None, reference="loky")
    figures = Figures(MACHINE, VERSIONS, (told,))

    files.save(tmp_path / "new" / "figures.json", figures)

    assert files.load(tmp_path / "new" / "figures.json") == figures


def test_a_scenario_measured_anew_takes_the_place_of_the_old_one() -> None:
    old = Figures(MACHINE, VERSIONS, (measured(OURS, name="b"), measured(OURS, name="c")))

    new = old.adding(measured(SLOW, name="b"), "abc").adding(measured(QUICK, name="a"), "abc")

    assert [(one.name, one.rows) for one in new.scenarios] == [
        ("a", (QUICK,)),
        ("b", (SLOW,)),
        ("c", (OURS,)),
    ]


def test_figures_of_another_machine_are_not_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "versions", lambda _: VERSIONS)
    monkeypatch.setattr(files.machine, "description", lambda: MACHINE)
    file, home = tmp_path / "figures.json", Environment(tmp_path)
    here = Figures(MACHINE, VERSIONS, (measured(OURS),))

    files.save(file, here)
    assert files.beginning(file, home) == here

    files.save(file, Figures(MACHINE | {"cpus": 64}, VERSIONS))
    with pytest.raises(OtherMachineError, match="another machine"):
        files.beginning(file, home)


# ---- numbers and tables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.09456, "0.0946"), (12.34, "12.3"), (1234.5, "1,234"), (math.inf, "never"), (0.0, "0")],
)
def test_numbers_have_three_digits_and_no_exponent(value: float, shown: str) -> None:
    assert shown == number(value)


def test_a_ratio_needs_something_to_be_a_ratio_to() -> None:
    assert [ratio(3.0, 2.0), ratio(math.inf, 2.0)] == ["1.5x", "never"]
    assert [ratio(3.0, base) for base in (None, 0.0, -0.1, math.inf)] == ["-"] * 4


def test_a_table_begins_with_the_best_and_ends_with_who_gave_no_number() -> None:
    lines = table(measured(OURS, SLOW, BROKEN, QUICK)).splitlines()[4:]

    assert [line.split("|")[1].strip() for line in lines] == [
        "mp ThreadPool.map",
        "**concurkit**",
        "joblib",
        "mpire",
    ]
    assert [line.split("|")[5].strip() for line in lines[:3]] == ["0.5x", "1x", "30x"]


def test_who_kept_most_comes_before_who_was_quickest() -> None:
    hasty = row("mp Pool", 1.0, **{"others kept": 0.0})
    careful = row("pebble", 9.0, **{"others kept": 199.0})

    assert measured(hasty, careful, best="others kept").ranked() == [careful, hasty]


# ---- pictures -----------------------------------------------------------------------------------


def figures_of(*scenarios: Measured) -> Figures:
    return Figures(MACHINE, VERSIONS, scenarios)


def test_a_picture_has_a_bar_for_each_row_that_is_available() -> None:
    told = measured(OURS, SLOW, GONE, BROKEN)

    [chart] = charts(told, figures_of(told))

    assert [(bar.name, bar.median, bar.words) for bar in chart.bars] == [
        ("concurkit", 2.0, "2"),
        ("joblib", 60.0, "60 · 30x"),
        ("mpire", None, "failed: it did not"),
    ]
    assert "2026-11-23" in chart.footer
    assert "CPython 3.11.7" in chart.footer


@pytest.mark.parametrize(("slowest", "logarithmic"), [(15.0, False), (150.0, True)])
def test_the_scale_is_logarithmic_where_bars_differ_much(slowest: float, logarithmic: bool) -> None:
    told = measured(OURS, row("joblib", slowest))

    [chart] = charts(told, figures_of(told))

    assert logarithmic == chart.logarithmic
    assert ("logarithmic" in chart.axis) == logarithmic


def test_who_never_ended_does_not_stretch_the_scale() -> None:
    told = measured(OURS, row("ProcessPoolExecutor", math.inf))

    [chart] = charts(told, figures_of(told))

    assert chart.high == 3.0
    assert chart.bars[1].words == "never"


def test_columns_that_are_drawn_too_have_a_picture_of_their_own() -> None:
    ours = row("concurkit", 2.0, kind="ours", **{"later, ms": 5.0})
    told = measured(ours, SLOW, columns=("later, ms",), drawn=("later, ms",))

    first, later = charts(told, figures_of(told))

    assert (first.name, later.name) == ("threads", "threads-later")
    assert later.axis == "ms, lower is better"
    assert [(bar.name, bar.median) for bar in later.bars] == [("concurkit", 5.0)]


def test_the_name_of_a_file_has_no_odd_letters() -> None:
    assert slug("peak MB above start") == "peak-mb-above-start"
    assert slug("again, ms") == "again"


# ---- the page -----------------------------------------------------------------------------------


def test_the_first_table_shows_ours_the_best_peer_and_a_loss_as_it_is() -> None:
    told = page(figures_of(measured(OURS, SLOW, QUICK)), None)

    [line] = [one for one in told.splitlines() if "(#threads)" in one]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == [
        "µs a task",
        "0.1",
        "**2**",
        "mp ThreadPool.map: 1",
        "default",
        "0.5x",
        "joblib 60",
    ]
    assert "<picture>" not in told
    assert "not measured yet" in told


def test_a_page_tells_the_machine_the_day_and_shows_both_looks_of_each_picture() -> None:
    told = page(figures_of(measured(OURS)), "benchmarks")

    for expected in ["a processor, 2 CPUs, 8 GB", "CPython 3.11.7", "2026-11-23", "make bench"]:
        assert expected in told
    assert 'srcset="benchmarks/threads-dark.svg"' in told
    assert 'src="benchmarks/threads-light.svg"' in told


def test_a_page_says_so_when_figures_were_taken_with_few_tasks() -> None:
    assert "--quick" in page(figures_of(measured(OURS, quick=True)), None)
    assert "--quick" not in page(figures_of(measured(OURS)), None)
