"""The same work on this machine's processes and on a Dask cluster, one of whose workers is killed.

It starts a scheduler and two workers here, on the loopback address, as `dask scheduler` and
`dask worker` do on many machines, and ends them. Needs `pip install "concurkit[dask]"`; run it with
`python examples/cluster.py`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from concurkit import DaskExecutor, Failure, Success, Task, run_concurrently


def count_primes(upto: int) -> int:
    """Count the primes below a number, slowly."""
    return sum(all(number % d for d in range(2, int(number**0.5) + 1)) for number in range(2, upto))


@contextmanager
def cluster() -> Generator[tuple[Path, list[int]]]:
    """Start a scheduler and two workers; the file with its address, and the workers' pids."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as servers:
        address = Path(folder, "scheduler.json")

        def start(kind: str, *words: str) -> int:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1"]
            quiet = ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(address)]
            server = subprocess.Popen([*command, *quiet, *words], stderr=subprocess.DEVNULL)
            servers.callback(server.wait)
            servers.callback(server.kill)
            return server.pid

        start("scheduler", "--port", "0")
        while not (address.exists() and address.stat().st_size):
            time.sleep(0.05)
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", folder)
        yield address, [start("worker", *options) for _ in range(2)]


def main() -> None:
    """Run the work twice, then once more while a worker dies."""
    tasks = [40_000 + 500 * number for number in range(12)]
    here = run_concurrently(Task.map(count_primes, tasks), mode="process")
    print("on processes:", sum(here), "primes")

    with (
        cluster() as (address, workers),
        DaskExecutor(json.loads(address.read_text())["address"], max_workers=2) as dask,
    ):
        there = run_concurrently(Task.map(count_primes, tasks), mode=dask)
        print("on the cluster:", "the same" if there == here else "something else")

        calls: list[Task[int]] = list(Task.map(count_primes, tasks))
        calls[5] = Task(kill, workers[0])
        outcomes = run_concurrently(calls, mode=dask, chunksize=1, on_error="collect")

        kept = [one.value for one in outcomes if isinstance(one, Success)]
        lost = [one.error for one in outcomes if isinstance(one, Failure)]
        print("with a worker killed:", len(kept), "results kept,", len(lost), "lost with it")


def kill(worker: int) -> int:
    """Kill a worker of the cluster's; the task itself may run on it, or on the other."""
    os.kill(worker, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    return 0


if __name__ == "__main__":
    main()
