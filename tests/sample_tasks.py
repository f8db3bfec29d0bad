"""Functions for tests to run: importable, so that worker processes find them by their names."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import random
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from uuid import uuid4

from concurkit import (
    Task,
    aio,
    check_cancelled,
    current_task,
    iter_concurrently,
    per_worker,
    run_concurrently,
)
from concurkit.exceptions import TaskCancelledError

# ---- what async tasks wait with; imported late, since each new worker would pay for it ----------


async def turn() -> None:
    """Let the loop's other tasks have their turn."""
    from anyio.lowlevel import checkpoint

    await checkpoint()


async def pause(seconds: float) -> None:
    """Let the loop have the time."""
    from anyio import sleep

    await sleep(seconds)


# ---- tasks that return --------------------------------------------------------------------------


def nothing() -> None:
    """Do nothing."""


def give(value: Any) -> Any:
    """Return *value*."""
    return value


async def give_async(value: Any) -> Any:
    """Return *value* after a turn of the loop."""
    await turn()
    return value


def add(first: int, second: int = 0, *, third: int = 0) -> int:
    """Return the sum."""
    return first + second + third


async def add_async(first: int, second: int = 0, *, third: int = 0) -> int:
    """Return the sum, without ever waiting."""
    return first + second + third


def square(number: int) -> int:
    """Return *number* times itself."""
    return number * number


def reciprocal(number: int) -> float:
    """Return 1 / *number*, which raises for 0."""
    return 1 / number


async def reciprocal_async(number: int) -> float:
    """Return 1 / *number*, which raises for 0, after a turn of the loop."""
    await turn()
    return 1 / number


def big(size: int) -> bytes:
    """Return *size* bytes."""
    return bytes(size)


def talk(lines: int) -> int:
    """Print *lines* lines on stdout and as many on stderr."""
    for line in range(lines):
        print(f"line {line} of the task", "x" * 60)
        print(f"line {line} of the task", "x" * 60, file=sys.stderr)
    return lines


class Doer:
    """A deed that is done by methods, by a call, or by what its class has."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fn = fn
        self.args = args

    def method(self) -> Any:
        """Do it."""
        return self.fn(*self.args)

    async def async_method(self) -> Any:
        """Do it, and await what comes of it."""
        return await self.fn(*self.args)

    @staticmethod
    def static(fn: Callable[..., Any], *args: Any) -> Any:
        """Do what is given."""
        return fn(*args)

    @classmethod
    def of_class(cls, fn: Callable[..., Any], *args: Any) -> Any:
        """Do what is given."""
        return cls(fn, args).method()

    def __call__(self) -> Any:
        return self.fn(*self.args)


class AsyncDoer(Doer):
    """One whose call is an async function."""

    async def __call__(self) -> Any:
        return await self.fn(*self.args)


# ---- where and when a task runs -----------------------------------------------------------------


def pid() -> int:
    """Return the id of the process that this runs in."""
    return os.getpid()


def pid_later(seconds: float) -> int:
    """Which process this is, told after *seconds*."""
    time.sleep(seconds)
    return os.getpid()


def thread() -> int:
    """Return the id of the thread that this runs in."""
    return threading.get_ident()


async def thread_async() -> int:
    """Return the id of the thread that this runs in, after a turn of the loop."""
    await turn()
    return threading.get_ident()


def where() -> tuple[int, int]:
    """Return the ids of the process and the thread that this runs in."""
    return os.getpid(), threading.get_ident()


async def where_async() -> tuple[int, int, int]:
    """Return the ids of the process, the thread and the loop that this runs in."""
    await turn()
    return os.getpid(), threading.get_ident(), id(asyncio.get_running_loop())


async def library() -> str:
    """Return the name of the async library that this runs on."""
    await turn()
    return "asyncio" if asyncio._get_running_loop() is not None else "trio"


def interval(seconds: float) -> tuple[float, float]:
    """Take *seconds*; return when this began and ended, on the clock of all processes."""
    start = time.monotonic()
    if seconds:
        time.sleep(seconds)
    return start, time.monotonic()


async def interval_async(seconds: float) -> tuple[float, float]:
    """Take *seconds* off the loop's time; return when this began and ended."""
    start = time.monotonic()
    await pause(seconds)
    return start, time.monotonic()


def sleep(seconds: float, value: Any = None) -> Any:
    """Return *value* after *seconds*."""
    time.sleep(seconds)
    return value


