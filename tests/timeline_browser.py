"""Opens timelines in a real browser and prints what was seen there, as JSON.

A program of its own, so that the browser's driver, its threads and its loop end with it.

    python timeline_browser.py FOLDER                  what test_timeline_page.py asks for
    python timeline_browser.py --pictures FOLDER       the pictures of docs/timeline.md, made anew
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from timeline_events import (
    again,
    as_of,
    batch,
    begun,
    crash,
    ended,
    inner,
    many,
    site,
    started,
    watched,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WICKED = "</script><img src=x onerror='window.harm=1'>"


class Look:
    """One page in the browser, with all that it asked for and all that it complained of."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        begin = time.perf_counter()
        page.goto(path.as_uri())
        if path.suffix == ".html":
            page.wait_for_selector("html[data-ready]")
            page.wait_for_selector("canvas[data-shapes]")
        self.seconds = time.perf_counter() - begin

    def shown(self, number: int = 0) -> dict[str, float]:
        """What the chart shows, after whatever was asked for is drawn."""
        self.page.evaluate(
            "() => new Promise(then => requestAnimationFrame(() => requestAnimationFrame(then)))"
        )
        data = self.page.evaluate(
            "number => ({...document.querySelectorAll('canvas')[number].dataset})", number
        )
        return {name: float(value) for name, value in data.items()}

    def point(self, second: float, row: int) -> tuple[float, float]:
        """Where a moment of a row is on the page."""
        data = self.shown()
        box = self.page.locator("canvas").first.bounding_box()
        assert box is not None
        scale = (data["right"] - data["left"]) / (data["to"] - data["from"])
        x = data["left"] + (second * 1e6 - data["from"]) * scale
        return box["x"] + x, box["y"] + 26 + (row + 0.5) * 28

    def hover(self, second: float, row: int) -> str:
        self.page.mouse.move(*self.point(second, row))
        self.shown()
        return self.details()

    def details(self) -> str:
        box = self.page.locator(".details")
        return box.inner_text() if box.is_visible() else ""

    def common(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "complaints": self.complaints,
            "seconds": self.seconds,
        }


@contextmanager
def opened(browser: Browser, path: Path, scheme: Any = "light") -> Iterator[Look]:
    size: Any = {"width": 1200, "height": 800}
    context = browser.new_context(color_scheme=scheme, viewport=size, offline=True)
    try:
        yield Look(context.new_page(), path)
    finally:
        context.close()


def small(folder: Path) -> Path:
    """A run of which every moment is known."""
    path = folder / "small.html"
    timeline = watched(
        [
            started(workers=3),
            again(0, 1, 1, "thread worker 1", name="fetch"),
            ended(0, 3, 2, "thread worker 1", name="fetch", attempts=2, error=OSError("gone away")),
            ended(1, 6, 3, "thread worker 1", name="parse"),
            batch(10, 500, 0, 5, "thread worker 2"),
            ended(2, 6, 1, "thread worker 2", name=WICKED, error=OSError(WICKED)),
            ended(3, 7.5, 1, "thread worker 2", name="parse", stopped="killed", error=OSError("x")),
            crash(9, "thread worker 2"),
            begun(4, 4, "endless"),
        ]
    )
    with as_of(10):
        timeline.save(path)
    return path


def see_zoom(look: Look) -> dict[str, Any]:
    page, seen = look.page, {"first": look.shown()}
    page.mouse.move(*look.point(8, 0))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    seen["wheel"] = look.shown()
    x, y = look.point(8, 0)
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=4)
    page.mouse.up()
    seen["drag"] = look.shown()
    page.click("[data-zoom=fit]")
    seen["fit"] = look.shown()
    page.click("[data-zoom=in]")
    seen["button"] = look.shown()
    page.focus("canvas")
    page.keyboard.press("0")
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    seen["keys"] = look.shown()
    page.keyboard.press("0")
    return seen


def see_keys(look: Look) -> list[str]:
    """What is told of the tasks that the keys walk over."""
    look.page.focus("canvas")
    told = []
    for key in ("n", "n", "n", "p", "ArrowDown", "Escape"):
        look.page.keyboard.press(key)
        look.shown()
        told.append(look.details())
    return told


def see_search(look: Look) -> dict[str, Any]:
    page = look.page
    page.keyboard.press("/")
    page.keyboard.type("PARSE")
    found = page.locator("output").inner_text()
    page.keyboard.press("Enter")
    first = (look.shown()["selected"], look.details(), page.locator("output").inner_text())
    page.click("[data-find=next]")
    second = (look.shown()["selected"], look.details(), page.locator("output").inner_text())
    page.fill("input", "#4")
    number = page.locator("output").inner_text()
    page.fill("input", "nothing such")
    none = page.locator("output").inner_text()
    page.fill("input", "")
    return {"found": found, "first": first, "second": second, "number": number, "none": none}


