"""What executors leave as it was: Dask's configuration, and a scheduler that others use too."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ENGINES, dask_cluster

from concurkit import DaskExecutor, Task, run_concurrently
from concurkit.executors import dask as module

pytestmark = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")


@pytest.fixture
def small_cluster(tmp_path: Path) -> Iterator[Any]:
    """A cluster of one worker process with one thread."""
    import dask

    with dask.config.set({"temporary-directory": str(tmp_path)}), dask_cluster(1) as cluster:
        yield cluster


def test_dask_is_configured_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each puts back what it found, which must not be another's."""
    import dask
    import distributed

    inside: list[Any] = []
    second, over = threading.Event(), threading.Event()

    with ThreadPoolExecutor(1) as elsewhere:

        def start(**_: object) -> None:
            inside.append(dask.config.get("temporary-directory"))
            if len(inside) == 1:
                elsewhere.submit(module._local, 1)
                second.wait(0.3)  # in vain, unless they are at it both
            else:
                second.set()
                over.wait(60)  # so that it is the last to put back what it found
            raise OSError("no cluster today")

        monkeypatch.setattr(distributed, "LocalCluster", start)
        before = dask.config.get("temporary-directory", None)
        with pytest.raises(OSError, match="no cluster today"):
            module._local(1)
        over.set()

    assert 2 == len(set(inside))
    assert before == dask.config.get("temporary-directory", None)


def test_a_scheduler_keeps_nothing_of_an_executor(small_cluster: Any) -> None:
    """Neither what was told of its tasks nor what they logged; its client may live on."""
    import distributed

    def topics(dask_scheduler: Any) -> list[str]:
        return [one for one in dask_scheduler._broker._topics if one.startswith("concurkit")]

    def speak(number: int) -> int:
        logging.getLogger("shared").warning("number %d", number)
        return number

    with distributed.Client(small_cluster, set_as_default=False) as client:
        with DaskExecutor(client) as dask:
            assert [1, 2] == run_concurrently(Task.map(speak, [1, 2]), mode=dask)
            assert 1 == len(client.run_on_scheduler(topics))
        assert [] == client.run_on_scheduler(topics)
