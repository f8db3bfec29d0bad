"""The CPUs that a process may use, counted on made-up machines."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import doctest
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concurkit import _cpus
from concurkit._cpus import cpu_count, default_workers

HOST_CPUS = 64
MODES = ["serial", "thread", "process", "async", "interpreter", "auto", "dask"]


@dataclass
class Machine:
    """A made-up /proc/self, and directories that play the control groups."""

    home: Path

    @property
    def proc(self) -> str:
        return str(self.home / "proc")

    def write(self, path: str, content: str | bytes) -> None:
        """Write a file below home, with the directories on its way."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def in_groups(self, *lines: str) -> None:
        """Say what /proc/self/cgroup says."""
        self.write("proc/cgroup", "".join(f"{line}\n" for line in lines))

    def mount(self, point: str, options: str = "", *, root: str = "/") -> None:
        """Add a line to mountinfo: cgroup v1 if it has options, else v2."""
        tail = f"cgroup cgroup rw,{options}" if options else "cgroup2 cgroup2 rw,nsdelegate"
        old = (
            Path(self.proc, "mountinfo").read_text()
            if Path(self.proc, "mountinfo").exists()
            else ""
        )
        place = escape(str(self.home / point))
        tags = "shared:9 master:1 "
        line = f"36 35 0:30 {escape(root)} {place} rw,relatime {tags}- {tail}\n"
        self.write("proc/mountinfo", old + line)

    def limit_v1(self, group: str, quota: object, period: object = 100_000) -> None:
        """Write the two files of a v1 quota."""
        self.write(f"{group}/cpu.cfs_quota_us", f"{quota}\n")
        self.write(f"{group}/cpu.cfs_period_us", f"{period}\n")

    def limit_v2(self, group: str, quota: object, period: object = 100_000) -> None:
        """Write the one file of a v2 quota."""
        self.write(f"{group}/cpu.max", f"{quota} {period}\n")

    def quotas(self) -> list[int]:
        """Every quota found, smallest first."""
        return sorted(_cpus._quotas(self.proc))

    def allowed(self) -> int:
        """The CPUs of a process on this machine."""
        return _cpus._allowed(self.proc)


def escape(field: str) -> str:
    """Write a mountinfo field as the kernel does."""
    return "".join(f"\\{ord(char):03o}" if char in " \t\n\\" else char for char in field)


def set_affinity(monkeypatch: pytest.MonkeyPatch, cpus: int) -> None:
    """Let the scheduler use that many CPUs, on every system."""

    def affinity(pid: int) -> set[int]:
        return set(range(cpus))

    monkeypatch.setattr(os, "sched_getaffinity", affinity, raising=False)


def no_quotas(proc: str) -> list[int]:
    """Stand in for a machine without control groups."""
    return []


@pytest.fixture(autouse=True)
def bare_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """No override, and a host with many CPUs."""
    monkeypatch.delenv("CONCURKIT_CPU_COUNT", raising=False)
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)
    monkeypatch.delitem(sys._xoptions, "cpu_count", raising=False)
    set_affinity(monkeypatch, HOST_CPUS)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with nothing on it: not even /proc."""
    return Machine(tmp_path)


@pytest.fixture
def v2(machine: Machine) -> Machine:
    """A machine with cgroup v2, our process in the group /work/job."""
    machine.in_groups("0::/work/job")
    machine.mount("sys")
    return machine


@pytest.fixture
def v1(machine: Machine) -> Machine:
    """A machine with cgroup v1, our process in the group /work/job."""
    machine.in_groups("4:memory:/other", "3:cpu,cpuacct:/work/job", "1:name=systemd:/init")
    machine.mount("sys/memory", "memory")
    machine.mount("sys/cpu", "cpu,cpuacct")
    return machine


# ------------------------------------------------------------ quotas


def test_without_proc_there_is_no_limit(machine: Machine) -> None:
    """A system without /proc has no quotas, and its affinity counts alone."""
    assert [] == machine.quotas()
    assert HOST_CPUS == machine.allowed()


@pytest.mark.parametrize("file", ["cgroup", "mountinfo"])
def test_half_a_proc_is_no_limit(v2: Machine, file: str) -> None:
    """One of the two files alone tells nothing."""
    v2.limit_v2("sys/work/job", 200_000)
    Path(v2.proc, file).unlink()

    assert [] == v2.quotas()


def test_v2_reads_its_own_group(v2: Machine) -> None:
    """The group is where /proc/self/cgroup says, not at the mount point."""
    v2.limit_v2("sys/work/job", 300_000)
    v2.limit_v2("sys/elsewhere", 100_000)

    assert [3] == v2.quotas()


def test_v2_reads_every_parent(v2: Machine) -> None:
    """A parent's quota binds as well, up to the root of the mount and no further."""
    v2.limit_v2("sys/work/job", 500_000)
    v2.limit_v2("sys/work", 400_000)
    v2.limit_v2("sys", 600_000)
    v2.limit_v2("", 100_000)

    assert [4, 5, 6] == v2.quotas()
    assert 4 == v2.allowed()