def see_small(browser: Browser, folder: Path) -> dict[str, Any]:
    with opened(browser, small(folder)) as look:
        seen: dict[str, Any] = {"zoom": see_zoom(look)}
        seen["hover"] = [look.hover(*at) for at in ((4, 0), (1.5, 0), (2.5, 1), (5, 2), (5.5, 0))]
        seen["wicked"] = look.hover(6.5, 1)
        seen["keys"] = see_keys(look)
        seen["search"] = see_search(look)
        look.page.click("td button >> nth=0")
        seen["table"] = look.details()
        seen["harm"] = look.page.evaluate("[window.harm ?? 0, document.images.length]")
        return seen | look.common()


def see_schemes(browser: Browser, path: Path) -> dict[str, Any]:
    """The colours of the ground, and all that is drawn, in light and in an open page gone dark."""
    with opened(browser, path) as look:
        seen: dict[str, Any] = {}
        for scheme in ("light", "dark"):
            look.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if path.suffix == ".svg":
                seen[scheme] = [look.page.evaluate(COLOUR, [".page", "fill"])]
            else:
                look.shown()
                drawn = look.page.evaluate("document.querySelector('canvas').toDataURL()")
                ground = look.page.evaluate(COLOUR, ["body", "backgroundColor"])
                seen[scheme] = [ground, look.page.evaluate(COLOUR, ["body", "color"]), drawn]
        return seen | look.common()


COLOUR = "([what, which]) => getComputedStyle(document.querySelector(what))[which]"


def see_many(browser: Browser, folder: Path) -> dict[str, Any]:
    path = folder / "many.html"
    watched(many(100_000)).save(path)
    with opened(browser, path) as look:
        first = look.shown()
        begin = time.perf_counter()
        for _ in range(10):
            look.page.click("[data-zoom=in]")
        close = look.shown()
        told = look.hover((close["from"] + close["to"]) / 2e6, 3)
        look.page.click("[data-zoom=fit]")
        look.page.fill("input", "step_1")
        found = look.page.locator("output").inner_text()
        look.shown()
        took = time.perf_counter() - begin
        size = path.stat().st_size
        return {"first": first, "close": close, "told": told, "found": found} | {
            "took": took,
            "size": size,
        } | look.common()  # fmt: skip


def see_notebook(browser: Browser, folder: Path) -> dict[str, Any]:
    path = folder / "notebook.html"
    frame = watched(site())._repr_html_()
    path.write_text(f"<!doctype html><html data-ready><canvas data-shapes></canvas>{frame}")
    with opened(browser, path) as look:
        inside = look.page.frame_locator("iframe")
        inside.locator("html[data-ready]").wait_for(state="attached")
        return {"heading": inside.locator("h2").inner_text()} | look.common()


def see_runs(browser: Browser, folder: Path) -> dict[str, Any]:
    path = folder / "runs.html"
    watched([*site(1), *inner(2), *site(3, at=100)]).save(path)
    with opened(browser, path) as look:
        look.page.click("[data-zoom=in] >> nth=0")
        look.page.evaluate("scrollTo(0, 1e6)")
        look.page.wait_for_selector("article:last-of-type canvas[data-shapes]")
        shown = [look.shown(number) for number in range(3)]
        headings = look.page.locator("article > header").all_inner_texts()
        return {"shown": shown, "headings": headings} | look.common()


def see_all(browser: Browser, folder: Path) -> dict[str, Any]:
    page, picture = folder / "run.html", folder / "run.svg"
    timeline = watched(site())
    timeline.save(page)
    timeline.save(picture)
    return {
        "small": see_small(browser, folder),
        "many": see_many(browser, folder),
        "runs": see_runs(browser, folder),
        "notebook": see_notebook(browser, folder),
        "page": see_schemes(browser, page),
        "picture": see_schemes(browser, picture),
    }


def take_pictures(browser: Browser, folder: Path, pictures: Path) -> None:
    path = folder / "run.html"
    watched([*site(1), *inner(2)]).save(path)
    watched(site()).save(pictures / "timeline.svg")
    for scheme in ("light", "dark"):
        with opened(browser, path, scheme) as look:
            look.page.set_viewport_size({"width": 1120, "height": 700})
            look.shown()
            look.page.mouse.move(*look.point(5.6, 0))
            look.shown()
            look.page.screenshot(path=pictures / f"timeline-{scheme}.png")


def main() -> None:
    executable = next(filter(None, map(shutil.which, NAMES)))
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=list(FLAGS)) as browser,
    ):
        if sys.argv[1] == "--pictures":
            take_pictures(browser, Path(folder), Path(sys.argv[2]))
        else:
            print(json.dumps(see_all(browser, Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
