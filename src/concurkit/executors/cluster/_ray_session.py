"""A program's connection to Ray: which one it is, and whether it is the same still.

Whoever calls Ray without a connection gets a new one, and with it perhaps a new cluster that
nobody ends. So before each call it is asked whether the connection is still the one that is meant.
"""

from __future__ import annotations

from ._needs import engine_module
from ._wire import LostError


class Session:
    """The connection that this program has now.

    Attributes:
        head: the address of the cluster's head.
    """

    def __init__(self) -> None:
        self._id = _current()
        self.head = self._id[0] if self._id else ""

    def is_on(self) -> bool:
        """Whether Ray's functions still speak with this cluster, in the same job."""
        return self._id is not None and _current() == self._id

    def check(self) -> None:
        """Raise LostError if the connection is over."""
        if not self.is_on():
            raise LostError(
                "Ray was shut down in this program (ray.shutdown) while the executor was open"
            )

    def end(self) -> None:
        """Shut Ray down, unless somebody has done so, and perhaps connected anew."""
        if self.is_on():
            engine_module("ray", "ray").shutdown()


def _current() -> tuple[str, str, str] | None:
    """Head, job and node: a new cluster may count jobs from one again, at the same address."""
    ray = engine_module("ray", "ray")
    if not ray.is_initialized():
        return None
    try:
        context = ray.get_runtime_context()
        return context.gcs_address, context.get_job_id(), context.get_node_id()
    except Exception:  # it is being shut down at this moment, in another thread
        return None
