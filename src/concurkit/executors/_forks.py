"""What a forked child finds of its parent's locks.

Of all threads only the one that forks is there in the child: a lock that another held stays held
for ever. So nobody of ours pickles or imports while a worker is forked, as far as that can be
helped, and no fork happens, the caller's own included, while one of our locks is held.
"""

from __future__ import annotations

import os
import threading
from typing import Any

_turn = threading.Lock()
_coming: list[Fork] = []


class Fork:
    """A worker that is to be forked, in a thread of its own: one at a time.

    A child has all that is open, so it would hold the pipes of another that is half made.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        _coming.append(self)

    def __enter__(self) -> None:
        _turn.acquire()

    def __exit__(self, *_: object) -> None:
        _turn.release()
        self.forgo()

    def forgo(self) -> None:
        """It is over, or will not be."""
        _coming.remove(self)
        self._over.set()

    def wait(self) -> None:
        """Wait until it is over, for better or worse."""
        self._over.wait()


def wait_for_forks() -> None:
    """Wait until no worker is to be forked any more."""
    for fork in tuple(_coming):
        fork.wait()


def keep_free(lock: Any) -> None:
    """Let no fork happen while another thread holds *lock*.

    Of two locks that are held at once, the inner one must be told of first.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


def _begin_anew() -> None:
    """In the child: the fork that made it is over, and the others are its parent's."""
    global _turn  # noqa: PLW0603
    _turn = threading.Lock()
    _coming.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
