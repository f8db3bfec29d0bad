"""A process for checks: it can hang, crash or leave others behind, and all of that is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..executors._pickling._pickle import dumps
from ._check import Check
from ._processes import MARK, end_marked
from ._report import Verdict

# What is waited for inside a check is given up this much earlier than the check, so that the
# verdict can say what it was.
_INSIDE = 0.6
_START = 60.0  # for the first executor: a cluster's may take long


@dataclass(frozen=True)
class Home:
    """Where the packed factory lies, and how long a check may take."""

    folder: Path
    time_limit: float


@contextmanager
def pack(factory: Callable[..., Any], time_limit: float) -> Generator[Home]:
    """A folder with the factory in it, for the processes that use it; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        (folder / "factory").write_bytes(dumps((factory, _INSIDE * time_limit)))
        yield Home(folder, time_limit)


class Isolated:
    """A process that runs checks one by one, and is replaced when one does not hold."""

    def __init__(self, home: Home, stop: threading.Event) -> None:
        self._packed = home
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._home = home.folder
        self._mark = ""
        self._asked = 0

    def name(self) -> str:
        """What the executor calls itself; raises if not even that comes back."""
        found = self._ask("-", _START)
        if "executor" not in found:
            words, trouble = self._last_words(), found["detail"]
            self.end()
            raise RuntimeError(f"the factory gives no executor that works: {words or trouble}")
        return str(found["executor"])

    def verdict(self, check: Check) -> Verdict:
        """What comes of one check."""
        since = time.monotonic()
        found = self._ask(check.name, self._packed.time_limit)
        if "name" not in found:
            found |= {"law": check.law, "name": check.name, "promise": check.promise}
            found |= {"outcome": "fails", "seconds": round(time.monotonic() - since, 3)}
        if found["outcome"] == "fails":
            self.end()
        return Verdict(**found)

    def end(self) -> None:
        """End the process and all that it has left."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        end_marked(self._mark)

    def _ask(self, name: str, limit: float) -> dict[str, Any]:
        """Have a check run; what it came to, or only a detail if it never came to anything."""
        process = self._process or self._begin()
        assert process.stdin is not None
        self._asked += 1
        answer = self._home / f"answer-{self._asked}"
        with suppress(OSError):  # it has died: seen below
            process.stdin.write(f"{self._asked} {name}\n".encode())
            process.stdin.flush()
        until = time.monotonic() + limit
        while not answer.exists():
            code = process.poll()
            if code is not None and not answer.exists():
                return {"detail": f"the caller died, {_ending(code)}"}
            if self._stop.is_set() or time.monotonic() > until:
                return {"detail": f"hangs: not over after {limit:g} s"}
            time.sleep(0.005)
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found

    def _begin(self) -> subprocess.Popen[bytes]:
        self._mark = uuid.uuid4().hex
        self._home = self._packed.folder / self._mark[:8]
        self._home.mkdir()
        (self._home / "factory").write_bytes((self._packed.folder / "factory").read_bytes())
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        variables = os.environ | {MARK: self._mark, "PYTHONPATH": path}
        # Whoever is killed leaves temporary files behind; here they go with the folder.
        temporary = self._home / "t"
        temporary.mkdir()
        variables |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        with (self._home / "told").open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}._child", str(self._home)],
                stdin=subprocess.PIPE,
                stdout=told,
                stderr=told,
                env=variables,
                start_new_session=True,  # Windows knows none, and does without
            )
        return self._process

    def _last_words(self) -> str:
        text = (self._home / "told").read_text(encoding="utf-8", errors="replace")
        return ([line for line in text.splitlines() if line.strip()] or [""])[-1]


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"with exit code {code}"
