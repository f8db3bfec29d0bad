"""Notes from Dask's workers: events of a topic, which the scheduler hands on and forgets at last.

It would keep the last thousand of each topic for good, and these have the tasks' log records.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakMethod

from ._needs import ANSWER


class Listener(Protocol):
    """Who hears of a seat's batches."""

    def hear(self, number: int, note: Any) -> None:
        """Take in what the worker says of the batch with this number."""
        ...


class Topic:
    """Where the workers tell one executor of its batches."""

    def __init__(self, client: Any, token: str) -> None:
        self.name = f"concurkit-{token}"
        self._client = client
        self._listeners: dict[str, Listener] = {}  # by seat
        heard = WeakMethod(self._heard)  # the client keeps what it calls, also when that is over

        def call(event: Any) -> None:
            method = heard()
            if method is not None:
                method(event)

        client.subscribe_topic(self.name, call)

    @contextmanager
    def told(self, seat: str, listener: Listener) -> Generator[None]:
        """While a batch of this seat is under way, *listener* is told of it."""
        self._listeners[seat] = listener
        try:
            yield
        finally:
            self._listeners.pop(seat, None)

    def _heard(self, event: Any) -> None:
        _, told = event
        listener = self._listeners.get(told["seat"])
        if listener is not None:
            listener.hear(told["number"], told["note"])

    def close(self) -> None:
        """Have the scheduler forget all that was told."""
        try:
            self._client.run_on_scheduler(forget, self.name, callback_timeout=ANSWER)
        except Exception:  # another version of Dask's, or one that runs nothing for its clients
            logging.getLogger("concurkit").debug("%s stays in Dask", self.name, exc_info=True)
            if self._client.status == "running":
                self._client.unsubscribe_topic(self.name)


def forget(name: str, dask_scheduler: Any = None) -> None:
    """In the scheduler: drop a topic, and with it who listens."""
    dask_scheduler._broker._topics.pop(name, None)
