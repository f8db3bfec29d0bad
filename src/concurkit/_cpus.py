"""How many CPUs this process may use, and how many workers a mode has by default.

Nothing is kept between calls: the environment, the affinity and the control groups are read anew
each time, since a service manager or a container may change them while we run. On Linux that is two
files below /proc/self and one or two small ones per level of the group, 0.1 to 0.2 ms in all; an
override answers without opening any file.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, paths and namespaces),
https://docs.kernel.org/scheduler/sched-bwc.html (v1: cpu.cfs_quota_us and its period), proc(5) for
mountinfo. Lessons: the group is where /proc/self/cgroup says, which need not be /sys/fs/cgroup
itself (joblib/loky#634), and an empty cpu.max must not crash (joblib/loky#478).
"""

from __future__ import annotations

# `import concurkit` has 5 ms: these two are loaded before any program starts.
import os
import sys

__all__ = ["cpu_count", "default_workers"]

# concurrent.futures refuses more: Windows can't wait for the handles of more at once.
_MAX_PROCESSES_ON_WINDOWS = 61


def cpu_count() -> int:
    """Count the CPUs that this process may use.

    That is the smallest of the scheduler affinity and every CPU quota (cgroup v1 and v2) from the
    process's own group up to the outermost one that it can see. A part of a CPU counts as a whole
    one: a quota of 1.5 is 2. What can't be read is no limit.

    An override wins over all of that: the environment variable ``CONCURKIT_CPU_COUNT``, then
    Python's own ``-X cpu_count``, then ``PYTHON_CPU_COUNT`` (on Pythons before 3.13 as well; in
    these two ``default`` means no override). An empty variable is one that is not set.

    Returns:
        A whole number, never below 1.

    Raises:
        ValueError: If the override is not a whole number of at least 1.

    Example:
        >>> downloads_at_once = min(8, cpu_count())
        >>> 1 <= downloads_at_once <= 8
        True
    """
    return _override() or _allowed("/proc/self")


