"""Whose executors are looked at. A new one is one more line."""

from dataclasses import dataclass

ALL_LAWS = tuple(range(1, 13))


@dataclass(frozen=True)
class Contender:
    """One column of the matrix.

    Attributes:
        title: over the column.
        factory: where what makes an executor is, as "package.module:name".
        package: whose version is told; empty for the standard library.
        since: the first Python that has it.
        laws: those that say something of it; the others would speak of an adapter of ours.
    """

    title: str
    factory: str
    package: str = ""
    since: tuple[int, int] = (3, 11)
    laws: tuple[int, ...] = ALL_LAWS


OURS = (
    Contender("serial", "concurkit:SerialExecutor", "concurkit"),
    Contender("thread", "concurkit:ThreadExecutor", "concurkit"),
    Contender("process", "concurkit:ProcessExecutor", "concurkit"),
    Contender("async", "concurkit:AsyncExecutor", "concurkit"),
    Contender("interpreter", "concurkit:InterpreterExecutor", "concurkit", since=(3, 14)),
)
STANDARD = (
    Contender("ThreadPool", "concurrent.futures:ThreadPoolExecutor"),
    Contender("ProcessPool", "concurrent.futures:ProcessPoolExecutor"),
    Contender("InterpreterPool", "concurrent.futures:InterpreterPoolExecutor", since=(3, 14)),
)
OTHERS = (
    Contender("loky", "loky:ProcessPoolExecutor", "loky"),
    Contender("pebble threads", "adapters:pebble_threads", "pebble"),
    Contender("pebble processes", "adapters:pebble_processes", "pebble"),
    Contender("joblib calls", "adapters:joblib_calls", "joblib", laws=(1, 5, 6, 8, 9, 10)),
)
EVERYONE = (*OURS, *STANDARD, *OTHERS)
