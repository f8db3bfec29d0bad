"""A page to look at runs: one HTML file, complete in itself, that asks no network for anything.

What can be read is written here; `page/` holds the layout, the style and the script that draws.
The blocks travel as compressed columns, so that 100,000 of them take about a megabyte.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Final

from ._columns import payload, positions
from ._looks import MOST_RUNS, left_out
from ._rows import Picture
from ._tables import article
from ._words import clean

_SCRIPTS: Final = (
    *("data.js", "looks.js", "blocks.js", "chart.js", "window.js", "pointer.js"),
    *("details.js", "search.js", "main.js"),
)
_HOLE: Final = re.compile(r"\{\{(\w+)\}\}")


def page(pictures: Sequence[Picture]) -> Iterable[str]:
    """The parts of the file."""
    style, script, note = _file("page.css"), _script(), left_out(pictures)
    pictures = pictures[:MOST_RUNS]
    packed = zlib.compress(json.dumps(payload(pictures), separators=(",", ":")).encode(), 6)
    fill = {
        "policy": escape(_policy(style, script)),
        "title": escape(_title(pictures)),
        "style": style,
        "articles": "\n".join(
            article(number, picture, positions(picture)) for number, picture in enumerate(pictures)
        )
        or '<p class="empty">No run was watched yet.</p>',
        "note": f'<p class="empty">{note}</p>' if note else "",
        "data": base64.b64encode(packed).decode("ascii"),
        "script": script,
    }
    # In one pass: what is filled in is not looked at again.
    yield _HOLE.sub(lambda hole: fill[hole[1]], _file("page.html"))


def _title(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return "Timeline"
    modes = ", ".join(dict.fromkeys(clean(picture.recorded.began.mode) for picture in pictures))
    return f"Timeline · {modes}"


def _policy(style: str, script: str) -> str:
    """Nothing is loaded and no script runs but ours, whatever names and errors contain."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _script() -> str:
    parts = "\n".join(_file(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


@cache
def _file(name: str) -> str:
    return (resources.files("concurkit.observers.timeline") / "page" / name).read_text(
        encoding="utf-8"
    )
