"""What a benchmark is made of: a scenario, its contenders, and the samples they give."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["ours", "peer", "floor", "limit"]
"""`floor` is no concurrency at all, `limit` a hand-written best; neither is a library."""

Extra = float | str
Extras = Mapping[str, Extra]
Check = Callable[[Any, int], Extras]


class WrongResultError(Exception):
    """Raised when a contender gave something else than the work's answer."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a scenario's work.

    Attributes:
        name: The library and its call, as a reader would write it.
        settings: What was set, or "default".
        run: The timed part: `run(tasks)`, or `run(pool, tasks)` where there is a pool.
        pool: Opens a pool that is warm before the clock starts and closed after it stops.
        kind: Ours, a peer's, or one of the two yardsticks.
        share: The share of the scenario's tasks it gets; below 1 for slow contenders.
        rounds: At most so many rounds, for contenders that are slow however small their share.
    """

    name: str
    settings: str
    run: Callable[..., Any]
    pool: Callable[[], AbstractContextManager[Any]] | None = None
    kind: Kind = "peer"
    share: float = 1.0
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process measured: the median of its runs, and what else there is to tell."""

    seconds: float
    tasks: int
    extras: Extras = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """How a sample becomes the number in the table; lower is better."""

    unit: str
    of: Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question, put to every contender in the same words.

    Attributes:
        name: What is typed on the command line.
        title: One line: the work, the workers, what is timed.
        metric: The number in the table.
        tasks: How many tasks; `quick_tasks` with `--quick`.
        check: Raises `WrongResultError`, or returns what to show beside the time.
        warm_up: How many tasks run once before the clock starts, in the same pool.
        repeats: The most often a short run is repeated in one process.
        limit: Seconds after which a process is ended.
        columns: Which extras the table shows.
        drawn: Which of these have a picture of their own beside that of the number.
        reference: A contender whose median is a second yardstick.
        best: An extra whose highest value comes first in the table, before the time counts.
    """

    name: str
    title: str
    metric: Metric
    tasks: int
    quick_tasks: int
    check: Check
    contenders: tuple[Contender, ...]
    warm_up: int = 100
    repeats: int = 7
    limit: float = 120.0
    columns: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    reference: str | None = None
    best: str | None = None

    def contender(self, name: str) -> Contender:
        return next(one for one in self.contenders if label(one) == name)


class Named(Protocol):
    """A contender, or what is left of it in a file."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> str: ...


def label(contender: Named) -> str:
    """The name that tells a contender from every other of its scenario."""
    return f"{contender.name} [{contender.settings}]"


def _per_task(sample: Sample) -> float:
    return sample.seconds / sample.tasks * 1e6


MICROSECONDS_A_TASK = Metric("µs a task", _per_task)
SECONDS = Metric("s", lambda sample: sample.seconds)
MILLISECONDS = Metric("ms", lambda sample: sample.seconds * 1e3)


def times_ideal(seconds_a_task: float, workers: int) -> Metric:
    """The run's time over that of workers who never wait."""
    return Metric("x ideal", lambda s: s.seconds * workers / (s.tasks * seconds_a_task))


def from_extra(name: str, unit: str) -> Metric:
    """A number that the contender measured itself."""
    return Metric(unit, lambda sample: float(sample.extras[name]))


def expect(answer: Callable[[int], Any]) -> Check:
    """A check that the result, as a list, equals `answer(tasks)`."""

    def check(result: Any, tasks: int) -> Extras:
        if list(result) != answer(tasks):
            raise WrongResultError(f"not the expected result for {tasks} tasks")
        return {}

    return check
