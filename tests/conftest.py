"""What every test stands on: the profiles, the modes and calls, and a look at what is left."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import multiprocessing
import os
import re
import site
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
import trio
from hypothesis import HealthCheck, settings

from concurkit import (
    AsyncExecutor,
    DaskExecutor,
    InterpreterExecutor,
    ProcessExecutor,
    RayExecutor,
    SerialExecutor,
    ThreadExecutor,
    aio,
    run_concurrently,
)

# Workers import `sample_tasks` by its name: the path of this process travels to them.
HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import sample_tasks  # noqa: E402
from shown_runs import either, log, no_tqdm, terminal  # noqa: E402, F401 - fixtures

# The numbers are for tests without I/O; a test that starts real workers asks for a part of them.
# An example may take long on a busy machine, so there is no deadline.
for profile, most in {"dev": 100, "ci": 1000}.items():
    settings.register_profile(
        profile,
        max_examples=most,
        deadline=None,
        derandomize=profile == "ci",
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def examples(count: int) -> settings:
    """So many examples, whatever the profile: each is a run on real workers."""
    health = [*settings().suppress_health_check, HealthCheck.function_scoped_fixture]
    return settings(max_examples=count, suppress_health_check=health)


OURS = (
    *(SerialExecutor, ThreadExecutor, ProcessExecutor, AsyncExecutor),
    *(InterpreterExecutor, DaskExecutor, RayExecutor),
)
MODES = ["serial", "thread", "process", "async"]
PLACES = [
    *("serial", "thread", "async"),
    *("kept thread", "kept process", "kept async", "kept trio"),
    *("given thread", "given process"),
]
CALLS = ["blocking", "asyncio", "trio"]

if sys.version_info >= (3, 14):
    MODES.append("interpreter")
    PLACES.append("kept interpreter")

# Clusters, where their engines are installed, which CI sees to on the oldest Python.
ENGINES = [name for name in ("dask", "ray") if find_spec({"dask": "distributed"}.get(name, name))]
PLACES += [f"kept {name}" for name in ENGINES]

# Where tasks share no memory with the caller, so that all they are given and give is pickled.
APART = ("process", "interpreter", "dask", "ray")

Call: TypeAlias = Callable[..., Any]


# ---- modes and calls ----------------------------------------------------------------------------


# Tests of engines of others that take seconds to start: these files, and what is tried on clusters.
ENGINE_FILES = {
    *("test_clusters", "test_cluster_cargo", "test_cluster_connecting", "test_cluster_leaving"),
    *("test_cluster_nodes", "test_cluster_placing", "test_cluster_programs"),
    *("test_cluster_refusals", "test_cluster_sharing", "test_joblib", "test_ray_programs"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests need engines of others, and leave out what is tried in another way."""
    left_out = [item for item in items if not _is_tried(item)]
    config.hook.pytest_deselected(items=left_out)
    dropped = set(left_out)
    items[:] = [item for item in items if item not in dropped]
    clusters = re.compile(r"\[.*\b(dask|ray)\b.*\]")
    for item in items:
        if item.path.stem in ENGINE_FILES or clusters.search(item.name):
            item.add_marker(pytest.mark.engines)


def _is_tried(item: pytest.Item) -> bool:
    """Whether who waits makes a difference where the test's tasks run, or is its turn there.

    Executors of others and clusters can't tell who waits, so it is a thread. Of ours each place
    meets a thread and, in turn, one of the two loops; an event loop's own mode meets both.
    """
    loop = re.search(r"\[(?:.*-)?(asyncio|trio)\b.*\]", item.name)
    if loop is None:
        return True
    if re.search(r"\[.*\b(given|dask|ray)\b.*\]", item.name):
        return False
    drawn: dict[str, Any] = getattr(item, "callspec").params  # noqa: B009 - not a public type's
    for name, places, loops in (
        ("place", PLACES, ("trio", "asyncio")),
        ("mode", MODES, ("asyncio", "trio")),
    ):
        where = drawn.get(name)
        if where in places and not where.endswith(("async", "trio")):
            return loop[1] == loops[places.index(where) % 2]
    return True


