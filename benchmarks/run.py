"""Measure concurkit beside its peers: `python benchmarks/run.py [scenario ...]`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import scenarios
from harness import environment
from harness.figures import save
from harness.model import Contender, Scenario, label
from harness.rounds import Effort, Played, play
from harness.table import table


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", help="names, or what names begin with; default all")
    parser.add_argument("--rounds", type=int, help="rounds (5; with --quick 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE")
    parser.add_argument("--list", action="store_true", help="name scenarios and contenders, stop")
    parser.add_argument(
        "--only",
        action="append",
        metavar="CONTENDER",
        help="only contenders with this in their name or settings; may be repeated",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    parser.add_argument(
        "--patience",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="before each run, wait up to so long for a quiet machine",
    )
    return parser.parse_args(given)


def chosen(contenders: Sequence[Contender], only: Sequence[str] | None) -> list[Contender]:
    if not only:
        return list(contenders)
    words = [word.lower() for word in only]
    return [one for one in contenders if any(word in label(one).lower() for word in words)]


def show_list(picked: Sequence[Scenario]) -> None:
    for scenario in picked:
        print(f"{scenario.name}: {scenario.title}")
        for contender in scenario.contenders:
            print(f"    {label(contender)}")


def end_tidily() -> None:
    """SIGTERM ends a run like Ctrl-C does: the contender under way is ended too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def main() -> int:
    options = arguments()
    end_tidily()
    try:
        picked = scenarios.matching(options.scenario)
    except scenarios.UnknownScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        show_list(picked)
        return 0
    effort = Effort(options.rounds or (2 if options.quick else 5), options.quick, options.patience)
    home = environment.prepare()
    results: list[Played] = []
    for scenario in picked:
        contenders = chosen(scenario.contenders, options.only)
        if not contenders:
            continue
        results.append(play(scenario, contenders, effort, home))
        print(table(results[-1]), end="\n\n", flush=True)
        if options.json:  # after each scenario: a run that is stopped keeps what it had
            save(options.json, results, effort, home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
