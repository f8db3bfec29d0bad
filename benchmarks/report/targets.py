"""The figures to beat: which number of which contender each goal is about."""

from dataclasses import dataclass

from harness.measured import Measured, Row

NEXT = 3
"""So many peers are named beside the best one; the scenario's own table has them all."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the first table.

    Attributes:
        work: In words.
        scenario: Whose figures tell.
        goal: Ours, in the unit of the number it is about; None where none was set.
        column: The extra it is about, where it is not the scenario's own number.
        settings: Ours with just these, where it is not the first of ours.
        name: Ours of this name, likewise.
        like: Peers whose settings have this in them, where others do something else.
        over_reference: The number is a ratio to the best that was written by hand.
    """

    work: str
    scenario: str
    goal: float | None
    column: str | None = None
    settings: str | None = None
    name: str | None = None
    like: str = ""
    over_reference: bool = False

    def view(self, measured: Measured) -> Measured:
        return measured.by(self.column) if self.column else measured

    def ours(self, view: Measured) -> Row | None:
        found = (row for row in view.rows if row.kind == "ours" and row.values)
        return next((row for row in found if self._means(row)), None)

    def _means(self, row: Row) -> bool:
        return self.settings in {None, row.settings} and self.name in {None, row.name}

    def peers(self, view: Measured) -> list[Row]:
        """The best first, each library's call at its best settings."""
        found: dict[str, Row] = {}
        for row in view.ranked():
            if row.kind == "peer" and row.values and self.like in row.settings:
                found.setdefault(row.name, row)
        return list(found.values())

    def base(self, view: Measured) -> float:
        """What numbers are divided by before they are shown."""
        return view.reference_median() or 1.0 if self.over_reference else 1.0

    def unit(self, view: Measured) -> str:
        return f"x {view.reference}" if self.over_reference else view.unit


KEPT = "ProcessExecutor(2), kept"
EACH_TIME = 'mode="process" each time'

TARGETS = (
    Target("100,000 no-op calls, 8 threads", "threads", 0.1),
    Target("2,000 sleeps of 5 ms, 64 threads", "sleep", 1.06),
    Target("first call in thread mode, import done", "first-thread", 2.0),
    Target("100,000 no-op coroutines, 100 at once", "coroutines", 1.0),
    Target("10,000 asyncio.sleep of 10 ms, 500 at once", "asleep", 1.15),
    Target("one call to a warm process and back, many under way", "roundtrip-many", 13.0),
    Target("100,000 tiny calls, 2 processes", "processes", 0.1),
    Target("64 tasks of 50 ms of pure Python, 2 processes", "cpu", 1.05, over_reference=True),
    Target("500 uneven CPU tasks, random order", "uneven-random", 1.02, over_reference=True),
    Target("500 uneven CPU tasks, longest last", "uneven-last", 1.05, over_reference=True),
    Target("one array of 200 MB to 32 tasks", "arrays-shared", 110.0, settings=KEPT),
    Target(
        "the same array a second time, executor kept", "arrays-shared", 30.0,
        column="again, ms", settings=KEPT,
    ),
    Target("32 arrays of 8 MB there and back", "arrays-back", 250.0, settings=KEPT),
    Target("200 tasks of 2 ms, one ends its process", "crash", 240.0),
    Target("40 tasks, one hangs, timeout 1 s", "hang", 1.1),
    Target("first results from cold, 2 processes", "cold", 60.0, settings=EACH_TIME),
    Target(
        "the second time in the same program", "cold", 20.0,
        column="second, ms", settings=EACH_TIME, like="each time",
    ),
    Target("a later call, executor kept", "cold", 1.0, column="later, ms", settings=KEPT),
    Target("1,000,000 tasks streamed, 2 threads", "stream", 0.3),
    Target("memory of that stream", "stream", 20.0, column="peak MB above start"),
    Target("import concurkit", "import", 5.0),
    Target(
        "from concurkit import run_concurrently", "import", None,
        name="from concurkit import run_concurrently",
    ),
    Target("a pending task's memory", "memory-pending", None),
    Target("a kept outcome's memory", "memory-kept", None),
    Target('mode="fastest" over the best mode, each kind of work', "fastest", 1.15),
)  # fmt: skip