async def sleep_async(seconds: float, value: Any = None) -> Any:
    """Return *value* after *seconds* that the loop may use."""
    await pause(seconds)
    return value


def append(path: str, word: object) -> Any:
    """Add *word* as a line to the file at *path*, in one write; return it."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{word}\n".encode())
    finally:
        os.close(file)
    return word


def append_later(seconds: float, path: str, word: object) -> None:
    """Add a line to a file after *seconds*."""
    time.sleep(seconds)
    append(path, word)


def append_later_or_fail(seconds: float, path: str, number: int) -> None:
    """As number 0, raise; as another, add a line to a file after *seconds*."""
    reciprocal(number)
    append_later(seconds, path, number)


class FileEvent:
    """An event that other interpreters and processes can wait for: a file that comes to be."""

    def __init__(self, path: str) -> None:
        self.path = path

    def set(self) -> None:
        """Let all go that wait."""
        Path(self.path).touch()

    def is_set(self) -> bool:
        """Whether it is set."""
        return os.path.exists(self.path)

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, so long at most; whether it is."""
        until = time.monotonic() + seconds
        while not self.is_set() and time.monotonic() < until:
            time.sleep(0.005)
        return self.is_set()


Release = threading.Event | FileEvent | None


def release_for(mode: str, place: Path) -> Release:
    """What lets tasks of *mode* go that nothing can stop; processes can be killed."""
    if mode == "interpreter":
        return FileEvent(str(place / "go on"))
    return None if mode in ("process", "dask", "ray") else threading.Event()


def overstay(release: Release) -> None:
    """Take far too long, or until *release* is set."""
    if release is None:
        time.sleep(60)
    else:
        release.wait(60)


async def overstay_async(release: Release) -> None:
    """Take far too long on the loop, or until *release* is set."""
    for _ in range(6000):
        if release is not None and release.is_set():
            return
        await pause(0.01)


def append_and(path: str, word: object, ending: str, release: Release = None) -> None:
    """Add a line to a file, then return, raise, overstay, or die in that way."""
    append(path, word)
    if ending == "raises":
        raise ValueError(word)
    if ending == "takes too long":
        overstay(release)
    elif ending != "returns":
        DEATHS[ending]()


async def append_and_async(path: str, word: object, ending: str, release: Release = None) -> None:
    """Do the same, but let the loop go on meanwhile."""
    await turn()
    if ending == "takes too long":
        append(path, word)
        await overstay_async(release)
    else:
        append_and(path, word, ending)


def note_and_overstay(path: str, release: Release) -> None:
    """Add to a file when this starts, then take far too long."""
    append(path, time.monotonic())
    overstay(release)


async def note_and_overstay_async(path: str, release: Release) -> None:
    """Add to a file when this starts, then take far too long on the loop."""
    append(path, time.monotonic())
    await overstay_async(release)


def linger(release: Release, overdue: bool) -> str:
    """Take far too long if *overdue*."""
    if overdue:
        overstay(release)
    return "in time"


async def linger_async(release: Release, overdue: bool) -> str:
    """Take far too long on the loop if *overdue*."""
    if overdue:
        await overstay_async(release)
    return "in time"


def wait_for_file(path: str, value: Any = None) -> Any:
    """Return *value* when there is a file at *path*."""
    while not os.path.exists(path):
        time.sleep(0.001)
    return value


def note_and_wait_for_file(started: str, path: str) -> str:
    """Make the file *started*, then wait until there is one at *path*."""
    Path(started).touch()
    wait_for_file(path)
    return "done"


async def note_and_wait_for_file_async(started: str, path: str) -> str:
    """The same on a loop."""
    Path(started).touch()
    await _file_is_there(path)
    return "done"


async def _file_is_there(path: str) -> None:
    while not os.path.exists(path):
        await pause(0.001)


async def note_and_block_the_loop(started: str, path: str) -> str:
    """The same, without giving the loop a turn."""
    return note_and_wait_for_file(started, path)


def fail_first_and_wait(started: str, path: str) -> str:
    """Fail the first time that it is called; then do as `note_and_wait_for_file`."""
    if not os.path.exists(f"{started} 1"):
        Path(f"{started} 1").touch()
        raise OSError("the first time")
    return note_and_wait_for_file(started, path)


SLOW_PATTERN = re.compile(r"(a+)+$")


