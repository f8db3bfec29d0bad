"""The process in which checks run: it is told a check's name, tries it, and writes the verdict.

One failure must not colour the next check: after one that does not hold, a new process goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from ._bench import Bench, shown
from ._check import NotApplicable, all_checks


def verdict(bench: Bench, name: str) -> dict[str, Any]:
    """What came of one check, as it is written down."""
    one = all_checks()[name]
    since = time.monotonic()
    outcome, detail = "holds", ""
    try:
        one.trial(bench)
    except NotApplicable as reason:
        outcome, detail = "n/a", str(reason)
    except AssertionError as failure:
        outcome, detail = "fails", str(failure) or "an assertion of its own failed"
    except BaseException as error:  # whatever the executor throws is its verdict
        outcome, detail = "fails", f"raised {shown(error)}"
    return {
        "law": one.law,
        "name": name,
        "promise": one.promise,
        "outcome": outcome,
        "detail": " ".join(detail.split()),
        "seconds": round(time.monotonic() - since, 3),
    }


def name_of(executor: Any) -> str:
    """What an executor calls itself, and where it is from."""
    kind = type(executor)
    return f"{kind.__name__} ({kind.__module__})"


def answer(home: Path, number: int, found: dict[str, Any]) -> None:
    """Write a verdict so that it is there at once and whole."""
    draft = home / f"draft-{number}"
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(home / f"answer-{number}")


def main() -> None:
    """Serve one check after the other, as they are named on standard input."""
    home = Path(sys.argv[1])
    # Nothing that a check starts may read from our input, or keep it open.
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    bench = Bench.load(str(home))
    for line in orders:
        number, name = line.split()
        folder = home / f"check-{number}"
        folder.mkdir()
        bench.folder = folder
        if name == "-":  # not a check: the first thing to know
            answer(home, int(number), {"executor": _named(bench)})
        else:
            answer(home, int(number), verdict(bench, name))
    # Whatever checks have left behind must not keep this process; who started it ends the rest.
    os._exit(0)


def _named(bench: Bench) -> str:
    with bench.executor() as executor:
        return name_of(executor)


if __name__ == "__main__":
    main()
