"""Which executor keeps which laws: `python conformance/matrix.py`, once on each Python.

It looks at every contender with `concurkit.testing`, on the Python that runs it, and keeps what it
found in build/conformance/. Then it writes docs/conformance.md, between its markers, from what it
has found on all Pythons so far. `--page` only writes the page.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import environment
import page
from contenders import EVERYONE, Contender

CHECKOUT = Path(__file__).resolve().parent.parent
FOUND = CHECKOUT / "build" / "conformance"
TIME_LIMIT = "30"  # seconds for a check; only what hangs comes near it
PAGE = CHECKOUT / "docs" / "conformance.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", metavar="TITLE", help="only these columns")
    parser.add_argument("--page", action="store_true", help="look at nothing, write the page anew")
    options = parser.parse_args()
    if not options.page:
        look(options.only)
    found = [json.loads(one.read_text(encoding="utf-8")) for one in FOUND.glob("*.json")]
    page.write(
        PAGE, sorted(found, key=lambda one: [int(n) for n in re.findall(r"\d+", one["python"])])
    )
    return 0


def look(only: list[str] | None) -> None:
    """Check every contender that this Python has, and keep what came of it."""
    python = environment.prepare()
    file = FOUND / f"{environment.tag()}.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"reports": {}}
    kept |= {"python": environment.tag(), "date": f"{date.today()}"}
    for one in EVERYONE:
        version = environment.version(python, one.package) if one.package else ""
        if (only and one.title not in only) or version is None or sys.version_info < one.since:
            continue
        print(f"{environment.tag()}: {one.title}", file=sys.stderr)
        kept["reports"][one.title] = report(python, one) | {"version": version}
    FOUND.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def report(python: Path, one: Contender) -> dict[str, Any]:
    """What the kit finds, as it writes it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        laws = [word for law in one.laws for word in ("--law", f"{law}")]
        command = [python, "-m", "concurkit.testing", one.factory, *laws]
        command += ["--time-limit", TIME_LIMIT, "--json", file]
        variables = os.environ | {"PYTHONPATH": str(environment.HERE)}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if not file.exists():
            raise SystemExit(f"{one.title}: {done.stderr.strip()}")
        [found] = json.loads(file.read_text(encoding="utf-8"))
        return dict(found)


if __name__ == "__main__":
    sys.exit(main())