def search_for_ever() -> None:
    """Match a pattern that takes for ever, in C code that holds the GIL all the while."""
    SLOW_PATTERN.match("a" * 60 + "b")


def read_in_c(fifo: str) -> None:
    """Wait for a writer, in C code that holds the GIL."""
    os.close(ctypes.PyDLL(None).open(fifo.encode(), os.O_RDONLY))


def wait_at(number: int, where: int, paths: tuple[str, str]) -> None:
    """Do as `note_and_wait_for_file` if this is the place, else nothing."""
    if number == where:
        note_and_wait_for_file(*paths)


def tell_stack_of_serial_run(started: str, path: str) -> list[str | None]:
    """What `stacks` says of a serial run inside this task."""
    found: list[str | None] = []
    tasks = [Task(note_and_wait_for_file, started, path)]
    with iter_concurrently(tasks, mode="serial") as run:

        def look() -> None:
            while not any("in wait_for_file" in str(stack) for stack in found):
                found[:] = [one.stack for one in run.stacks()]
            Path(path).touch()

        looker = threading.Thread(target=look)
        looker.start()
        list(run)
        looker.join()
    return found


def gated(place: str, number: int) -> int:
    """As number 0, wait at *place* for the file "go"; as another, note there that it ran."""
    if number == 0:
        note_and_wait_for_file(f"{place}/started", f"{place}/go")
    else:
        append(f"{place}/ran", number)
    return number


def gated_behind(place: str, number: int) -> int:
    """As number 0, return; as another, wait at *place* for the file "go"; note later that it ran.

    So none runs until the caller lets them, and few until what the caller did has come to pass.
    """
    if number:
        wait_for_file(f"{place}/go")
        append_later(0.05, f"{place}/ran", number)
    return number


def gated_behind_a_failure(place: str, number: int) -> int:
    """The same, but number 0 raises."""
    reciprocal(number)
    return gated_behind(place, number)


def tell_and_wait_for_file(started: str, path: str) -> str:
    """Add to the file *started*, then wait until there is a file at *path*; return its name."""
    append(started, "started")
    return str(wait_for_file(path, path))


def compute(seconds: float) -> int:
    """Compute for so many seconds."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        number += 1
    return number


def meet(place: str, guests: int) -> None:
    """Come to the directory *place* and wait there until all the guests have."""
    Path(place, f"{os.getpid()}-{threading.get_ident()}").touch()
    while len(os.listdir(place)) < guests:
        time.sleep(0.001)


async def meet_async(place: str, guests: int) -> None:
    """Come to the directory *place* and wait there, off the loop's time, until all have."""
    Path(place, f"{uuid4()}").touch()
    while len(os.listdir(place)) < guests:
        await pause(0.001)


VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def swap(value: str) -> str:
    """Set the context variable to *value*; return what it was."""
    before = VARIABLE.get()
    VARIABLE.set(value)
    return before


async def swap_async(value: str) -> tuple[str, str]:
    """Set the context variable, wait a turn; return what it was and what it is then."""
    before = VARIABLE.get()
    VARIABLE.set(value)
    await turn()
    return before, VARIABLE.get()


# ---- what an initializer leaves ------------------------------------------------------------------

state: dict[str, int] = {}


def set_state(value: int) -> None:
    """What tasks of the same process find."""
    state["value"] = value


def get_state() -> int | None:
    """Find it."""
    return state.get("value")


def refuse(text: str) -> None:
    """An initializer that fails."""
    raise LookupError(text)


# ---- tasks that raise ---------------------------------------------------------------------------


def fail(kind: type[BaseException], *args: Any) -> NoReturn:
    """Raise an error of that *kind*."""
    raise kind(*args)


def fail_at(position: int, kind: type[BaseException], number: int) -> int:
    """Raise an error of that *kind* if *number* is the *position*, else return it."""
    if number == position:
        raise kind(number)
    return number


async def fail_async(kind: type[BaseException], *args: Any) -> NoReturn:
    """Raise an error of that *kind* after a turn of the loop."""
    await turn()
    raise kind(*args)


class TwoArguments(Exception):
    """An exception that pickle can't rebuild: it calls the class with `args`, which are one."""

    def __init__(self, degrees: int, place: str) -> None:
        super().__init__(f"{degrees} degrees in {place}")
        self.degrees = degrees
        self.place = place


class BadReduce(Exception):
    """An exception whose own way to be pickled raises."""

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("can't be reduced")