def default_workers(mode: str, share: int = 1) -> int:
    """Choose *max_workers* for a run that does not say.

    *share* is how many workers already share the machine, when the run is nested in another run's
    task: every default but async's is divided by it, so that nesting does not multiply the load.
    Async is left alone because its slots wait, mostly, and take no CPU while they do.
    """
    if mode == "async":
        return 100
    return max(1, _whole_machine(mode) // share)


def _whole_machine(mode: str) -> int:
    """Choose the workers of a run that shares the machine with no other."""
    if mode == "serial":
        return 1
    cpus = cpu_count()
    if mode == "thread":
        return min(32, cpus + 4)
    if mode == "process" and sys.platform == "win32":
        return min(_MAX_PROCESSES_ON_WINDOWS, cpus)
    return cpus


def _override() -> int | None:
    """Read the number that the user asked for, if any."""
    ours = os.environ.get("CONCURKIT_CPU_COUNT")
    if ours:
        return _asked("CONCURKIT_CPU_COUNT", ours)
    options: dict[str, str | bool] = getattr(sys, "_xoptions", {})
    if "cpu_count" in options:  # as in CPython, "default" here undoes the variable too
        name, value = "-X cpu_count", str(options["cpu_count"])
    elif sys.flags.ignore_environment:  # -E and -I make Python deaf to its own variables
        return None
    else:
        name, value = "PYTHON_CPU_COUNT", os.environ.get("PYTHON_CPU_COUNT", "")
    return None if value in ("", "default") else _asked(name, value)


def _asked(name: str, value: str) -> int:
    """Read one override, or say what is wrong with it."""
    number = _whole(value.strip())
    if number == 0:
        msg = (
            f"{name} is {value!r}, but must be a whole number of at least 1; "
            f"set it to one ({name}=4), or remove it to have the CPUs counted"
        )
        raise ValueError(msg)
    return number


def _allowed(proc: str) -> int:
    """Count what the affinity and the quotas leave to the process described under *proc*."""
    return max(1, min([_affinity(), *_quotas(proc)]))


def _affinity() -> int:
    """Count the CPUs that the scheduler may put this process on."""
    # Not os.process_cpu_count() (3.13+): where there is an affinity it makes this same call, unless
    # Python was started with an override, and then it answers with that one for good.
    ask = getattr(os, "sched_getaffinity", None)  # Linux has it, Windows and macOS do not
    if ask is not None:
        try:
            return len(ask(0))
        except OSError:  # forbidden in some sandboxes
            pass
    return os.cpu_count() or 1


def _quotas(proc: str) -> list[int]:
    """List every quota that binds this process, each rounded up to whole CPUs."""
    mounts = _mounts(proc)
    return [
        limit
        for kind, path in _own_paths(proc).items()
        for directory in _directories(path, mounts[kind])
        if (limit := _limit(kind, directory))
    ]


def _own_paths(proc: str) -> dict[str, str]:
    """Find the process's path in each hierarchy that may hold quotas, by filesystem type."""
    paths: dict[str, str] = {}
    for line in _read(f"{proc}/cgroup").split("\n"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths["cgroup2"] = path
        elif "cpu" in controllers.split(","):  # "cpu" or "cpu,cpuacct", never "cpuset"
            paths["cgroup"] = path
    return paths


def _mounts(proc: str) -> dict[str, list[tuple[str, str]]]:
    """Find where they are mounted, by type: the group that is the mount's root, the directory."""
    mounts: dict[str, list[tuple[str, str]]] = {"cgroup": [], "cgroup2": []}
    for line in _read(f"{proc}/mountinfo").split("\n"):
        # ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [any number of tags] - TYPE SOURCE OPTIONS
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        kind, _, rest = after.partition(" ")
        controllers = rest.rpartition(" ")[2].split(",")
        if len(fields) > 4 and (kind == "cgroup2" or (kind == "cgroup" and "cpu" in controllers)):
            mounts[kind].append((_unescape(fields[3]), _unescape(fields[4])))
    return mounts


def _directories(path: str, mounts: list[tuple[str, str]]) -> list[str]:
    """List the directories of a group and of all its parents, as far as the mounts show them."""
    places = [(point, _below(root, path)) for root, point in mounts]
    shown = [(point, names) for point, names in places if names is not None]
    # Where no mount shows the path (the process or the mount is from outside of our namespace), the
    # root of the mount is the nearest group in sight: as a rule, the container's.
    shown = shown or [(point, []) for _, point in mounts]
    return [
        "/".join([point, *names[:depth]])
        for point, names in shown
        for depth in range(len(names) + 1)
    ]


def _below(root: str, path: str) -> list[str] | None:
    """Split the way from a mount's root to a group into names, None where it is not below."""
    # In a namespace either may begin with "/..", once for each level above the namespace's root.
    root = root.rstrip("/") + "/"
    if not f"{path}/".startswith(root):
        return None
    names = [name for name in path[len(root) :].split("/") if name]
    return None if ".." in names else names


def _limit(kind: str, directory: str) -> int:
    """Read the quota of one group in whole CPUs, 0 for none."""
    files = ["cpu.max"] if kind == "cgroup2" else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    words = " ".join(_read(f"{directory}/{file}") for file in files).split()
    numbers = [_whole(word) for word in words]  # "max", "-1" and rubbish are all 0
    return -(-numbers[0] // numbers[1]) if len(numbers) == 2 and all(numbers) else 0


def _whole(text: str) -> int:
    """Read a whole number of at least 1, 0 where it is none."""
    try:
        return int(text) if text.isascii() and text.isdecimal() else 0
    except ValueError:  # more digits than int() takes
        return 0


def _unescape(field: str) -> str:
    """Undo the octal that the kernel writes for blanks and backslashes in a mountinfo field."""
    # The backslash is last: what it gives back must not start another escape.
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def _read(path: str) -> str:
    """Read a whole file, empty where that fails."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except (OSError, ValueError):  # ValueError: a NUL in the path, or bytes that are not text
        return ""