@dataclass(frozen=True)
class Place:
    """Where a run's tasks run: what to pass as `mode=`, and the name of the mode that it is."""

    mode: str
    where: Any


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Each mode by its name."""
    return str(request.param)


@pytest.fixture(scope="module")
def executor(mode: str, request: pytest.FixtureRequest) -> Iterator[Executor]:
    """A kept executor of each mode, all its workers started."""
    yield from _kept(mode, request)


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest, fork_server: None) -> Iterator[Place]:
    """Each mode that starts quickly by its name, each on a kept executor, and standard pools."""
    whose, _, kind = request.param.rpartition(" ")
    if not whose:
        yield Place(kind, kind)
        return
    if whose == "given":
        with given_pool(kind) as pool:
            yield Place(kind, pool)
        return
    for kept in _kept(kind, request):
        yield Place("async" if kind == "trio" else kind, kept)


@pytest.fixture(scope="session")
def warm_processes() -> Iterator[ProcessExecutor]:
    """Two processes for the whole session, for tests that don't kill them."""
    with ProcessExecutor(2) as processes:
        _start_all(processes)
        yield processes


@pytest.fixture(scope="session")
def warm_dask() -> Iterator[DaskExecutor]:
    """Two tasks at a time on a Dask cluster of two worker processes, for the whole session."""
    with dask_cluster(2) as cluster, DaskExecutor(cluster) as dask:
        _start_all(dask)
        yield dask


@pytest.fixture(scope="session")
def warm_ray() -> Iterator[RayExecutor]:
    """Two tasks at a time on a Ray cluster, for the whole session."""
    # Ray takes 127.0.0.1 for a name of the machine's other address, but this one for loopback.
    options = {
        "_node_ip_address": "127.0.0.2",
        "num_cpus": 8,
        "_system_config": {"prestart_worker_first_driver": False},  # eight at once
    }
    with RayExecutor(max_workers=2, init_options=options) as ray:
        _start_all(ray)
        yield ray


@pytest.fixture(scope="module", params=CALLS)
def call(request: pytest.FixtureRequest) -> Call:
    """`run_concurrently` as a blocking call, and awaited on asyncio and on trio."""
    return run_concurrently if request.param == "blocking" else _awaited_on(request.param)


def _kept(kind: str, request: pytest.FixtureRequest) -> Iterator[Executor]:
    if kind in ("process", *ENGINES):
        warm = "warm_processes" if kind == "process" else f"warm_{kind}"
        yield request.getfixturevalue(warm)
    elif kind == "serial":
        yield SerialExecutor()
    else:
        loop = "trio" if kind == "trio" else "asyncio"
        makers: dict[str, Callable[[], Executor]] = {
            "thread": lambda: ThreadExecutor(3),
            "interpreter": lambda: InterpreterExecutor(2),
        }
        with makers.get(kind, lambda: AsyncExecutor(3, backend=loop))() as kept:
            _start_all(kept)
            yield kept


@pytest.fixture(scope="session")
def fork_server() -> None:
    """The interpreter's own, which stays: law 8 does not mean it."""
    forkserver.ensure_running()


def dask_cluster(workers: int) -> Any:
    """So many worker processes, each for one task at a time."""
    import distributed

    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


def given_pool(kind: str) -> Executor:
    """A pool of the standard library's of this kind, its workers started."""
    pool: Executor
    if kind == "thread":
        pool = ThreadPoolExecutor(3)
    elif kind == "process":
        pool = ProcessPoolExecutor(2, multiprocessing.get_context("forkserver"))
    else:
        make = getattr(concurrent.futures, "InterpreterPoolExecutor")  # noqa: B009 - 3.14
        pool = make(2, initializer=site.addsitedir, initargs=(HERE,))
    _start_all(pool)
    return pool


def _start_all(executor: Executor) -> None:
    """Have all the workers at work at once, each with a loop, so that no test starts another."""
    ours = isinstance(executor, OURS)
    workers = executor.max_workers if ours else executor._max_workers  # type: ignore[attr-defined]
    tasks: list[Callable[..., Any]] = [sample_tasks.meet, sample_tasks.meet_async]
    for task in tasks if ours else tasks[:1]:  # others don't run async functions
        with tempfile.TemporaryDirectory() as place:
            for future in [executor.submit(task, place, workers) for _ in range(workers)]:
                future.result(timeout=30)


def _awaited_on(backend: str) -> Call:
    def call(tasks: Any, **options: Any) -> Any:
        async def main() -> Any:
            before = _loop_tasks()
            try:
                return await aio.run_concurrently(tasks, **options)
            finally:
                assert before == _loop_tasks()

        return anyio.run(main, backend=backend)

    def _loop_tasks() -> object:
        return (
            asyncio.all_tasks()
            if backend == "asyncio"
            else trio.lowlevel.current_statistics().tasks_living
        )

    return call