class Silent(Exception):
    """An exception that can't even be shown."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("can't be shown")


class LockHolder(Exception):
    """An exception with an attribute that can't be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def fail_with_local_class() -> NoReturn:
    """Raise an error whose class can't be pickled by name nor by value."""

    class OnlyHere(Exception):
        lock = threading.Lock()

    raise OnlyHere("made in the worker")


def fail_with_class_of_the_worker() -> NoReturn:
    """Raise an error of a class whose module is nowhere but in this process."""
    module = ModuleType("made_up")
    kind = type("OnlyThere", (Exception,), {"__module__": "made_up"})
    vars(module)["OnlyThere"] = kind
    sys.modules["made_up"] = module
    raise kind("made in the worker")


def fail_in_a_chain() -> NoReturn:
    """Raise an error from another."""
    try:
        raise ValueError("the first")
    except ValueError as error:
        raise RuntimeError("the last") from error


class ExplodesWhenBuilt:
    """A value that can be pickled, and not rebuilt."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (fail, (ValueError, "can't be rebuilt"))


class Unpicklable:
    """A value that can't be pickled, because of one member."""

    def __init__(self) -> None:
        self.name = "fine"
        self.parts = {"lock": threading.Lock()}


class Unspeakable:
    """A value whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def unpicklable() -> Unpicklable:
    """Return what can't be sent to another process."""
    return Unpicklable()


# ---- tasks that kill their process --------------------------------------------------------------


def exit_now(code: int = 7) -> NoReturn:
    """End this process without a word."""
    os._exit(code)


def kill_self(number: int = 9) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


def read_null() -> bytes:
    """Read where no memory is."""
    return ctypes.string_at(0)


DEATHS: dict[str, Callable[[], Any]] = {
    "exit": exit_now,
    "exit 0": partial(exit_now, 0),
    "SIGKILL": partial(kill_self, getattr(signal, "SIGKILL", 9)),
    "SIGTERM": partial(kill_self, signal.SIGTERM),
    "null pointer": read_null,
}


def tell_pid_and_wait(path: str) -> None:
    """Write this process's id into a file, then wait to be killed."""
    append(path, os.getpid())
    time.sleep(60)


def append_slowly_or_die(path: str, word: object, how: str | None) -> object:
    """Add a line to a file, take a while, then die in that way or give the word back."""
    append(path, word)
    return die_or_give(how, word, 0.02)


def leave_a_thread() -> str:
    """Leave a thread behind that would keep this process from ending."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    return "started"


async def ignore_cancelling(release: threading.Event) -> None:
    """Take too long, and don't stop when told to."""
    while not release.is_set():
        with suppress(BaseException):
            await pause(0.01)
        time.sleep(0.001)


async def fail_when_cancelled(within: bool) -> None:
    """Wait until cancelled, alone or *within* a task group; then raise, as cleanup can."""
    import anyio

    if within:
        async with anyio.create_task_group() as group:
            group.start_soon(fail_when_cancelled, False)
    try:
        await anyio.sleep_forever()
    finally:
        raise RuntimeError("cleanup failed")


def die_or_give(how: str | None, value: Any, seconds: float = 0.0) -> Any:
    """Take so many seconds, then die in that way, or give *value* back."""
    if seconds:
        time.sleep(seconds)
    if how is not None:
        DEATHS[how]()
    return value


def append_and_die(path: str, word: object, how: str | None) -> None:
    """Add a line to a file, then die in that way, if any."""
    append(path, word)
    die_or_give(how, None)


def hold_the_gil(seconds: int) -> None:
    """Sleep in C code that does not let the interpreter's other threads run."""
    ctypes.PyDLL(None).sleep(seconds)


# ---- tasks that start runs of their own ---------------------------------------------------------


