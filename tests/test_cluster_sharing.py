"""What executors leave as it was: Dask's configuration, and a scheduler that others use too."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import ENGINES

from concurkit.executors import dask as module

pytestmark = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")


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
