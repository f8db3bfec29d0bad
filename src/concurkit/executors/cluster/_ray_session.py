"""A program's connection to Ray: which one it is, and whether it is the same still.

Whoever calls Ray without a connection gets a new one, and with it perhaps a new cluster that
nobody ends. So before each call it is asked whether the connection is still the one that is meant.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from ._needs import engine_module
from ._wire import LostError

_SHUT_DOWN = (
    "Ray was shut down in this program (ray.shutdown) while the executor was open; make a new one"
)

# How often to look whether Ray is all down, and how long at most, in seconds.
_LOOK = 0.01
_DOWN = 5.0


class Session:
    """The connection that this program has now.

    Attributes:
        head: the address of the cluster's head.
    """

    def __init__(self) -> None:
        ray = engine_module("ray", "ray")
        context = ray.get_runtime_context()
        self.head: str = context.gcs_address
        self._worker = context.worker  # one for all connections
        self._node = weakref.ref(self._node_now())

    def _node_now(self) -> Any:
        """What is another object with each connection; nothing is asked of Ray's servers."""
        return getattr(self._worker, "node", self._worker)

    def is_on(self) -> bool:
        """Whether Ray's functions still speak with this cluster, in the same job."""
        on = engine_module("ray", "ray").is_initialized()
        return bool(on) and self._node_now() is self._node()

    def check(self) -> None:
        """Raise LostError if the connection is over."""
        if not self.is_on():
            self._give_up()

    @contextmanager
    def kept(self) -> Generator[None]:
        """Calls of Ray's, which fail in many ways where the connection is over: with LostError."""
        self.check()
        try:
            yield
        except SystemExit:  # so Ray ends what waits for it when it is shut down
            self._give_up()
        except Exception:
            self.check()
            raise

    def end(self) -> None:
        """Shut Ray down, unless somebody has done so, and perhaps connected anew."""
        if self.is_on():
            engine_module("ray", "ray").shutdown()

    def _give_up(self) -> NoReturn:
        """Raise LostError, once Ray is all down.

        Ray ends the program if something of its own is let go while it shuts down.
        """
        until = time.monotonic() + _DOWN
        while hasattr(self._worker, "core_worker") and time.monotonic() < until:
            if engine_module("ray", "ray").is_initialized():  # anew
                break
            time.sleep(_LOOK)
        raise LostError(_SHUT_DOWN) from None
