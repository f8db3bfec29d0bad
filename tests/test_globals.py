"""What tasks of a script find in its globals, in worker processes."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import collections
import json
from concurkit import ProcessExecutor, Task, run_concurrently

class Service:
    calls = 0

model = None
service = Service()
heard = collections.defaultdict(list)
state = {}
config = {"size": 1}
count = 0

def load():
    global model
    model = "loaded"
    state["connection"] = "open"

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n > 0 and even(n - 1)

def look(_):
    return [model, state, config["size"], even(4)]

def add(_):
    global count
    count += 1
    return count

def call(_):
    service.calls += 1
    heard[Service].append(even(2))
    return service.calls, len(heard[Service])

found = {}
found["one function"] = run_concurrently(
    Task.map(look, range(3)), mode="process", max_workers=1, initializer=load
)
found["several"] = run_concurrently(
    [Task(look, 1), lambda: look(2)], mode="process", max_workers=1, initializer=load
)
with ProcessExecutor(1, initializer=load) as processes:
    def see(fn=look):
        return run_concurrently([Task(fn, 1)], mode=processes)[0]

    see()
    config["size"] = 2
    found["filled by the caller"] = see()
    config = {"size": 3}
    found["assigned by the caller"] = see()

    def odd(n):
        return "new"

    found["defined anew"] = see()
    found["counted"] = [see(add), see(add), see(add)]
    found["objects"] = [see(call), see(call)]
    service.name = "new"
    found["changed objects"] = [see(call), see(call)]
    count = 100
    found["set back"] = [see(add), see(add)]
found["here"] = [model, state, count]
print(json.dumps(found))
"""


def found() -> dict[str, Any]:
    """What the program's tasks found."""
    done = subprocess.run(
        [sys.executable, "-"], input=PROGRAM, capture_output=True, text=True, timeout=60, check=True
    )
    assert "" == done.stderr
    return dict(json.loads(done.stdout))


def test_globals_are_shared_within_a_worker_and_follow_the_caller() -> None:
    """What an initializer sets is there, what the caller changes wins, nothing comes back."""
    loaded = ["loaded", {"connection": "open"}]

    assert {
        "one function": [[*loaded, 1, True]] * 3,
        "several": [[*loaded, 1, True]] * 2,
        "filled by the caller": [*loaded, 2, True],
        "assigned by the caller": [*loaded, 3, True],
        "defined anew": [*loaded, 3, "new"],
        "counted": [1, 2, 3],
        "objects": [[1, 1], [2, 2]],
        "changed objects": [[1, 3], [2, 4]],
        "set back": [101, 102],
        "here": [None, {}, 100],
    } == found()
