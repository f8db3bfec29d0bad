"""What clusters refuse, and what they say: early where they can, within seconds everywhere."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sample_tasks
from conftest import ENGINES

from concurkit import DaskExecutor, RayExecutor, Task, iter_concurrently, run_concurrently
from concurkit.exceptions import ModeUnavailableError, TaskNotPicklableError
from concurkit.executors.cluster._dask_places import split
from concurkit.executors.cluster._needs import check_versions
from concurkit.executors.cluster._node import versions

CLASSES: dict[str, Any] = {"dask": DaskExecutor, "ray": RayExecutor}
PACKAGES = {"dask": "distributed", "ray": "ray"}

# Nobody listens there.
NOWHERE = "127.0.0.1:1"

needs_dask = pytest.mark.skipif("dask" not in ENGINES, reason="needs distributed")
needs_ray = pytest.mark.skipif("ray" not in ENGINES, reason="needs ray")


# ---- without the engine -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", CLASSES)
def test_an_engine_that_is_not_installed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mode and the executor say how to install it."""
    monkeypatch.setitem(sys.modules, PACKAGES[engine], None)

    for call in (CLASSES[engine], lambda: run_concurrently([print], mode=engine)):
        with pytest.raises(ModeUnavailableError) as caught:
            call()
        assert f'pip install "concurkit[{engine}]"' in str(caught.value)


def test_what_a_node_must_have() -> None:
    """The same Python and the same version of this package, or it is told which is where."""
    me, python, package = versions()
    assert me == check_versions((me, python, package), "there")

    with pytest.raises(ModeUnavailableError, match=r"there has Python 3\.1, and this program has"):
        check_versions((me, "3.1", package), "there")
    with pytest.raises(ModeUnavailableError, match=r"there has concurkit 0\.0, and this program"):
        check_versions((me, python, "0.0"), "there")
    with pytest.raises(ModeUnavailableError, match=r"can't import concurkit .* install it there"):
        check_versions(ModuleNotFoundError("No module named 'concurkit'"), "there")
    # What Dask makes of it, where the message can't be read that asks.
    text = """ModuleNotFoundError("No module named 'concurkit'")"""
    with pytest.raises(ModeUnavailableError, match=r"can't import concurkit .* install it there"):
        check_versions(Exception(text), "there")
    with pytest.raises(ModeUnavailableError, match="can't be used: KeyError"):
        check_versions(KeyError("odd"), "there")


# ---- no cluster there ---------------------------------------------------------------------------


@needs_dask
def test_no_scheduler_at_the_address() -> None:
    """A clear error within seconds."""
    start = time.monotonic()

    with pytest.raises(
        ModeUnavailableError, match=rf"no Dask scheduler answers at tcp://{NOWHERE}"
    ):
        DaskExecutor(f"tcp://{NOWHERE}")

    assert time.monotonic() - start < 10


@needs_dask
@pytest.mark.parametrize("word", ["run", "stream"])
def test_no_scheduler_where_dask_is_configured_to_find_one(word: str, tmp_path: Path) -> None:
    """So it is for the mode by its name, before any task has run."""
    import dask

    ran = tmp_path / "ran"
    tasks = (Task(sample_tasks.append, str(ran), number) for number in range(3))
    call = run_concurrently if word == "run" else lambda *a, **k: list(iter_concurrently(*a, **k))

    with (
        dask.config.set({"scheduler-address": f"tcp://{NOWHERE}"}),
        pytest.raises(ModeUnavailableError, match="no Dask scheduler"),
    ):
        call(tasks, mode="dask")

    assert not ran.exists()


@needs_ray
def test_no_head_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would ask again and again."""
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    start = time.monotonic()

    with pytest.raises(ModeUnavailableError, match=rf"no Ray cluster answers at {NOWHERE}"):
        RayExecutor(NOWHERE)
    monkeypatch.setenv("RAY_ADDRESS", NOWHERE)
    with pytest.raises(ModeUnavailableError, match=rf"no Ray cluster answers at {NOWHERE}"):
        run_concurrently([print], mode="ray")

    assert time.monotonic() - start < 10


# ---- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", [{"max_workers": 0}, {"initializer": 3}, {"initargs": (1,)}])
def test_arguments_are_checked_before_anything_starts(engine: str, bad: dict[str, Any]) -> None:
    """No cluster is asked for."""
    with pytest.raises((TypeError, ValueError), match=next(iter(bad))):
        CLASSES[engine](NOWHERE, **bad)


@needs_dask
@pytest.mark.parametrize("cluster", [7, object(), ["tcp://127.0.0.1:1"]])
def test_what_is_no_cluster_of_dask_s(cluster: Any) -> None:
    """The error says what it may be."""
    with pytest.raises(TypeError, match=r"address of a scheduler.*Client"):
        DaskExecutor(cluster)


@needs_dask
def test_an_asynchronous_client_is_refused() -> None:
    """It lives in one loop; threads of ours can't ask it."""
    import distributed

    class Asynchronous(distributed.Client):
        asynchronous = True

        def __init__(self) -> None:  # nothing is started
            pass

        def __del__(self) -> None:
            pass

    with pytest.raises(TypeError, match="asynchronous"):
        DaskExecutor(Asynchronous())