@pytest.mark.parametrize("options", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_v1_reads_every_level(machine: Machine, options: str) -> None:
    """The cpu controller is found alone or mounted with another, and all its levels count."""
    machine.in_groups(f"3:{options}:/work/job")
    machine.mount("sys/cpu", options)
    machine.limit_v1("sys/cpu/work/job", 500_000)
    machine.limit_v1("sys/cpu/work", 200_000, 50_000)
    machine.limit_v1("sys/cpu", -1)

    assert [4, 5] == machine.quotas()


def test_v1_ignores_other_controllers(v1: Machine) -> None:
    """A hierarchy whose name only resembles cpu has no say."""
    v1.in_groups("5:cpuset:/work/job", "4:name=cpu:/work/job", "3:cpuacct:/work/job")
    v1.mount("sys/cpuset", "cpuset")
    v1.limit_v1("sys/cpuset/work/job", 100_000)
    v1.limit_v1("sys/cpu/work/job", 100_000)

    assert [] == v1.quotas()


def test_v1_mount_of_other_controllers_is_not_read(v1: Machine) -> None:
    """The process's cpu path is looked up below the cpu mount only."""
    v1.mount("sys/cpuset", "cpuset")
    v1.limit_v1("sys/cpuset/work/job", 100_000)
    v1.limit_v1("sys/memory/work/job", 100_000)
    v1.limit_v1("sys/cpu/work/job", 700_000)

    assert [7] == v1.quotas()


def test_hybrid_takes_cpu_from_v1(machine: Machine) -> None:
    """With v2 mounted only for bookkeeping, the quota of the v1 hierarchy binds."""
    machine.in_groups("3:cpu,cpuacct:/work", "0::/user.slice")
    machine.mount("sys/cpu", "cpu,cpuacct")
    machine.mount("sys/unified")
    machine.write("sys/unified/user.slice/cgroup.procs", "1\n")
    machine.limit_v1("sys/cpu/work", 150_000)

    assert [2] == machine.quotas()


def test_hybrid_takes_cpu_from_v2(machine: Machine) -> None:
    """With cpu under v2 and other controllers left in v1, the quota of v2 binds."""
    machine.in_groups("3:memory:/work", "0::/user.slice")
    machine.mount("sys/memory", "memory")
    machine.mount("sys/unified")
    machine.limit_v2("sys/unified/user.slice", 250_000)

    assert [3] == machine.quotas()


def test_group_names_may_hold_colons(machine: Machine) -> None:
    """Only the first two colons of a line separate its fields."""
    machine.in_groups("3:cpu:/a:b", "0::/pod:1/app:2")

    expected = {"cgroup": "/a:b", "cgroup2": "/pod:1/app:2"}
    assert expected == _cpus._own_paths(machine.proc)


NO_LIMIT = {
    "empty": "",
    "blank": "\n",
    "max": "max 100000\n",
    "minus_one": "-1 100000",
    "zero": "0 100000",
    "zero_period": "100000 0",
    "negative_period": "100000 -100000",
    "no_period": "100000",
    "three_numbers": "100000 100000 100000",
    "fraction": "1.5 1",
    "underscore": "1_0 1",
    "words": "half of it",
    "other_digits": "\u00b2 \u0661",
    "too_long_for_int": "9" * 5_000 + " 1",
    "not_text": b"\xff\xfe\x00 \x80",
}


@pytest.mark.parametrize("content", NO_LIMIT.values(), ids=NO_LIMIT)
def test_v2_survives_what_is_no_quota(v2: Machine, content: str | bytes) -> None:
    """A cpu.max without two positive numbers is no limit, and the parent's still counts."""
    v2.write("sys/work/job/cpu.max", content)
    v2.limit_v2("sys/work", 200_000)

    assert [2] == v2.quotas()


@pytest.mark.parametrize("content", ["", "\n", "-1\n", "0\n", "max\n", "rubbish", b"\xff\x00"])
@pytest.mark.parametrize("file", ["cpu.cfs_quota_us", "cpu.cfs_period_us"])
def test_v1_survives_what_is_no_quota(v1: Machine, file: str, content: str | bytes) -> None:
    """A quota or a period that is no positive number is no limit, and the parent's still counts."""
    v1.limit_v1("sys/cpu/work/job", 100_000)
    v1.write(f"sys/cpu/work/job/{file}", content)
    v1.limit_v1("sys/cpu/work", 300_000)

    assert [3] == v1.quotas()


def test_v1_quota_without_a_period_is_no_limit(v1: Machine) -> None:
    """Half of a v1 quota says nothing."""
    v1.write("sys/cpu/work/job/cpu.cfs_quota_us", "100000\n")

    assert [] == v1.quotas()


def test_a_file_that_cannot_be_read_is_no_limit(v2: Machine) -> None:
    """An error on reading, here of a directory, is survived."""
    v2.write("sys/work/job/cpu.max/file", "")
    v2.limit_v2("sys", 900_000)

    assert [9] == v2.quotas()


def test_a_path_that_no_file_can_have_is_no_limit(v2: Machine) -> None:
    """A NUL in the path of the group is survived, and the levels above it still count."""
    v2.in_groups("0::/work/j\0b")
    v2.limit_v2("sys/work", 200_000)

    assert [2] == v2.quotas()


def test_broken_mountinfo_lines_are_skipped(v2: Machine) -> None:
    """Lines that are cut short harm no other line."""
    whole = Path(v2.proc, "mountinfo").read_text()
    broken = "\n - \n - cgroup2\n1 2 3 4 - cgroup2 x rw\n36 35 0:30 / /x rw\n1 2 3 / /x - cgroup\n"
    v2.write("proc/mountinfo", broken + whole + " - cgroup cpu")
    v2.limit_v2("sys/work/job", 200_000)

    assert [2] == v2.quotas()


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=40))
def test_rubbish_never_raises(cgroup: bytes, mountinfo: bytes, quota: bytes) -> None:
    """Whatever bytes the files hold, the answer is a number within the affinity."""
    with tempfile.TemporaryDirectory() as home:
        machine = Machine(Path(home))
        machine.mount("sys")
        valid = Path(machine.proc, "mountinfo").read_bytes()
        machine.write("proc/mountinfo", mountinfo + b"\n" + valid + mountinfo)
        machine.write("proc/cgroup", cgroup + b"\n0::/job\n3:cpu:" + cgroup)
        machine.write("sys/job/cpu.max", quota)

        assert 1 <= machine.allowed() <= HOST_CPUS


