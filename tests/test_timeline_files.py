"""The files that a timeline writes: whole or not at all, valid, small, and safe to open."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import html
import json
import os
import re
import stat
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from timeline_events import (
    ZERO,
    again,
    as_of,
    batch,
    begun,
    crash,
    ended,
    histories,
    history,
    inner,
    many,
    over,
    site,
    started,
    watched,
)

from concurkit.observers import Timeline

WICKED = "</script><img src=x onerror=alert(1)>\"'&]]>\x00\x1b\ud800\u202e{{script}}"
ENDINGS = (".html", ".svg", ".json")


def written(timeline: Timeline, folder: Path, ending: str) -> str:
    path = folder / f"run{ending}"
    timeline.save(path)
    return path.read_text(encoding="utf-8")


def trace_of(timeline: Timeline, folder: Path) -> dict[str, Any]:
    found = json.loads(written(timeline, folder, ".json"))
    assert isinstance(found, dict)
    return found


def slices(timeline: Timeline, folder: Path) -> list[dict[str, Any]]:
    return [e for e in trace_of(timeline, folder)["traceEvents"] if e["ph"] in "XB"]


# ---- files --------------------------------------------------------------------------------------


def test_any_other_ending_is_refused_with_the_choices(tmp_path: Path) -> None:
    for name in ("run.png", "run", ".html.gz"):
        with pytest.raises(ValueError, match=r"\.html, \.svg or \.json, not as"):
            Timeline().save(tmp_path / name)
    assert [] == os.listdir(tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_timeline_of_nothing_is_saved_as_well(ending: str, tmp_path: Path) -> None:
    assert written(Timeline(), tmp_path, ending)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_is_written_whole_or_not_at_all(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"run{ending}"
    path.write_text("before")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            watched(site()).save(path)

    assert "before" == path.read_text()
    assert [path.name] == os.listdir(tmp_path)
    watched(site()).save(str(path))
    assert "before" != path.read_text(encoding="utf-8")
    assert [path.name] == os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    plain, saved, kept = tmp_path / "plain", tmp_path / "run.svg", tmp_path / "kept.svg"
    plain.touch()
    kept.touch()
    kept.chmod(0o640)
    Timeline().save(saved)
    Timeline().save(kept)

    assert plain.stat().st_mode == saved.stat().st_mode
    assert 0o640 == stat.S_IMODE(kept.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows links need a privilege")
def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run.svg").symlink_to(tmp_path / "real.svg")
    Timeline().save(tmp_path / "run.svg")

    assert (tmp_path / "run.svg").is_symlink()
    assert (tmp_path / "real.svg").stat().st_size


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run\.html"):
        Timeline().save(tmp_path / "nowhere" / "run.html")


# ---- the trace ----------------------------------------------------------------------------------


def test_a_trace_has_a_slice_for_each_attempt_on_its_worker(tmp_path: Path) -> None:
    timeline = watched(
        [
            started(),
            ended(0, 0.5, 0.25, "thread worker 2"),
            again(1, 1, 1, "thread worker 1"),
            ended(1, 2.5, 1, "thread worker 1", attempts=2, error=OSError("gone")),
            batch(10, 500, 4, 1, "thread worker 1"),
            over(),
        ]
    )
    trace = trace_of(timeline, tmp_path)
    names = {
        e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"
    }
    found = [e for e in trace["traceEvents"] if e["ph"] == "X"]

    assert "ms" == trace["displayTimeUnit"]
    assert {1: "thread worker 1", 2: "thread worker 2"} == names
    assert [(1, 1e6, 1e6), (1, 2.5e6, 1e6), (1, 4e6, 1e6), (2, 5e5, 2.5e5)] == [
        (e["tid"], e["ts"], e["dur"]) for e in found
    ]
    assert [
        {"index": 1, "status": "retried", "error": "OSError: try later"}
        | {"seconds_until_next_attempt": 0.5},
        {"index": 1, "attempt": 2, "status": "failed", "error": "OSError: gone"},
        {"index": 10, "tasks": 500},
        {"index": 0},
    ] == [e["args"] for e in found]


def well_formed(event: dict[str, Any]) -> bool:
    """By the description of the format: what each phase must have."""
    needed = {"X": {"ts", "dur"}, "B": {"ts"}, "i": {"ts", "s"}, "M": {"args"}}[event["ph"]]
    return (
        needed | {"name", "pid", "tid"} <= event.keys()
        and isinstance(event["pid"], int)
        and isinstance(event["tid"], int)
        and all(event.get(key, 0) >= 0 for key in ("ts", "dur"))
    )


@given(histories)
def test_a_trace_is_valid_and_its_slices_nest(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, float, float]]
) -> None:
    from concurkit.observers.timeline._rows import draw
    from concurkit.observers.timeline._trace import trace

    timeline = watched(history(drawn))
    picture = draw(timeline._recordings[1].so_far(), ZERO + 200)
    events = json.loads("".join(trace([picture])))["traceEvents"]

    assert all(well_formed(event) for event in events)
    by_thread = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            by_thread[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in by_thread.values():
        over: list[float] = []
        for begin, end in spans:
            while over and over[-1] <= begin + 0.002:
                over.pop()
            assert not over or end <= over[-1] + 0.002
            over.append(end)


def test_what_failed_in_a_batch_ends_within_it(tmp_path: Path) -> None:
    late = ended(5, 1.5, 0.5005, error=OSError("clocks differ a little"))
    whole, part = slices(watched([started(), batch(0, 9, 1, 1), late, over()]), tmp_path)

    assert (1e6, 1e6) == (whole["ts"], whole["dur"])
    assert (1.5e6, 0.5e6) == (part["ts"], part["dur"])


def test_an_unfinished_task_begins_and_does_not_end(tmp_path: Path) -> None:
    timeline = watched([started(), ended(0, 0, 1), begun(1, 2, "slow")])
    [_, last] = slices(timeline, tmp_path)

    assert ("B", 2e6, "slow") == (last["ph"], last["ts"], last["name"])
    assert timeline.summary().going


def test_each_run_is_a_process_of_the_trace(tmp_path: Path) -> None:
    found = slices(watched([*site(1), *inner(2)]), tmp_path)

    assert {1, 2} == {event["pid"] for event in found}


# ---- the picture and the page -------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def drawing(timeline: Timeline, folder: Path) -> ET.Element:
    return ET.fromstring(written(timeline, folder, ".svg"))


def test_the_picture_has_a_row_for_each_worker_and_a_look_for_each_end(tmp_path: Path) -> None:
    everything = [
        started(),
        *(ended(n, n, 0.9, error=OSError("x"), stopped=stopped) for n, stopped in
          enumerate(("cancelled", "killed", "abandoned", None))),
        again(5, 5, 0.5),
        ended(6, 6, 0.5, "thread worker 2"),
        begun(7, 7),
        crash(8, "thread worker 2"),
    ]  # fmt: skip
    with as_of(10):
        root = drawing(watched(everything), tmp_path)
    looks = {rect.get("class") for rect in root.iter(f"{SVG}rect")}
    labels = [t.text for t in root.iter(f"{SVG}text") if t.get("class") == "label"]

    assert {"failed", "retried", "cancelled", "killed", "abandoned", "running", "t0"} <= looks
    assert ["thread worker 1", "thread worker 2", "still running"] == labels
    assert 1 == sum(path.get("class") == "crash" for path in root.iter(f"{SVG}path"))


def test_many_tasks_make_a_small_picture_and_a_page_below_a_few_megabytes(tmp_path: Path) -> None:
    timeline = watched(many(30_000))

    assert len(written(timeline, tmp_path, ".svg")) < 200_000
    assert len(written(timeline, tmp_path, ".html")) < 500_000


@pytest.mark.parametrize("where", ["name", "error", "worker"])
def test_wicked_text_is_harmless_in_every_format(where: str, tmp_path: Path) -> None:
    more: dict[str, Any] = {"error": OSError("x"), "name": "work"}
    more |= {"name": WICKED} if where == "name" else {}
    more |= {"error": OSError(WICKED)} if where == "error" else {}
    worker = WICKED if where == "worker" else "thread worker 1"
    timeline = watched([started(), ended(0, 0, 9, worker, **more), begun(1, 1, WICKED)])

    drawn = drawing(timeline, tmp_path)
    page = written(timeline, tmp_path, ".html")
    assert not list(drawn.iter(f"{SVG}img"))
    assert "<img" not in page
    assert 2 == len(re.findall("<script", page))
    assert 2 == len(re.findall("</script", page))
    assert "<img" not in timeline._repr_html_()
    assert slices(timeline, tmp_path)


def test_an_error_whose_text_fails_does_no_harm(tmp_path: Path) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    [found] = slices(watched([started(), ended(0, 0, 1, error=Mute())]), tmp_path)

    assert "Mute" == found["args"]["error"]


def test_long_texts_are_cut() -> None:
    timeline = watched([started(), ended(0, 0, 1, name="n" * 10_000, error=OSError("e" * 10_000))])
    [slow] = timeline.summary().slowest

    assert (200, 400) == (len(slow.name), len(slow.error))


def test_what_ended_the_run_is_on_the_page(tmp_path: Path) -> None:
    page = written(watched([started(), over(error=KeyError("input <ended>"))]), tmp_path, ".html")

    assert "Ended by KeyError: &#x27;input &lt;ended&gt;&#x27;" in page


def test_in_a_notebook_it_is_the_page_in_a_frame() -> None:
    shown = watched(site())._repr_html_()
    page = re.search('srcdoc="([^"]*)"', shown)

    assert page is not None
    assert html.unescape(page[1]).startswith("<!doctype html>")
    assert 'sandbox="allow-scripts"' in shown


def test_the_page_asks_no_network_for_anything(tmp_path: Path) -> None:
    page = written(watched(site()), tmp_path, ".html")

    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!\$\{)", page)


def test_of_very_many_runs_the_first_are_shown(tmp_path: Path) -> None:
    timeline = watched(e for run in range(130) for e in (started(run), over(run)))

    assert 100 == written(timeline, tmp_path, ".html").count("<article")
    assert "the first 100 of 130 runs" in written(timeline, tmp_path, ".html")
    assert "the first 100 of 130 runs" in written(timeline, tmp_path, ".svg")


def test_runs_at_the_same_time_share_an_axis() -> None:
    from concurkit.observers.timeline._columns import groups

    timeline = watched([*site(1), *inner(2), *site(3, at=100)])

    assert [[0, 1], [2]] == groups(timeline._pictures())


def test_an_error_names_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was written, whatever files are made on the way."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").touch()

    places = ["nowhere/run.html", "folder.svg", "file/run.json", "a" * 300 + ".svg"]
    for place in places:
        with pytest.raises(OSError, match=re.escape(repr(str(Path(place))))) as caught:
            Timeline().save(place)
        assert (str(Path(place)), None) == (caught.value.filename, caught.value.filename2)
    assert ["file", "folder.svg"] == sorted(path.name for path in tmp_path.iterdir())