@needs_ray
def test_an_address_that_is_no_text_is_refused() -> None:
    """And Ray's client, which can't tell what becomes of a task."""
    with pytest.raises(TypeError, match="address is 7"):
        RayExecutor(7)  # type: ignore[arg-type]
    with pytest.raises(ModeUnavailableError, match="ray job submit"):
        RayExecutor("ray://127.0.0.1:10001")


@needs_ray
def test_an_address_that_is_empty_is_refused() -> None:
    """It is none; None means the default."""
    with pytest.raises(ValueError, match=r"address is ''; it must be .*None"):
        RayExecutor("")


@needs_ray
def test_a_ray_client_that_the_environment_names_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that an argument names."""
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")

    with pytest.raises(ModeUnavailableError, match=r"RAY_ADDRESS is 'ray://.*ray job submit"):
        RayExecutor()


@needs_ray
@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"init_options": {"nonsense": 1}}, ValueError, "'nonsense', which ray.init does not know"),
        ({"init_options": {"address": "auto"}}, ValueError, "address="),
        ({"init_options": 7}, TypeError, "init_options is 7; it must be a dict"),
        ({"init_options": {3: 4}}, TypeError, "must be a dict of options by their names"),
        (
            {"actor_options": {"max_restarts": 1}},
            ValueError,
            "'max_restarts'.*own affair.*num_gpus",
        ),
        ({"actor_options": {"name": "x"}}, ValueError, "'name'.*own affair"),
        ({"actor_options": {"nonsense": 1}}, ValueError, "Ray refuses them: .*nonsense"),
        ({"actor_options": {"num_cpus": "one"}}, TypeError, "Ray refuses them: .*num_cpus"),
        ({"actor_options": ["num_cpus"]}, TypeError, "actor_options is .* it must be a dict"),
    ],
)
def test_options_for_ray_that_can_t_be(options: dict[str, Any], kind: Any, why: str) -> None:
    """Are told before a cluster is asked for, with what to give in their place."""
    with pytest.raises(kind, match=why):
        RayExecutor(NOWHERE, **options)


@needs_ray
def test_a_program_that_is_connected_to_ray(warm_ray: RayExecutor) -> None:
    """Has one cluster, and no other address may be given."""
    with pytest.raises(ValueError, match="connected to a Ray cluster already"):
        RayExecutor("127.0.0.2:6399")


@pytest.mark.parametrize(
    ("option", "why"), [("retries", "own affair"), ("pure", "own affair"), ("colour", "not known")]
)
def test_submit_options_that_are_not_the_callers(option: str, why: str) -> None:
    """Each batch is one call, which runs once; the error names what may be given."""
    with pytest.raises(ValueError, match=rf"{option}.*{why}.*workers, resources, priority"):
        split({option: 1})


def test_which_workers_submit_options_allow() -> None:
    """By address, name or host, and by the resources that each has."""
    info = {
        "tcp://a:1": {"name": "one", "host": "a", "resources": {"GPU": 2}},
        "tcp://b:1": {"name": "two", "host": "b", "resources": {}},
    }

    def fitting(**options: Any) -> list[str]:
        _, places = split(options)
        return [address for address in info if not places or places.fit(address, info)]

    assert [*info] == fitting() == fitting(priority=3)
    assert ["tcp://a:1"] == fitting(workers=["a"]) == fitting(workers="one")
    assert ["tcp://b:1"] == fitting(workers=["tcp://b:1"])
    assert ["tcp://a:1"] == fitting(resources={"GPU": 1})
    assert [] == fitting(resources={"GPU": 3}) == fitting(workers="b", resources={"GPU": 1})
    assert not split({"workers": ["a"]})[1].fit("tcp://new:1", info)


# ---- a cluster that can't run the tasks ---------------------------------------------------------


@needs_dask
def test_a_cluster_without_a_worker_that_fits(
    warm_dask: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is told after a while, with what was asked for."""
    monkeypatch.setattr("concurkit.executors.cluster._dask._FIRST_WORKER", 0.2)

    with pytest.raises(ModeUnavailableError, match=r"no worker with the resources .*MOON.* after"):
        DaskExecutor(warm_dask._engine._client, submit_options={"resources": {"MOON": 1}})


