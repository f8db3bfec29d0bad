"""One contender, one round, in a process of its own: `python -m harness.child`, started by run.py.

What was measured goes to a file, since a contender may print, hang or take the process with it.
Imports are absolute: some libraries' workers run this file again as a script.
"""

import gc
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import scenarios

from harness.model import Contender, Extra, Scenario

ENOUGH_SECONDS = 0.3
"""Runs in one process are repeated until they took this long together."""

NEVER = "never"
"""Seconds to close a pool that does not close; replaced once it has."""


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def runs(contender: Contender, pool: Any) -> Callable[[int], Any]:
    if contender.pool is None:
        return contender.run
    return lambda tasks: contender.run(pool, tasks)


def repeated(scenario: Scenario, run: Callable[[], Any]) -> Iterator[tuple[float, Any]]:
    spent = 0.0
    for _ in range(scenario.repeats):
        seconds, result = timed(run)
        yield seconds, result
        spent += seconds
        if spent >= ENOUGH_SECONDS:
            return


def measure(scenario: Scenario, contender: Contender, tasks: int, out: Path) -> None:
    """Warm up, run, check, and write the sample before and after the pool is closed."""
    with ExitStack() as stack:
        pool = stack.enter_context(contender.pool()) if contender.pool else None
        run = runs(contender, pool)
        if scenario.warm_up:
            run(min(scenario.warm_up, tasks))
        times: list[float] = []
        extras: dict[str, Extra] = {}
        for seconds, result in repeated(scenario, lambda: run(tasks)):
            times.append(seconds)
            extras.update(scenario.check(result, tasks))
        sample = {"seconds": statistics.median(times), "tasks": tasks, "extras": extras}
        write(out, sample | {"extras": extras | {"close s": NEVER}})
        closing = time.perf_counter()
    write(out, sample | {"extras": extras | {"close s": time.perf_counter() - closing}})


def write(out: Path, what: dict[str, Any]) -> None:
    whole = out.with_suffix(".new")
    whole.write_text(json.dumps(what))
    whole.replace(out)


def main() -> None:
    scenario_name, contender_label, tasks, out = sys.argv[1:]
    scenario = scenarios.named(scenario_name)
    try:
        measure(scenario, scenario.contender(contender_label), int(tasks), Path(out))
    except BaseException as error:
        last_line = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        write(Path(out), {"error": last_line, "missing": isinstance(error, ImportError)})
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)  # a contender's stuck thread or worker must not keep the next one waiting


if __name__ == "__main__":
    main()