def inner(mode: Any) -> int:
    """A run inside a task; the loop that an async task may hold up is its worker's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return sum(run_concurrently(Task.map(add, range(5)), mode=mode))


async def inner_async(mode: Any) -> int:
    """The same, awaited."""
    return sum(await aio.run_concurrently(Task.map(add, range(5)), mode=mode))


async def inner_blocking(mode: Any) -> int:
    """A blocking run in an async task."""
    return inner(mode)


# For each level its mode, and whether its tasks are async functions.
Levels = Sequence[tuple[str, bool]]


def nest(levels: Levels) -> int:
    """Count the leaves of a tree of runs, two tasks in each."""
    if not levels:
        return 1
    (mode, asynchronous), *rest = levels
    fn: Callable[..., Any] = nest_async if asynchronous else nest
    return sum(run_concurrently([Task(fn, rest)] * 2, mode=mode, max_workers=2))


async def nest_async(levels: Levels) -> int:
    """Count the leaves of a tree of runs that are awaited."""
    if not levels:
        return 1
    (mode, asynchronous), *rest = levels
    fn: Callable[..., Any] = nest_async if asynchronous else nest
    return sum(await aio.run_concurrently([Task(fn, rest)] * 2, mode=mode, max_workers=2))


def intervals_inside(mode: str, count: int, max_workers: int | None) -> list[tuple[float, float]]:
    """Run so many tasks inside this one; return when each ran."""
    tasks = [Task(interval, 0.05)] * count
    return run_concurrently(tasks, mode=mode, max_workers=max_workers)


# ---- streams, retries and limits ----------------------------------------------------------------


def stream_inside(mode: Any, count: int) -> int:
    """Sum what a stream inside this task gives; the loop that may be held up is the worker's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with iter_concurrently(Task.map(give, range(count)), mode=mode, max_workers=2) as run:
            return sum(run)


async def stream_inside_async(mode: Any, count: int) -> int:
    """Do the same, awaiting the results."""
    async with aio.iter_concurrently(Task.map(give, range(count)), mode=mode, max_workers=2) as run:
        return sum([value async for value in run])


def fail_until(path: str, attempt: int, kind: type[BaseException]) -> int:
    """Raise until it is that *attempt*, as the lines of a file count them; return its number."""
    append(path, os.getpid())
    number = len(Path(path).read_text().split())
    if number < attempt:
        raise kind(number)
    return number


def watch(_: object = None, seconds: float = 60.0) -> None:
    """Take far too long, but look whether to stop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check_cancelled()
        time.sleep(0.001)


def note_and_watch(path: str, ended: str | None) -> None:
    """Add to a file when this starts, then watch; make the file *ended* when told to stop."""
    append(path, time.monotonic())
    try:
        watch()
    finally:
        if ended is not None:
            Path(ended).touch()


def misbehave_once(path: str, how: str) -> int:
    """Die in that way, or hang, the first time; then return the id of the process."""
    append(path, os.getpid())
    if len(Path(path).read_text().split()) == 1:
        if how == "hang":
            time.sleep(60)
        DEATHS[how]()
    return os.getpid()


def wait_at_first(path: str, release: str) -> int:
    """Take far too long the first time, or until there is a file *release*; return the attempt."""
    append(path, os.getpid())
    number = len(Path(path).read_text().split())
    until = time.monotonic() + 60
    while number == 1 and time.monotonic() < until and not os.path.exists(release):
        time.sleep(0.001)
    return number


async def wait_at_first_async(path: str, release: str) -> int:
    """Take far too long the first time, on the loop; return the attempt."""
    append(path, os.getpid())
    number = len(Path(path).read_text().split())
    if number == 1:
        await pause(60)
    return number


def append_and_fail_first(path: str, word: str, mark: str) -> str:
    """Add a line to a file; fail if that is the first time, which the file *mark* tells."""
    append(path, word)
    if not os.path.exists(mark):
        Path(mark).touch()
        raise OSError("busy")
    return word


def append_and_raise(path: str, kind: type[BaseException], *args: Any) -> NoReturn:
    """Add a line to a file, then raise."""
    append(path, "attempt")
    raise kind(*args)


def time_until(path: str, attempt: int) -> int:
    """Add the time to a file; fail until so many are in it."""
    append(path, time.monotonic())
    number = len(Path(path).read_text().split())
    if number < attempt:
        raise OSError("busy")
    return number


def check() -> str:
    """Ask whether to stop, a few times."""
    for _ in range(10):
        check_cancelled()
    return "went on"


async def check_async() -> str:
    """Ask whether to stop, with turns of the loop between."""
    for _ in range(10):
        check_cancelled()
        await turn()
    return "went on"


def tell_why(path: str) -> None:
    """Watch; write down why to stop when told."""
    Path(path).touch()
    try:
        watch()
    except TaskCancelledError as error:
        Path(path).write_text(str(error))
        raise


async def tell_why_async(path: str) -> None:
    """Watch in an async function, on its worker's own loop."""
    Path(path).touch()
    try:
        for _ in range(6000):
            check_cancelled()
            await pause(0.01)
    except TaskCancelledError as error:
        Path(path).write_text(str(error))
        raise


