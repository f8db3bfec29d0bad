"""`python -m concurkit.testing package.module:factory`: which laws does this executor keep?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ._report import Report
from ._run_checks import check_executor
from ._table import markdown, text


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """What is on the command line."""
    parser = argparse.ArgumentParser(prog="python -m concurkit.testing", description=__doc__)
    parser.add_argument(
        "factory",
        nargs="+",
        help="where a class or a function is that gives a new executor: package.module:name",
    )
    parser.add_argument(
        "--law", type=int, action="append", metavar="N", help="only this law; may be repeated"
    )
    parser.add_argument(
        "--only", action="append", metavar="CHECK", help="only this check; may be repeated"
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="for one check (10); more for executors that start slowly",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="one table for all, a column for each executor"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the reports there")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Print a table for each executor; 1 if any promise is not kept, 2 if none could be looked at.

    Args:
        given: the words of the command line; by default those of this process.
    """
    options = arguments(given)
    if options.json:
        options.json.touch()  # now, not after all checks
    reports: list[Report] = []
    for factory in options.factory:
        try:
            report = check_executor(
                factory, laws=options.law, only=options.only, time_limit=options.time_limit
            )
        except Exception as error:  # whatever its module raises
            print(f"{factory}: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            return 2
        reports.append(report)
        if not options.markdown:
            print(text(report), end="\n\n", flush=True)  # noqa: T201
    if options.markdown:
        titles = [one.executor.partition(" ")[0] for one in reports]
        print(markdown(list(zip(titles, reports, strict=True))))  # noqa: T201
    if options.json:
        found = [asdict(report) for report in reports]
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if all(report.ok for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
