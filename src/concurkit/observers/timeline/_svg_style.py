"""The colours and patterns of the SVG, light and dark.

Each way to end has a pattern of its own, so that no one needs to tell colours apart.
"""

from __future__ import annotations

from typing import Any, Final

_LIGHT: Final[dict[str, Any]] = {
    "page": "#ffffff",
    "ink": "#1d2530",
    "muted": "#596474",
    "grid": "#e3e7ec",
    "on": "#ffffff",
    "tones": ("#3b6ea5", "#2d7d74", "#6c5fa7", "#7d6832", "#56697a"),
    "failed": "#bf3b30",
    "retried": "#a06410",
    "cancelled": "#6b7684",
    "killed": "#8a2f66",
    "abandoned": "#5d6875",
}
_DARK: Final[dict[str, Any]] = {
    "page": "#14191f",
    "ink": "#e6eaf0",
    "muted": "#9ba7b5",
    "grid": "#2b333d",
    "on": "#0e141b",
    "tones": ("#6ea4da", "#59b5aa", "#a598e2", "#c2ad66", "#90a6b8"),
    "failed": "#f2796c",
    "retried": "#e3ad55",
    "cancelled": "#98a4b2",
    "killed": "#dd8ab9",
    "abandoned": "#a5b1be",
}


def _rules(look: dict[str, Any]) -> str:
    rules = [
        f".page{{fill:{look['page']}}}",
        f".title{{fill:{look['ink']}}}",
        f".muted,.tick,.label{{fill:{look['muted']}}}",
        f".grid{{stroke:{look['grid']}}}",
        f".on{{fill:{look['on']}}}",
        f".crash{{stroke:{look['failed']}}}",
        f".gap{{stroke:{look['page']}}}",
    ]
    rules += [f".t{number}{{fill:{tone}}}" for number, tone in enumerate(look["tones"])]
    for name in ("failed", "retried", "cancelled", "killed", "abandoned"):
        rules.append(f".{name}{{stroke:{look[name]}}}.in-{name}{{fill:{look[name]}}}")
    rules.append(f".from{{stop-color:{look['tones'][0]}}}")
    return "".join(rules)


STYLE: Final = (
    "text{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-size:12px}"
    ".title{font-size:16px;font-weight:600}.tick{text-anchor:middle;font-size:11px}"
    ".label{text-anchor:end;dominant-baseline:central}"
    ".on{font-size:11px;dominant-baseline:central}"
    ".grid{fill:none}.crash{stroke-width:2;stroke-dasharray:3 2}.gap{stroke-width:1.6;fill:none}"
    ".running{fill:url(#running)}"
    + "".join(
        f".{name}{{fill:url(#{name})}}"
        for name in ("failed", "retried", "cancelled", "killed", "abandoned")
    )
    + _rules(_LIGHT)
    + "@media(prefers-color-scheme:dark){"
    + _rules(_DARK)
    + "}"
)


def _pattern(name: str, lines: str) -> str:
    return (
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect class="in-{name}" width="6" height="6"/><path class="gap" d="{lines}"/></pattern>'
    )


DEFINITIONS: Final = (
    "<defs>"
    + _pattern("failed", "M-1 -1L7 7M-1 7L7 -1")
    + _pattern("retried", "M-1 7L7 -1M-1 1L1 -1M5 7L7 5")
    + _pattern("cancelled", "M0 3H6")
    + _pattern("killed", "M3 0V6")
    + _pattern("abandoned", "M0 1.5H3M3 4.5H6")
    + '<linearGradient id="running"><stop class="from" stop-opacity=".75"/>'
    '<stop class="from" offset="1" stop-opacity=".06"/></linearGradient></defs>'
)
