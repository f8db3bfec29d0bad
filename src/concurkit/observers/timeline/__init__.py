"""A picture of runs: which worker ran which task, and when.

`_recording` takes the events in, `_rows` lays them out by worker, `_summary` counts, and there is
one file per format: `_page` (HTML), `_svg` and `_trace` (JSON).
"""

from __future__ import annotations

from ._summary import LastWorker as LastWorker
from ._summary import SlowTask as SlowTask
from ._summary import Summary as Summary
from ._summary import WorkerUse as WorkerUse
from ._timeline import Timeline as Timeline

__all__ = ["LastWorker", "SlowTask", "Summary", "Timeline", "WorkerUse"]
