"""The options of `pytest --pyargs concurkit.testing`, and the table at its end."""

from __future__ import annotations

import pytest

from ._report import Report

REPORT = pytest.StashKey[Report]()

WHICH = """\
which executor? Say where a class or a function is that gives a new one:
    pytest --pyargs concurkit.testing --executor package.module:name
as in --executor concurrent.futures:ThreadPoolExecutor"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The words for the command line."""
    group = parser.getgroup("concurkit", "the conformance kit of concurkit")
    group.addoption(
        "--executor",
        metavar="PACKAGE.MODULE:NAME",
        help="what gives a new executor each time: a class, or a function without arguments",
    )
    group.addoption(
        "--executor-time-limit",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="for one check (10); more for executors that start slowly",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Ask for the executor, once and before anything else."""
    if config.getoption("--executor") is None and not config.getoption("--help", False):
        raise pytest.UsageError(WHICH)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, behind what pytest says itself."""
    found = terminalreporter.config.stash.get(REPORT, None)
    if found is not None:
        terminalreporter.section("the laws of concurkit")
        terminalreporter.write_line(str(found))
