"""The examples that people read: each runs as they would run it, and prints what the page says."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

import concurkit

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# A ```python block; if a ```text block follows, that is what the script prints. "any-order" after
# "text" is for tasks that print at the same time: lines swap places and even mix, so only the
# characters are compared.
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?:\n```text(?P<any_order> any-order)?\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https:)(?P<target>[^)#]*)(?:#(?P<heading>[^)]*))?\)")

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows, scripts still need a __main__ guard"
)


@dataclass
class Example:
    where: str
    code: str
    output: str | None
    any_order: bool


# What an example needs in which one of these words stands.
NEEDS = {'"dask"': "distributed", "DaskExecutor": "distributed", '"ray"': "ray"}


def examples() -> list[Example]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            found.append(
                Example(
                    where=f"{page.name}:{line}",
                    code=block["code"],
                    output=block["output"],
                    any_order=block["any_order"] is not None,
                )
            )
    return found


def modules() -> list[str]:
    walked = pkgutil.walk_packages(concurkit.__path__, "concurkit.")
    return ["concurkit", *(module.name for module in walked)]


def run_script(path: Path, seconds: float) -> str:
    """Run a script as a user would, and return what it printed; a word on stderr is a failure."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=path.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("example", [pytest.param(e, id=e.where) for e in examples()])
def test_an_example_of_the_docs_prints_what_the_page_says(example: Example, tmp_path: Path) -> None:
    for word, package in NEEDS.items():
        if word in example.code and find_spec(package) is None:
            pytest.skip(f"this example needs {package}")
    skip_without(*IMPORTED.findall(example.code))
    script = tmp_path / "example.py"
    script.write_text(example.code, encoding="utf-8")

    printed = run_script(script, seconds=60)

    if example.output is not None and example.any_order:
        assert sorted(example.output) == sorted(printed)
    elif example.output is not None:
        assert example.output == printed


# Packages that not every Python has, and the modules whose import or examples need them.
IMPORTED = re.compile(r"^(?:import|from) (joblib|opentelemetry|sklearn|structlog)\b", re.MULTILINE)
NEEDING = {
    "joblib": r"concurkit\.clients\.joblib(?:\._backend)?",
    "opentelemetry": r"concurkit\.observers\.(?:_otel_(?:metrics|placeholder|run)|opentelemetry)",
}


def skip_without(*packages: str) -> None:
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed here")


# Whose examples run on newer Pythons only.
NEWER = {"concurkit.executors.interpreter._executor": (3, 14)}


@pytest.mark.parametrize("module", modules())
def test_the_examples_in_docstrings_hold(module: str) -> None:
    if sys.version_info < NEWER.get(module, ()):
        pytest.skip("these examples need a newer Python")
    skip_without(*(package for package, some in NEEDING.items() if re.fullmatch(some, module)))

    failed, _ = doctest.testmod(importlib.import_module(module))

    assert failed == 0


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / link["target"] if link["target"] else page

        assert target.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in headings(target), link[0]


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings get: lower case, no punctuation, dashes for spaces."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.slow
def test_the_quickstart_gives_the_same_results_as_plain_loops() -> None:
    printed = run_script(ROOT / "examples" / "quickstart.py", seconds=110)

    assert printed.count(" equal\n") == 3


@pytest.mark.slow
@pytest.mark.skipif(find_spec("distributed") is None, reason="needs distributed")
def test_the_example_of_a_cluster_that_loses_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the worker that is killed leaves files
    printed = run_script(ROOT / "examples" / "cluster.py", seconds=110).splitlines()

    assert printed[1] == "on the cluster: the same"
    assert printed[2] == "with a worker killed: 11 results kept, 1 lost with it"
