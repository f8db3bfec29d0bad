"""Measure concurkit beside its peers: `python benchmarks/run.py [scenario ...]`."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import scenarios
from harness import environment
from harness.figures import Figures, OtherMachineError, beginning, save
from harness.model import Contender, Scenario, label
from harness.rounds import Effort, play
from harness.table import table
from report.write import draw, write


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", help="names, or what names begin with; default all")
    parser.add_argument("--rounds", type=int, help="rounds (5; with --quick 2)")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write every sample to FILE; other scenarios that it holds already stay in it",
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw a picture of each scenario"
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE",
        help="write a page with tables and pictures, such as docs/benchmarks.md",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="measure nothing: the page and the pictures anew from what --json holds",
    )
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
    options = parser.parse_args(given)
    if options.again and not (options.json and options.json.exists()):
        parser.error("--again needs --json FILE with figures in it")
    return options


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


def measure(
    picked: Sequence[Scenario], options: argparse.Namespace, home: environment.Environment
) -> Figures:
    """Play the scenarios; each is kept as soon as it is done: a run that is stopped loses one."""
    effort = Effort(options.rounds or (2 if options.quick else 5), options.quick, options.patience)
    figures = beginning(options.json, home)
    order = [one.name for one in scenarios.ALL]
    for scenario in picked:
        contenders = chosen(scenario.contenders, options.only)
        if not contenders:
            continue
        measured = play(scenario, contenders, effort, home)
        print(table(measured), end="\n\n", flush=True)
        figures = figures.adding(measured, order)
        if options.json:
            save(options.json, figures)
    return figures


def publish(file: Path, options: argparse.Namespace, home: environment.Environment) -> None:
    if options.pictures:
        draw(file, options.pictures, home)
    if options.page:
        write(file, options.page, home)


def main() -> int:
    options = arguments()
    end_tidily()
    try:
        picked = scenarios.matching(options.scenario)
        if options.list:
            show_list(picked)
            return 0
        home = environment.prepare()
        if options.again:
            publish(options.json, options, home)
            return 0
        figures = measure(picked, options, home)
    except (scenarios.UnknownScenarioError, OtherMachineError) as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        file = options.json or Path(folder, "figures.json")
        save(file, figures)
        publish(file, options, home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