# ---- law 8, after each test ---------------------------------------------------------------------

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session", autouse=True)
def temp_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory for all temporary files of this session, its workers' too."""
    home = tmp_path_factory.mktemp("t")  # a short name: the paths of sockets have a limit
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(home))
        patch.setattr(tempfile, "tempdir", str(home))
        yield home


@pytest.fixture(scope="session", autouse=True)
def _fork_server(temp_home: Path) -> None:
    """The interpreter's own helpers, which stay for good, started before the first look."""
    run_concurrently([sample_tasks.nothing], mode="process")


CLUSTERS = (DaskExecutor, RayExecutor)
WARM = ("executor", "place", "warm_processes", "warm_dask", "warm_ray", "at", "cluster")
# What these start is the test's, and ends before the look at what is left; the parameter says
# whether it is a cluster, which stays.
OWN = {"own": "mode", "own_processes": "own_processes"}


def _warm(request: pytest.FixtureRequest) -> Iterator[str]:
    """The fixtures whose executors are there before the test and after it."""
    for name in request.fixturenames:
        if name in WARM:
            yield name
        elif name in OWN and (kind := request.node.callspec.params[OWN[name]]) in ENGINES:
            yield f"warm_{kind}"


@pytest.fixture(autouse=True)
def nothing_left(temp_home: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a process, a thread, an interpreter, a descriptor or a file."""
    kept = [
        executor
        for name in set(_warm(request))
        if isinstance(executor := _where(request.getfixturevalue(name)), Executor)
    ]
    started = "small_cluster" in request.fixturenames  # by the test itself
    engine = started or any(isinstance(executor, CLUSTERS) for executor in kept)
    # A run may have killed workers of a kept executor; it is compared with all of them there.
    for executor in kept:
        _start_all(executor)
    before = Remains.now(temp_home, engine)
    yield
    for executor in kept:
        _start_all(executor)
    until = time.monotonic() + 5
    while (left := Remains.now(temp_home, engine) - before) and time.monotonic() < until:
        time.sleep(0.005)  # a thread that was abandoned and let go may need a moment
    assert not left, f"left behind by the test: {left}"


def _where(fixture: Any) -> Any:
    return fixture.where if isinstance(fixture, Place) else fixture


@dataclass(frozen=True)
class Remains:
    """What a test could leave behind: each thing by its name, with the kind that it is."""

    things: dict[str, str]

    @classmethod
    def now(cls, home: Path, engine: bool = False) -> Remains:
        """Look at what there is; a cluster's *engine* opens and closes much of its own."""
        found = {**_processes(), **_threads(), **_interpreters(), **_descriptors(), **_files(home)}
        if engine:
            found = {name: kind for name, kind in found.items() if not _ENGINE_S.match(name)}
        return cls(found)

    def __sub__(self, before: Remains) -> list[str]:
        """The new things of every kind that there are more of than before."""
        more = Counter(self.things.values()) - Counter(before.things.values())
        return sorted(
            n for n, kind in self.things.items() if kind in more and n not in before.things
        )


_ENGINE_S = re.compile(
    r".*/pymp-|"  # of a worker of the engine's that was killed
    r"process .*multiprocessing\.(forkserver|resource_tracker)|"  # of a run inside a task
    r"descriptor \d+ (socket|anon_inode)|thread (Dask|Ray|ray)|process .*(ray::IDLE|/ray/|raylet)"
)


def _processes() -> dict[str, str]:
    found = {}
    helpers = ("multiprocessing.forkserver", "multiprocessing.resource_tracker")
    me = psutil.Process()
    for child in me.children(recursive=True):
        try:
            command = " ".join(child.cmdline())
            if child.ppid() != me.pid or not any(helper in command for helper in helpers):
                found[f"process {child.pid} ({child.status()}) {command}"] = "process"
        except psutil.NoSuchProcess:
            continue
    return found


def _threads() -> dict[str, str]:
    return {f"thread {one.name} {one.ident}": "thread" for one in threading.enumerate()}


def _interpreters() -> dict[str, str]:
    if sys.version_info < (3, 14):
        return {}
    from concurrent import interpreters

    return {repr(one): "interpreter" for one in interpreters.list_all()}


def _descriptors() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the one that listed the directory
            continue
        found[f"descriptor {number} {target}"] = target.partition(":")[0]
    return found


def _files(home: Path) -> dict[str, str]:
    found = {str(path): "file" for path in home.iterdir()}
    if SHARED_MEMORY.is_dir():
        ours = ("psm_", "concurkit")
        names = [path.name for path in SHARED_MEMORY.iterdir() if path.name.startswith(ours)]
        found |= {f"{SHARED_MEMORY}/{name}": "shared memory" for name in names}
    return found
