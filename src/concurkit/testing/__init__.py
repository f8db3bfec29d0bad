"""Does an executor keep the laws? And an executor whose tasks end when a test says so.

`check_executor` looks at any executor shaped like those of `concurrent.futures`: it runs one small
program after another on it, tasks that misbehave among them, and tells which laws it keeps.
`ManualExecutor` is for tests of code that takes an executor: nothing in them needs to sleep.

From a shell, `python -m concurkit.testing package.module:factory` prints the same as a table, and
`pytest --pyargs concurkit.testing --executor package.module:factory` makes a test of each line.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manual import ManualExecutor as ManualExecutor
    from ._manual import ManualTask as ManualTask
    from ._report import Report as Report
    from ._report import Verdict as Verdict
    from ._run_checks import check_executor as check_executor

# Imported on first use: the workers of an executor under test import what lies in this package.
_HOMES = {
    "ManualExecutor": "._manual",
    "ManualTask": "._manual",
    "Report": "._report",
    "Verdict": "._report",
    "check_executor": "._run_checks",
}

__all__ = ["ManualExecutor", "ManualTask", "Report", "Verdict", "check_executor"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        found = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
