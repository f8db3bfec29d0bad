"""docs/conformance.md: the tables between its markers, from what was found on each Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contenders import EVERYONE, OTHERS, OURS, STANDARD, Contender

BEGIN, END = "<!-- made by conformance/matrix.py -->", "<!-- end of what it made -->"
KEY = """\
*holds*: all the promises of this law. *holds (2 n/a)*: all but two, which mean nothing here.
*1 of 4 fail*: so many of those that mean something. Empty: not looked at. *ThreadPool* is
`concurrent.futures.ThreadPoolExecutor`, and so on."""
Found = dict[str, Any]  # what matrix.py keeps for one Python
Column = tuple[str, Found]  # a title and a report

LAWS = {
    1: "same everywhere",
    2: "one outcome each",
    3: "never too many",
    4: "at most once",
    5: "a failure is contained",
    6: "a crash costs one task",
    7: "time is kept",
    8: "nothing outlives",
    9: "contexts are kept apart",
    10: "any task",
    11: "bad input is refused",
    12: "nothing hangs",
}


def write(file: Path, found: Sequence[Found]) -> None:
    """Put the tables into the page; the first Python is that of the wide ones."""
    text = file.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    file.write_text("\n".join([before + BEGIN, "", made(found), "", END]) + after, encoding="utf-8")


def made(found: Sequence[Found]) -> str:
    first = found[0]
    wide = columns(first, (*OURS, *STANDARD, *OTHERS))
    standard = [
        (f"{title} {one['python']}", report)
        for contender in STANDARD
        for one in found
        for title, report in columns(one, (contender,))
    ]
    parts = [
        told(found),
        f"## The laws, on Python {first['python']}",
        KEY,
        table(["law", *titles(wide)], [law_row(law, wide) for law in LAWS]),
        f"## Every promise, on Python {first['python']}",
        promises(wide),
        "## The standard library, on each Python",
        promises(standard),
        "## Ours, on each Python",
        ours(found),
        "## What happened instead",
        instead([*columns(first, OTHERS), *standard]),
    ]
    return "\n\n".join(parts)


def columns(found: Found, contenders: Sequence[Contender]) -> list[Column]:
    reports = found["reports"]
    return [(one.title, reports[one.title]) for one in contenders if one.title in reports]


def titles(some: Sequence[Column]) -> list[str]:
    return [title for title, _ in some]


def told(found: Sequence[Found]) -> str:
    """When, where and with what."""
    first = found[0]["reports"]
    packages = {one.package: first[one.title]["version"] for one in EVERYONE if one.title in first}
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if name)
    pythons = [f"{next(iter(one['reports'].values()))['python']}, {one['date']}" for one in found]
    return "\n".join([f"- Versions: {versions}", *(f"- Looked at on {one}" for one in pythons)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def law_row(law: int, some: Sequence[Column]) -> list[str]:
    cells = [f"{law} {LAWS[law]}"]
    for _, report in some:
        cells.append(law_cell([one["outcome"] for one in report["verdicts"] if one["law"] == law]))
    return cells


def law_cell(outcomes: Sequence[str]) -> str:
    """The promises of one law in a word or two."""
    fails, strange = outcomes.count("fails"), outcomes.count("n/a")
    if fails:
        return f"**{fails} of {len(outcomes) - strange} fail**"
    if strange == len(outcomes):
        return "n/a" if outcomes else ""
    return f"holds ({strange} n/a)" if strange else "holds"


def promises(some: Sequence[Column]) -> str:
    every = {one["name"]: one for _, report in some for one in report["verdicts"]}
    rows = []
    for name, promise in sorted(every.items(), key=lambda item: item[1]["law"]):
        outcomes = [outcome(report, name) for _, report in some]
        cells = [f"**{one}**" if one == "fails" else one for one in outcomes]
        rows.append([f"{promise['law']}", promise["promise"], *cells])
    return table(["law", "promise", *titles(some)], rows)


def outcome(report: Found, name: str) -> str:
    return next((one["outcome"] for one in report["verdicts"] if one["name"] == name), "")


def ours(found: Sequence[Found]) -> str:
    lines = []
    for one in found:
        some = columns(one, OURS)
        fails = [
            f"{title}: {verdict['promise']} ({verdict['detail']})"
            for title, report in some
            for verdict in report["verdicts"]
            if verdict["outcome"] == "fails"
        ]
        words = "; ".join(fails) or "nothing fails"
        lines.append(f"- Python {one['python']}, {', '.join(titles(some))}: {words}.")
    return "\n".join(lines)


def instead(some: Sequence[Column]) -> str:
    """For each column, what fails and how; once where several Pythons agree."""
    parts = []
    for title, report in some:
        failures = [one for one in report["verdicts"] if one["outcome"] == "fails"]
        lines = [f"- {one['law']}. {one['promise']} {escaped(one['detail'])}" for one in failures]
        if lines:
            parts.append(f"### {title}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def escaped(detail: str) -> str:
    """A program's words, as they are."""
    return f"→ `{detail.replace('`', chr(39))}`" if detail else ""