# ------------------------------------------------------------ containers and namespaces


@pytest.mark.parametrize("root", ["/docker/4f2a", "/docker/4f2a/"])
def test_container_path_is_taken_from_the_root_of_the_mount(machine: Machine, root: str) -> None:
    """Where a mount shows only a part of the hierarchy, the path starts at that part."""
    machine.in_groups("3:cpu,cpuacct:/docker/4f2a/app")
    machine.mount("sys/cpu", "cpu,cpuacct", root=root)
    machine.limit_v1("sys/cpu/app", 300_000)
    machine.limit_v1("sys/cpu", 200_000)
    machine.limit_v1("sys/cpu/docker/4f2a/app", 100_000)

    assert [2, 3] == machine.quotas()


def test_container_that_is_the_root_of_its_mount(machine: Machine) -> None:
    """A process in the very group that is mounted finds its files at the mount point."""
    machine.in_groups("0::/docker/4f2a")
    machine.mount("sys", root="/docker/4f2a")
    machine.limit_v2("sys", 150_000)

    assert [2] == machine.quotas()


def test_mount_of_another_group_is_left_alone(machine: Machine) -> None:
    """Where one mount shows our path, one of another group, however alike its name, has no say."""
    machine.in_groups("0::/docker/4f2a")
    machine.mount("other", root="/docker/4f")
    machine.mount("sys", root="/docker/4f2a")
    machine.limit_v2("other", 100_000)
    machine.limit_v2("sys", 500_000)

    assert [5] == machine.quotas()


