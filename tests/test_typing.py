"""What type checkers say: of the calls in tests/typing, of the source, of the public names.

The files in tests/typing are never run. In them `assert_type` says what a call must give, and a
`type: ignore` (mypy) or `pyright: ignore` marks a call that must be an error.
"""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_overloads, get_type_hints

import pytest

import concurkit
from concurkit import aio
from concurkit import typing as public_types

ROOT = Path(__file__).parents[1]


def run(*command: str) -> tuple[int, str]:
    """A checker's exit code and what it printed, run on the project with this Python's packages."""
    # pyright looks at the packages of whichever `python` it finds first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "MYPY_CACHE_DIR": os.devnull},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("checked", ["src", "tests/typing"])
def test_mypy_finds_no_fault(checked: str) -> None:
    code, said = run("mypy", "--strict", checked)

    assert code == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("checked", ["src", "tests/typing"])
def test_pyright_finds_no_fault(checked: str) -> None:
    code, said = run("pyright", checked)

    assert code == 0, said


@pytest.mark.slow
def test_every_public_name_has_a_complete_type() -> None:
    code, said = run("pyright", "--verifytypes", "concurkit", "--ignoreexternal")

    assert code == 0, said
    assert "Type completeness score: 100%" in said, said


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_checker_sees_a_type_that_is_wrong(checker: str, tmp_path: Path) -> None:
    """The tests above would also pass if every result were Any."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from typing import assert_type\n"
        "from concurkit import Task, run_concurrently\n"
        "assert_type(run_concurrently([Task(len, 'a')]), list[str])\n"
    )

    code, said = run(checker, str(wrong))

    assert code == 1, said
    assert "list[int]" in said


def test_both_calls_have_the_same_overloads() -> None:
    blocking = get_overloads(concurkit.run_concurrently)
    awaited = get_overloads(aio.run_concurrently)

    assert len(blocking) == len(awaited) > 0
    for one, other in zip(blocking, awaited, strict=True):
        assert inspect.signature(one) == inspect.signature(other)
    assert inspect.signature(concurkit.run_concurrently) == inspect.signature(aio.run_concurrently)


def test_the_overloads_know_the_keywords_of_the_call() -> None:
    parameters = inspect.signature(concurkit.run_concurrently).parameters
    keywords = {name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}

    assert keywords == {*get_type_hints(public_types.RunOptions), "on_error"}


@pytest.mark.parametrize(
    "call",
    [concurkit.run_concurrently, aio.run_concurrently],
    ids=["blocking", "awaited"],
)
def test_annotations_can_be_read_at_run_time(call: Any) -> None:
    for one in (call, *get_overloads(call)):
        assert get_type_hints(one)


def test_public_types_are_all_listed() -> None:
    for name in public_types.__all__:
        assert hasattr(public_types, name)
