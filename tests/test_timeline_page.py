"""The timeline's page and picture in a real browser, offline."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from waiting import wait_until

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LACKING = [
    *([] if find_spec("playwright") else ["playwright for Python"]),
    *([] if any(map(shutil.which, BROWSERS)) else [f"a browser ({' or '.join(BROWSERS)})"]),
]

pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"needs {' and '.join(LACKING)}")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program of its own saw in the browser, which it leaves nothing of."""
    folder, temporary = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("b")
    done = subprocess.run(
        [sys.executable, str(HERE / "timeline_browser.py"), str(folder)],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    wait_until(lambda: not os.listdir(temporary) and not running_in(temporary))
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def running_in(folder: Path) -> list[str]:
    """Processes that were told of a folder, as the browser was of its profile's."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.mark.parametrize("page", ["small", "many", "runs", "notebook", "page", "picture"])
def test_it_opens_offline_and_asks_for_nothing_but_itself(seen: dict[str, Any], page: str) -> None:
    assert ["file"] == [url.partition(":")[0] for url in seen[page]["requests"]]
    assert [] == seen[page]["complaints"]


def test_zooming_and_panning_change_what_is_shown(seen: dict[str, Any]) -> None:
    zoom = seen["small"]["zoom"]
    length = {name: shown["to"] - shown["from"] for name, shown in zoom.items()}

    assert zoom["first"] == zoom["fit"]
    assert zoom["first"]["from"] < 0 < 10e6 < zoom["first"]["to"]
    assert length["wheel"] < length["first"] / 2
    assert zoom["wheel"]["shapes"] < zoom["first"]["shapes"]
    assert length["wheel"] == pytest.approx(length["drag"])
    assert zoom["drag"]["from"] < zoom["wheel"]["from"]
    assert length["first"] / 2 == pytest.approx(length["button"])
    assert length["first"] / 1.6 == pytest.approx(length["keys"])
    assert zoom["keys"]["from"] > (length["first"] - length["keys"]) / 2 + zoom["first"]["from"]


def test_hovering_tells_of_duration_attempts_and_error(seen: dict[str, Any]) -> None:
    failed, retried, tiny, running, nothing = map(words, seen["small"]["hover"])

    assert "fetch #0 failed, took 2.00 s attempt 2" in failed
    assert failed.endswith("thread worker 1 OSError: gone away")
    assert "fetch #0 failed, tried again, took 1.00 s attempt 1" in retried
    assert retried.endswith("OSError: try later tried again 500 ms later")
    assert "tiny \u00d7 500 returned, took 5.00 s one batch; 10.0 ms a task" in tiny
    assert "endless #4 still running, for 6.00 s" in running
    assert "" == nothing


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_searching_finds_tasks_and_goes_from_one_to_the_next(seen: dict[str, Any]) -> None:
    search = seen["small"]["search"]

    assert "2 found" == search["found"]
    assert [words(told).split(" returned")[0] for told in (search["first"][1],)] == ["parse #1"]
    assert words(search["second"][1]).startswith("parse #3 killed")
    assert search["first"][0] != search["second"][0]
    assert ("1 of 2", "2 of 2") == (search["first"][2], search["second"][2])
    assert ("1 found", "none found") == (search["number"], search["none"])


def test_the_keys_walk_over_the_tasks(seen: dict[str, Any]) -> None:
    told = [words(one).split(",")[0] for one in seen["small"]["keys"]]

    assert ["fetch #0 failed", "fetch #0 failed", "parse #1 returned"] == told[:3]
    assert ["fetch #0 failed", "tiny \u00d7 500 returned", ""] == told[3:]


def test_the_table_of_the_slowest_leads_to_the_chart(seen: dict[str, Any]) -> None:
    assert words(seen["small"]["table"]).startswith("parse #1 returned, took 3.00 s")


def test_wicked_names_and_errors_are_shown_as_they_are(seen: dict[str, Any]) -> None:
    wicked = "</script><img src=x onerror='window.harm=1'>"

    assert [0, 0] == seen["small"]["harm"]
    assert 2 == seen["small"]["wicked"].count(wicked)


def test_a_hundred_thousand_tasks_are_drawn_in_reasonable_time(seen: dict[str, Any]) -> None:
    many = seen["many"]

    assert many["size"] < 3_000_000
    assert many["seconds"] < 10  # half a second on an idle machine
    assert many["took"] < 15  # eleven zooms and a search
    assert many["first"]["shapes"] < 20_000
    assert 10 < many["close"]["shapes"] < 1_000
    assert "step_" in many["told"]
    assert "33,333 found" == many["found"]


def test_runs_at_the_same_time_are_zoomed_together(seen: dict[str, Any]) -> None:
    outer, within, later = seen["runs"]["shown"]

    assert (outer["from"], outer["to"]) == (within["from"], within["to"])
    assert later["from"] > 99e6
    assert ["Run 1", "Run 2", "Run 3"] == [one.split("\n")[0] for one in seen["runs"]["headings"]]
    assert "inside task 7 of run 1" in seen["runs"]["headings"][1]


def test_a_notebook_shows_the_page(seen: dict[str, Any]) -> None:
    assert "Run 1" == seen["notebook"]["heading"]


@pytest.mark.parametrize("what", ["page", "picture"])
def test_a_dark_scheme_looks_different(seen: dict[str, Any], what: str) -> None:
    light, dark = seen[what]["light"], seen[what]["dark"]

    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert brightness(dark[0]) < 50 < 200 < brightness(light[0])


def brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