def test_all_mounts_that_show_the_path_count(machine: Machine) -> None:
    """The host's own mount, passed into a container, shows the parents that the other hides."""
    machine.in_groups("0::/pods/app")
    machine.mount("sys", root="/pods/app")
    machine.mount("host")
    machine.limit_v2("sys", 500_000)
    machine.limit_v2("host/pods", 300_000)

    assert [3, 5] == machine.quotas()


def test_namespaced_path_and_mount_above_the_root(machine: Machine) -> None:
    """A path and a mount that both lie two levels above the namespace fit together."""
    machine.in_groups("0::/../../jobs/7")
    machine.mount("sys", root="/../..")
    machine.limit_v2("sys/jobs/7", 400_000)
    machine.limit_v2("sys", 800_000)

    assert [4, 8] == machine.quotas()


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/../neighbour", "/"),
        ("/..", "/"),
        ("/../../neighbour", "/.."),
        ("/", "/.."),
        ("/app", "/docker/4f2a"),
        ("", "/"),
        ("no-slash", "/"),
    ],
)
def test_a_path_out_of_sight_uses_the_root_of_the_mount(
    machine: Machine, path: str, root: str
) -> None:
    """Where no mount shows our path its root stands for it, and nothing outside is ever read."""
    machine.in_groups(f"0::{path}")
    machine.mount("top/sys", root=root)
    machine.limit_v2("top/sys", 600_000)
    machine.limit_v2("top", 100_000)
    machine.limit_v2("top/neighbour", 100_000)
    machine.limit_v2("neighbour", 100_000)

    assert [6] == machine.quotas()


def test_mountinfo_escapes_are_undone(machine: Machine) -> None:
    """A mount point with blanks in its name, octal in mountinfo, is found."""
    machine.in_groups("0::/my group/my job")
    machine.mount("my sys", root="/my group")
    machine.limit_v2("my sys/my job", 200_000)

    assert "my\\040sys" in Path(machine.proc, "mountinfo").read_text()
    assert [2] == machine.quotas()


@given(st.text(alphabet=" \t\n\\01234a", max_size=20))
def test_unescape_undoes_what_the_kernel_writes(field: str) -> None:
    """Every field comes back as it was, also one that looks like an escape."""
    assert field == _cpus._unescape(escape(field))


# ------------------------------------------------------------ the smallest wins

levels = st.lists(
    st.none() | st.tuples(st.integers(1, 10**7), st.integers(1_000, 10**6)), min_size=1, max_size=5
)


def ceiling(affinity: int, *hierarchies: list[tuple[int, int] | None]) -> int:
    """What the smallest of all the limits allows, a part of a CPU counted as one."""
    limits = [Fraction(*level) for levels in hierarchies for level in levels if level]
    return math.ceil(min([Fraction(affinity), *limits]))


