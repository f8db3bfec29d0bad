"""`check_executor`: checks in processes of their own, so that a hang or a crash is a verdict."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from ._check import Check, all_checks
from ._isolation import Isolated, pack
from ._report import LAWS, Report, Verdict

Factory = Callable[..., Any]

# So many processes run checks at once: most of what a check does is wait.
_SIDE_BY_SIDE = 2


def check_executor(
    factory: Factory | str,
    *,
    laws: Iterable[int] | None = None,
    only: Iterable[str] | None = None,
    time_limit: float = 10.0,
) -> Report:
    """Find out which laws the executors of *factory* keep, tasks that misbehave among the others.

    Each check runs in a process of its own, and on an executor of its own. One that hangs, or that
    takes the caller down, is told as what it is. It takes from 5 to 30 seconds.

    Args:
        factory: gives a new executor with `submit` and `shutdown`: a class, a function, or where it
            is, as "package.module:name". It is called with `max_workers=2` if it has a parameter of
            that name, and should give two workers if it has not.
        laws: the numbers of the laws to look at; by default all, 1 to 12.
        only: the names of the checks to run, as the verdicts have them; by default all.
        time_limit: the seconds that one check may take; more for executors that start slowly.

    Returns:
        A report with a verdict for each check. It is not an error if one fails: look at its `ok`.

    Raises:
        ValueError: a law or a check is not known, or the time is not positive.
        TypeError: the factory is neither callable nor the name of something callable.

    Example:
        >>> from concurkit import SerialExecutor
        >>> from concurkit.testing import check_executor
        >>> report = check_executor(SerialExecutor, laws=[3, 4])
        >>> report.ok
        True
        >>> for verdict in report.verdicts:
        ...     print(verdict.outcome, verdict.promise)
        holds No more tasks run at once than there are workers.
        holds No task runs twice.
        n/a No task runs twice, also when a worker dies.
    """
    if not time_limit > 0:
        raise ValueError(f"time_limit is {time_limit!r}; it must be a positive number of seconds")
    checks = chosen(laws, only)
    with pack(found(factory), time_limit) as home:
        return _Session(home, checks).run()


def found(factory: Factory | str) -> Factory:
    """The factory itself, where it was named."""
    if isinstance(factory, str):
        place, colon, name = factory.partition(":")
        if not colon:
            raise TypeError(
                f"the factory is {factory!r}; write where it is as 'package.module:name', "
                "as in 'concurrent.futures:ThreadPoolExecutor'"
            )
        if not {"", os.getcwd()} & set(sys.path):  # a command may not have put it there
            sys.path.insert(0, os.getcwd())
        thing: Any = import_module(place)
        for part in name.split("."):
            thing = getattr(thing, part)
        return _callable(thing)
    return _callable(factory)


def _callable(thing: Any) -> Factory:
    if callable(thing):
        made: Factory = thing
        return made
    raise TypeError(
        f"the factory is {thing!r}; it must be something to call that gives a new executor each "
        "time, such as a class or `lambda: MyExecutor(2)`"
    )


def chosen(laws: Iterable[int] | None, only: Iterable[str] | None) -> list[Check]:
    """The checks that are asked for, in the order of the laws."""
    checks = all_checks()
    wanted_laws = set(LAWS if laws is None else laws)
    if unknown := wanted_laws - set(LAWS):
        raise ValueError(f"there is no law {min(unknown)!r}; the laws are 1 to {max(LAWS)}")
    wanted = set(checks if only is None else [only] if isinstance(only, str) else only)
    if strange := wanted - set(checks):
        raise ValueError(f"there is no check {min(strange)!r}; there are {', '.join(checks)}")
    found = [one for name, one in checks.items() if name in wanted and one.law in wanted_laws]
    if not found:
        raise ValueError(
            f"no check is left: none of {sorted(wanted) if only else 'them'} belongs to "
            f"{'law ' + ', '.join(map(str, sorted(wanted_laws))) if wanted_laws else 'no law'}"
        )
    return found


def _python() -> str:
    """The Python and the system that this runs on."""
    free = " free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    name, version = platform.python_implementation(), platform.python_version()
    return f"{name} {version}{free}, {platform.system()}"


class _Session:
    """One go at all the checks, by a few threads that each look after a process."""

    def __init__(self, home: Any, checks: list[Check]) -> None:
        self._home = home
        self._checks = checks
        self._left = deque(checks)
        self._found: dict[str, Verdict] = {}
        self._stop = threading.Event()
        self._trouble: list[BaseException] = []
        self._executor = ""

    def run(self) -> Report:
        first = Isolated(self._home, self._stop)
        self._executor = first.name()
        hands = [threading.Thread(target=self._work, args=(one,)) for one in self._hands(first)]
        for hand in hands:
            hand.start()
        try:
            for hand in hands:
                hand.join()
        finally:  # a Ctrl-C among them
            self._stop.set()
            for hand in hands:
                hand.join()
        if self._trouble:
            raise self._trouble[0]
        verdicts = tuple(self._found[one.name] for one in self._checks)
        return Report(self._executor, verdicts, _python())

    def _hands(self, first: Isolated) -> Iterator[Isolated]:
        yield first
        for _ in range(_SIDE_BY_SIDE - 1):
            yield Isolated(self._home, self._stop)

    def _work(self, isolated: Isolated) -> None:
        try:
            while not self._stop.is_set():
                try:
                    one = self._left.popleft()
                except IndexError:
                    return
                self._found[one.name] = isolated.verdict(one)
        except BaseException as error:  # raised where the caller waits
            self._trouble.append(error)
            self._stop.set()
        finally:
            isolated.end()
