"""One test for each check: `pytest --pyargs concurkit.testing --executor package.module:name`."""

from __future__ import annotations

import pytest

from ._check import all_checks
from ._report import Report
from ._run_checks import check_executor

CHECKS = [pytest.param(name, id=f"law_{one.law}_{name}") for name, one in all_checks().items()]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """What the checks of all the tests here that are to run came to; they run together, once."""
    from ._options import REPORT

    names = [
        str(item.callspec.params["check"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_executor"
    ]
    factory = str(request.config.getoption("--executor"))
    limit = float(str(request.config.getoption("--executor-time-limit")))
    try:
        found = check_executor(factory, only=names, time_limit=limit)
    except (AttributeError, ImportError, RuntimeError, TypeError, ValueError) as error:
        pytest.exit(f"{factory}: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
    request.config.stash[REPORT] = found
    return found


@pytest.mark.parametrize("check", CHECKS)
def test_executor(check: str, report: Report) -> None:
    """The executor keeps this promise."""
    [verdict] = [one for one in report.verdicts if one.name == check]
    if verdict.outcome == "n/a":
        pytest.skip(verdict.detail)
    if verdict.outcome == "fails":
        pytest.fail(f"{verdict.promise}\nIt does not hold: {verdict.detail}", pytrace=False)
