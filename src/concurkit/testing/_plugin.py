"""Lets `pytest --pyargs concurkit.testing` have an option of its own.

pytest loads a conftest.py too late for options where tests are named with `--pyargs`, so this is an
entry point, and every session of pytest imports it. It does nothing unless it is meant.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pytest


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Bring in the options, if our tests are on the command line."""
    if any(word.partition("::")[0].startswith("concurkit.testing") for word in args):
        early_config.pluginmanager.import_plugin("concurkit.testing._options")
