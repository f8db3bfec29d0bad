"""What can't be asked of a mode or an executor: to stop a task, or to time it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._batch import Stopped
from ._task import shown

if TYPE_CHECKING:
    from ._options import RequireStop

_STRENGTHS: dict[Stopped, int] = {"abandoned": 0, "cancelled": 1, "killed": 2}
_NEEDED = {"cancel": 1, "kill": 2}
_WHAT = {
    "abandoned": "can't stop a task that runs: it abandons it",
    "cancelled": "can only cancel a task, which a coroutine may ignore",
}
_FIX = {"cancel": "mode='process' or mode='async'", "kill": "mode='process'"}


def check_stop(required: RequireStop, strength: Stopped, mode: Any) -> None:
    """Refuse *mode*, which stops tasks with this *strength*, if more is required.

    Raises:
        ValueError: naming what it can do, and what to use.
    """
    if _STRENGTHS[strength] >= _NEEDED[required]:
        return
    where = f"mode {mode!r}" if isinstance(mode, str) else shown(mode)
    raise ValueError(
        f"require_stop is {required!r}, but {where} {_WHAT[strength]}. "
        f"Use {_FIX[required]}, or leave require_stop out."
    )


def check_can_time(launcher: Any, chunksize: int | str, mode: Any, given: str) -> None:
    """Refuse what was *given*, a limit in time, where nobody can tell when a task starts.

    Raises:
        ValueError: naming what can't be told, and what to use.
    """
    what = ""
    if launcher.silent:
        what = "its futures don't say when a call starts"
    elif chunksize not in ("auto", 1):
        what = f"chunksize is {chunksize}, and of its tasks only single ones can be timed"
    if what:
        where = f"mode {mode!r}" if isinstance(mode, str) else shown(mode)
        raise ValueError(
            f"{given} is given for {where}, but {what}. "
            "Leave one of the two out, or use an executor of concurkit's."
        )