@given(levels, levels, st.integers(1, 256))
def test_the_smallest_limit_wins(
    v1_levels: list[tuple[int, int] | None],
    v2_levels: list[tuple[int, int] | None],
    affinity: int,
) -> None:
    """Over quotas drawn at every depth of v1 and v2, the answer is the smallest, rounded up."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as monkeypatch:
        set_affinity(monkeypatch, affinity)
        machine = Machine(Path(home))
        machine.mount("v1", "cpu,cpuacct")
        machine.mount("v2")
        v1_group, v2_group = "", ""
        for depth, level in enumerate(v1_levels):
            v1_group += f"/d{depth}" if depth else ""
            machine.limit_v1(f"v1{v1_group}", *level or (-1, 100_000))
        for depth, level in enumerate(v2_levels):
            v2_group += f"/d{depth}" if depth else ""
            machine.limit_v2(f"v2{v2_group}", *level or ("max", 100_000))
        machine.in_groups(f"3:cpu,cpuacct:{v1_group or '/'}", f"0::{v2_group or '/'}")
        actual = machine.allowed()

    assert ceiling(affinity, v1_levels, v2_levels) == actual
    assert 1 <= actual <= affinity


def test_limits_are_read_anew_each_time(v2: Machine) -> None:
    """A quota that changes while we run counts from the next call on."""
    v2.limit_v2("sys/work", 200_000)
    before = v2.allowed()
    v2.limit_v2("sys/work", 700_000)

    assert (2, 7) == (before, v2.allowed())


# ------------------------------------------------------------ affinity


def test_affinity_below_the_quota_wins(v2: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process pinned to 3 CPUs has 3, whatever its quota."""
    v2.limit_v2("sys/work/job", 800_000)
    set_affinity(monkeypatch, 3)

    assert 3 == v2.allowed()


@pytest.mark.parametrize(("host", "expected"), [(6, 6), (None, 1)])
def test_system_without_affinity(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, host: int | None, expected: int
) -> None:
    """Where there is no affinity all CPUs count, and 1 where nobody knows how many."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: host)

    assert expected == machine.allowed()


def test_affinity_that_may_not_be_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that forbids the question does not stop us."""

    def forbidden(pid: int) -> set[int]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_getaffinity", forbidden)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)

    assert 5 == machine.allowed()


def test_cpu_count_looks_at_this_process(v2: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public function describes the process that calls it."""
    asked: list[str] = []

    def quotas(proc: str) -> list[int]:
        asked.append(proc)
        return [7]

    monkeypatch.setattr(_cpus, "_quotas", quotas)

    assert 7 == cpu_count()
    assert ["/proc/self"] == asked


def test_cpu_count_here_is_sane() -> None:
    """On the machine that runs the tests, the answer is within what the tests left of it."""
    assert 1 <= cpu_count() <= HOST_CPUS


# ------------------------------------------------------------ overrides


def test_override_wins_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user asks for is not capped, and no file is opened for it."""

    def unread(path: str) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(_cpus, "_read", unread)
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "1000")
    monkeypatch.setenv("PYTHON_CPU_COUNT", "5")
    monkeypatch.setitem(sys._xoptions, "cpu_count", "6")

    assert 1000 == cpu_count()


@pytest.mark.parametrize("value", ["12", " 12\n", "012"])
def test_override_may_have_blanks_and_zeros_around(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A number is a number, however a shell script padded it."""
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", value)

    assert 12 == cpu_count()


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        (None, "5", 5),
        (None, "default", HOST_CPUS),
        (None, "", HOST_CPUS),
        ("6", None, 6),
        ("6", "5", 6),
        ("6", "default", 6),
        ("default", None, HOST_CPUS),
        ("default", "5", HOST_CPUS),
    ],
)
def test_pythons_own_overrides(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    variable: str | None,
    expected: int,
) -> None:
    """The option beats the variable, also to say that there is no override."""
    monkeypatch.setattr(_cpus, "_quotas", no_quotas)
    if option is not None:
        monkeypatch.setitem(sys._xoptions, "cpu_count", option)
    if variable is not None:
        monkeypatch.setenv("PYTHON_CPU_COUNT", variable)

    assert expected == cpu_count()


def test_empty_override_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable leaves the word to the next one."""
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "")
    monkeypatch.setenv("PYTHON_CPU_COUNT", "5")

    assert 5 == cpu_count()