@needs_dask
def test_a_scheduler_without_concurkit(
    warm_dask: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads what it hands on, so it needs the package too; other troubles show elsewhere."""
    client = warm_dask._engine._client
    asked: list[Exception] = [ModuleNotFoundError("No module named 'concurkit'"), ValueError("no")]

    def refuse(*_: Any, **__: Any) -> None:
        raise asked.pop(0)

    monkeypatch.setattr(client, "run_on_scheduler", refuse)
    with DaskExecutor(client) as dask:
        with pytest.raises(
            ModeUnavailableError, match=r"the Dask scheduler at tcp://.* can't import concurkit"
        ):
            run_concurrently([sample_tasks.nothing] * 3, mode=dask)
        assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=dask)


@needs_dask
def test_a_worker_of_another_version(
    warm_dask: DaskExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends the run before any task is lost there."""
    client = warm_dask._engine._client
    run = client.run

    def as_if_older(fn: Any, *args: Any, **options: Any) -> Any:
        found = run(fn, *args, **options)
        return (
            {one: (*told[:2], "0.0.1") for one, told in found.items()} if fn is versions else found
        )

    monkeypatch.setattr(client, "run", as_if_older)
    with (
        DaskExecutor(client) as older,
        pytest.raises(ModeUnavailableError, match=r"has concurkit 0\.0\.1, and this program"),
    ):
        run_concurrently([sample_tasks.nothing] * 3, mode=older)


@pytest.fixture(params=ENGINES)
def cluster(request: pytest.FixtureRequest) -> Any:
    """The session's executor on each engine."""
    return request.getfixturevalue(f"warm_{request.param}")


def test_a_module_that_the_workers_lack(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task fails, and says which module; others go on."""
    (tmp_path / "only_here.py").write_text("def greet():\n    return 'hello'\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    tasks = [only_here.greet, Task(sample_tasks.give, 1)]

    lacking, fine = run_concurrently(tasks, mode=cluster, on_error="collect")

    assert isinstance(lacking.error, TaskNotPicklableError)
    assert "only_here" in str(lacking.error)
    assert 1 == fine.value


@needs_ray
def test_a_cluster_without_room_for_an_actor(
    warm_ray: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is told after a while, with what the cluster has."""
    from concurkit.executors.cluster._ray import RayEngine

    monkeypatch.setattr(RayEngine, "longest", 0.5)
    with (
        RayExecutor(max_workers=1, actor_options={"num_gpus": 64}) as ray,
        pytest.raises(ModeUnavailableError, match=r"no room for an actor with .*num_gpus.*64"),
    ):
        run_concurrently([sample_tasks.nothing], mode=ray)


@needs_ray
def test_more_workers_than_cpus_share_them(warm_ray: RayExecutor) -> None:
    """So that all can start: an actor asks for its part of a CPU."""
    with RayExecutor(max_workers=20) as ray:
        assert 0 < ray._engine._needs["num_cpus"] < 1
        assert [1] == run_concurrently([Task(sample_tasks.give, 1)], mode=ray)


def test_an_engine_that_had_no_worker_once_is_not_waited_for_again() -> None:
    """For each of the tasks that are left there would be the same wait."""
    from concurkit.executors.cluster._engine import Engine

    class Waiting(Engine):
        name, longest = "test", 30.0
        waits: list[float]

        def put(self, lot: Any) -> Any: ...
        def _end(self) -> None: ...

        def line(self, is_wanted: Any) -> Any:
            self.waits.append(self.patience)
            if len(self.waits) in (2, 3):
                raise ModeUnavailableError("none came")
            return SimpleNamespace()

    engine = Waiting()
    engine.waits = []
    for _ in range(5):
        try:
            engine.new_line(lambda: True)
        except ModeUnavailableError:
            assert engine.worked
    assert [30.0, 30.0, 0.0, 0.0, 30.0] == engine.waits