def tell_why_inside(path: str, mode: str) -> None:
    """Watch in a task of a run inside this one."""
    run_concurrently([Task(tell_why, path)], mode=mode)


def fail_when_there(path: str, kind: type[BaseException], *args: Any) -> NoReturn:
    """Raise once there is a file at *path*."""
    wait_for_file(path)
    raise kind(*args)


def time_of_checks(count: int) -> float:
    """How many seconds of its thread's own time so many questions whether to stop take."""
    start = time.thread_time()
    for _ in range(count):
        check_cancelled()
    return time.thread_time() - start


# ---- what a worker does before its first task ---------------------------------------------------

worker_words = per_worker(list[str])
worker_number = per_worker(random.random)


def set_up(path: str, word: str) -> None:
    """Note in a file where this runs, and keep *word* as the worker's."""
    append(path, f"{os.getpid()} {threading.get_ident()}")
    worker_words().append(word)


async def set_up_async(path: str, word: str) -> None:
    """Do the same after a turn of the loop."""
    await turn()
    set_up(path, word)


def words_here(place: str, guests: int) -> tuple[str, list[str]]:
    """Once all guests have come: where this runs, and the worker's words."""
    meet(place, guests)
    return f"{os.getpid()} {threading.get_ident()}", list(worker_words())


async def words_here_async(place: str, guests: int) -> tuple[str, list[str]]:
    """Do the same off the loop's time."""
    await meet_async(place, guests)
    return f"{os.getpid()} {threading.get_ident()}", list(worker_words())


async def append_and_raise_async(path: str, kind: type[BaseException], *args: Any) -> NoReturn:
    """Add a line to a file and raise, after a turn of the loop."""
    await turn()
    append_and_raise(path, kind, *args)


def append_and_wait_to_raise(path: str, gate: str) -> NoReturn:
    """Add a line to a file; raise once there is a file *gate*."""
    append(path, "attempt")
    fail_when_there(gate, OSError, 5, "no model")


def fail_without(path: str) -> None:
    """Raise unless there is a file at *path*."""
    if not os.path.exists(path):
        raise OSError(5, "no model")


def fail_late_without(noted: str, path: str, go: str) -> None:
    """Raise unless there is a file at *path*: the first caller at once, the next once told to."""
    there = os.path.exists(path)
    append(noted, "attempt")
    if there:
        return
    try:
        os.mkdir(f"{noted}.first")
    except FileExistsError:
        wait_for_file(go)
    raise OSError(5, "no model")


def append_pid_or_die(path: str, word: int, how: str | None) -> int:
    """Add this process and *word* to a file, then die in that way, or give *word* back."""
    append(path, f"{os.getpid()} {word}")
    return int(die_or_give(how, word))


KEPT: list[bytearray] = []


def keep(size: int) -> int:
    """Take so much memory for good; return the id of the process."""
    KEPT.append(bytearray(b"x") * size)
    return os.getpid()


def grow(step: int, most: int) -> None:
    """Take more and more memory up to *most*, then wait to be killed."""
    for _ in range(most // step):
        keep(step)
        time.sleep(0.002)
    time.sleep(60)


class SlowFinder:
    """Makes the import of asyncio take long."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "asyncio":
            time.sleep(0.6)


def import_asyncio_slowly() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "asyncio"]:
        del sys.modules[name]
    sys.meta_path.insert(0, SlowFinder())


def squares_in_processes(pipe: Any) -> None:
    """In a process: run tasks in processes of its own; say what came of it, and what it is."""
    found = run_concurrently(Task.map(square, range(4)), mode="process", max_workers=2)
    pipe.send((found, multiprocessing.current_process().daemon))


# ---- retries ------------------------------------------------------------------------------------


def fail_as_told(kind: str) -> str:
    """Return, or as *kind* says: fail for good, once with an OSError, or twice with one."""
    task = current_task()
    assert task is not None
    if kind == "fails":
        raise ValueError(kind)
    if kind == "fails twice" or (kind == "fails once" and task.attempt == 1):
        raise OSError(kind)
    return kind


async def fail_as_told_async(kind: str) -> str:
    return fail_as_told(kind)


def fail_slowly(number: int, those: Sequence[int], seconds: float) -> float:
    """Take so many seconds, then fail if *number* is one of *those*; tells how many they were."""
    begun = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begun
    if number in those:
        raise OSError(took)
    return took
