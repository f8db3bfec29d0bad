"""Every scenario, in the order in which the figures are told. A new file is one line here."""

from collections.abc import Sequence

from harness.model import Scenario

from . import (
    arrays,
    asleep,
    clusters,
    cold,
    coroutines,
    cpu,
    crash,
    first,
    hang,
    hard,
    imports,
    memory,
    processes,
    roundtrip,
    scaling,
    sleep,
    stream,
    threads,
    uneven,
)

FILES = (
    threads,
    sleep,
    first,
    processes,
    roundtrip,
    coroutines,
    asleep,
    cpu,
    scaling,
    uneven,
    hard,
    crash,
    hang,
    cold,
    arrays,
    clusters,
    stream,
    memory,
    imports,
)

ALL: tuple[Scenario, ...] = tuple(one for file in FILES for one in file.SCENARIOS)


class UnknownScenarioError(ValueError):
    """Raised when a name on the command line is no scenario's."""


def named(name: str) -> Scenario:
    return next(one for one in ALL if one.name == name)


def matching(words: Sequence[str]) -> list[Scenario]:
    """The scenarios meant: `uneven` stands for `uneven-random` and `uneven-last`."""
    for word in words:
        if not any(_means(word, one) for one in ALL):
            known = ", ".join(one.name for one in ALL)
            raise UnknownScenarioError(f"no scenario {word!r}; there are: {known}")
    return [one for one in ALL if not words or any(_means(word, one) for word in words)]


def _means(word: str, scenario: Scenario) -> bool:
    return scenario.name == word or scenario.name.startswith(f"{word}-")
