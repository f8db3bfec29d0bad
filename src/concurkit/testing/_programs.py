"""Programs of their own that a check starts beside itself, and what they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

from ._bench import Bench

_BEGIN = """\
import sys, time
from concurkit.testing import _probes
from concurkit.testing._bench import Bench
from concurkit.testing._checks.stopping import is_mode
home, folder, *words = sys.argv[1:]
bench = Bench.load(home)
"""

NO_GUARD = f"""{_BEGIN}
def double(number):
    return 2 * number

executor = bench.make()
print(bench.value(executor.submit(double, 21)))
executor.shutdown(wait=True)
"""

FUNCTION_OF_THE_SCRIPT = f"""{_BEGIN}
def double(number):
    return 2 * number

if __name__ == "__main__":
    executor = bench.make()
    print(bench.value(executor.submit(double, 21)))
    executor.shutdown(wait=True)
"""

LEFT_OPEN = f"""{_BEGIN}
if __name__ == "__main__":
    executor = bench.make()
    for number in range(4):
        bench.value(executor.submit(_probes.give, number))
"""

# The tasks of the first round are so long that each worker gets one, and leaves its mark.
ORPHANS = f"""{_BEGIN}
if __name__ == "__main__":
    from pathlib import Path
    executor = bench.make()
    marks = [executor.submit(_probes.mark_slowly, folder, "worker", 0.2) for _ in range(4)]
    for future in marks:
        bench.value(future)
    if words == ["busy"]:
        busy = [executor.submit(time.sleep, 30) for _ in range(2)]
        time.sleep(0.3)
    Path(folder, "ready").touch()
    time.sleep(30)
"""

# Who can, waits in a run on the executor; others wait for futures, and then give the executor up.
INTERRUPTED = f"""{_BEGIN}
import signal
def wait(executor):
    if is_mode(executor):
        from concurkit import Task, run_concurrently
        run_concurrently([Task(_probes.mark_slowly, folder, "task", 4)] * 6, mode=executor)
        return
    futures = [executor.submit(_probes.mark_slowly, folder, "task", 4) for _ in range(6)]
    for future in futures:
        future.result()

if __name__ == "__main__":
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    executor = bench.make()
    try:
        wait(executor)
    except KeyboardInterrupt:
        try:
            executor.shutdown(wait=False, cancel_futures=True)
        except TypeError:
            executor.shutdown(wait=False)
"""


class Program:
    """A Python script that runs beside the check, in a process group of its own.

    Args:
        bench: whose factory it uses, and whose folder it is told.
        text: the script.
        words: further arguments.
    """

    def __init__(self, bench: Bench, text: str, *words: str) -> None:
        script = bench.folder / "script.py"
        script.write_text(text, encoding="utf-8")
        self._printed, self._told = bench.folder / "printed", bench.folder / "told"
        with self._printed.open("wb") as printed, self._told.open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, str(script), str(bench.home), str(bench.folder), *words],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=told,
                start_new_session=True,  # Windows knows none, and does without
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait(self, limit: float) -> int | None:
        """The exit code, or None if it does not end within so many seconds."""
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it by force, without its workers."""
        self._process.kill()
        self._process.wait()

    def printed(self) -> str:
        """What it printed."""
        return _text(self._printed).strip()

    def last_words(self) -> str:
        """The last line that it wrote about a failure."""
        lines = [line.strip() for line in _text(self._told).splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line.partition(":")[0]]
        return (errors or lines or [""])[-1][:200]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
