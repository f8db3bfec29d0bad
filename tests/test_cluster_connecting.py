"""What DaskExecutor is told of where to connect and what to ask for, and refuses at once."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ENGINES

from concurkit import DaskExecutor
from concurkit.exceptions import ModeUnavailableError
from concurkit.executors.cluster._dask_places import split

needs_dask = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("priority", "high", r"'high'; it must be a number"),
        ("resources", 7, r"7; they must be a dict of names and numbers"),
        ("resources", {"GPU": "one"}, r"'one'.*must be a dict of names and numbers"),
    ],
)
def test_submit_options_of_a_wrong_type(option: str, value: Any, why: str) -> None:
    """Dask would fail in its scheduler, and the run would never hear of it."""
    with pytest.raises(TypeError, match=f"submit_options has the {option}.*{why}"):
        split({option: value})


@needs_dask
def test_a_client_or_a_cluster_that_is_closed(tmp_path: Path) -> None:
    """It says what to do, not what Dask can't send."""
    import dask
    import distributed

    with (
        dask.config.set({"temporary-directory": str(tmp_path)}),
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        pass

    with pytest.raises(ModeUnavailableError, match="client is closed; make a new one"):
        DaskExecutor(client)
    with pytest.raises(ModeUnavailableError, match="cluster LocalCluster is closed; make a new"):
        DaskExecutor(cluster)


@needs_dask
def test_security_where_nothing_is_connected_to(
    warm_dask: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be without effect, which nobody who cares for it may miss."""
    import distributed

    client = warm_dask._engine._client
    with pytest.raises(ValueError, match=r"security=.*the Client is connected already; leave it"):
        DaskExecutor(client, security={"secret": True})
    with pytest.raises(ValueError, match=r"inside this program; .* the scheduler's address"):
        DaskExecutor(security={"secret": True})
    monkeypatch.setattr(distributed, "default_client", lambda: client)
    with pytest.raises(ValueError, match=r"the program has a Client"):
        DaskExecutor(security={"secret": True})


def test_resources_say_how_many_batches_a_worker_takes() -> None:
    """As its threads do: Dask keeps others waiting."""
    its = {"resources": {"GPU": 2, "MEMORY": 7}}

    def slots(**resources: float) -> int:
        return split({"resources": resources})[1].slots(4, its)

    assert 4 == slots() == slots(GPU=0) == slots(GPU=0.5)
    assert 2 == slots(GPU=1) == slots(MEMORY=3)
    assert 1 == slots(GPU=1, MEMORY=5)