def test_deaf_python_ignores_only_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under -E and -I PYTHON_CPU_COUNT is not read; CONCURKIT_CPU_COUNT is ours and still is."""
    monkeypatch.setattr(_cpus, "_quotas", no_quotas)
    monkeypatch.setattr(sys, "flags", SimpleNamespace(ignore_environment=1))
    monkeypatch.setenv("PYTHON_CPU_COUNT", "5")
    without = cpu_count()
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "3")

    assert (HOST_CPUS, 3) == (without, cpu_count())


# "default" is a word of Python's variable, not of ours; the last is more than int() reads.
BAD = [
    "0",
    "-1",
    "+4",
    "1.5",
    "four",
    "default",
    "1_0",
    "\u00b2",
    "\u0661",
    " ",
    "4 8",
    "9" * 5_000,
]


@pytest.mark.parametrize("value", BAD, ids=[value[:8] for value in BAD])
def test_bad_override_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The error names the variable, its value, what it may be and what to do."""
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", value)
    with pytest.raises(ValueError) as caught:
        cpu_count()

    expected = (
        f"CONCURKIT_CPU_COUNT is {value!r}, but must be a whole number of at least 1; "
        "set it to one (CONCURKIT_CPU_COUNT=4), or remove it to have the CPUs counted"
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize("value", ["0", "many"])
def test_bad_override_of_pythons_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Python 3.13 refuses to start with these; on all Pythons we refuse to go on."""
    monkeypatch.setenv("PYTHON_CPU_COUNT", value)
    with pytest.raises(ValueError, match=f"^PYTHON_CPU_COUNT is '{value}'"):
        cpu_count()

    monkeypatch.setitem(sys._xoptions, "cpu_count", value)
    with pytest.raises(ValueError, match=f"^-X cpu_count is '{value}'"):
        cpu_count()


@given(st.integers(1, 10**9))
def test_every_whole_number_is_an_override(number: int) -> None:
    """Any number from 1 up comes back as it was given."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CONCURKIT_CPU_COUNT", str(number))

        assert number == cpu_count()


# ------------------------------------------------------------ workers


@pytest.mark.parametrize(
    ("mode", "cpus", "share", "expected"),
    [
        ("serial", 8, 1, 1),
        ("serial", 8, 4, 1),
        ("thread", 2, 1, 6),
        ("thread", 28, 1, 32),
        ("thread", 100, 1, 32),
        ("thread", 100, 5, 6),
        ("process", 8, 1, 8),
        ("process", 100, 1, 100),
        ("process", 8, 3, 2),
        ("process", 8, 9, 1),
        ("interpreter", 8, 1, 8),
        ("interpreter", 8, 8, 1),
        ("async", 8, 1, 100),
        ("async", 8, 50, 100),
        ("dask", 8, 1, 8),
        ("dask", 8, 2, 4),
    ],
)
def test_default_workers(
    monkeypatch: pytest.MonkeyPatch, mode: str, cpus: int, share: int, expected: int
) -> None:
    """Each mode has its default, and a nested run gets its share of it."""
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", str(cpus))

    assert expected == default_workers(mode, share)


@pytest.mark.parametrize(
    ("mode", "share", "expected"),
    [("process", 1, 61), ("process", 2, 30), ("interpreter", 1, 100), ("thread", 1, 32)],
)
def test_windows_takes_61_processes_at_most(
    monkeypatch: pytest.MonkeyPatch, mode: str, share: int, expected: int
) -> None:
    """The limit of Windows is one on processes, and a share is taken of what it leaves."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "100")

    assert expected == default_workers(mode, share)


@pytest.mark.parametrize("mode", ["async", "serial"])
def test_modes_that_need_no_cpus_do_not_count_them(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A mode whose default is a fixed number does not trip over a bad override."""
    monkeypatch.setenv("CONCURKIT_CPU_COUNT", "many")

    assert {"async": 100, "serial": 1}[mode] == default_workers(mode)


@given(st.sampled_from(MODES), st.integers(1, 512), st.integers(1, 512))
def test_shares_never_exceed_the_whole(mode: str, cpus: int, share: int) -> None:
    """Each share is at least 1 worker, and more only if all the shares fit in together."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CONCURKIT_CPU_COUNT", str(cpus))
        alone, shared = default_workers(mode), default_workers(mode, share)

    assert shared >= 1
    assert mode == "async" or shared == 1 or shared * share <= alone


def test_the_example_runs() -> None:
    """The example in the documentation is true."""
    results = doctest.testmod(_cpus)

    assert (True, 0) == (results.attempted > 0, results.failed)
