"""How many threads the native libraries of a worker may use, so that workers don't fight for CPUs.

The libraries read these variables once, when they are loaded: a worker gets them before anything
is imported. Arrow reads OMP_NUM_THREADS too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import update_wrapper
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from ._arguments import whole
from ._cpus import cpu_count
from ._setup import Setup

InnerThreads: TypeAlias = int | Literal["auto"] | None

_OPENMP = "OMP_NUM_THREADS"
# These fall back on OMP_NUM_THREADS: whoever has set that has set these.
_LIKE_OPENMP = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_OTHERS = ("VECLIB_MAXIMUM_THREADS", "POLARS_MAX_THREADS")
VARIABLES = (_OPENMP, *_LIKE_OPENMP, *_OTHERS)


def check_inner_threads(value: object) -> InnerThreads:
    """*value* as a number of threads, "auto", or None to leave the libraries alone."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return value  # type: ignore[return-value]
    return whole(value, "inner_threads", "'auto', or None to leave the libraries alone")


def inner_environ(inner: InnerThreads, environ: Mapping[str, str], sharing: int) -> dict[str, str]:
    """The variables for a worker beside which *sharing* - 1 others work."""
    if inner is None:
        return {}
    if inner != "auto":
        return dict.fromkeys(VARIABLES, str(inner))
    number = str(max(1, cpu_count() // sharing))
    left = {name for name in VARIABLES if name in environ}
    if _OPENMP in left:
        left.update(_LIKE_OPENMP)
    return {name: number for name in VARIABLES if name not in left}


def check_can_limit(number: int) -> None:
    """Refuse a number of threads outside process mode where nothing can carry it out.

    Raises:
        ModuleNotFoundError: without threadpoolctl, saying how to install it.
    """
    if find_spec("threadpoolctl") is None:
        raise ModuleNotFoundError(
            f"inner_threads={number} outside process mode needs threadpoolctl: "
            'pip install "concurkit[inner-threads]". Or leave it out.',
            name="threadpoolctl",
        )


def limit_here(number: int) -> Any:
    """Limit the libraries that are loaded here, until `restore_original_limits` is called."""
    import threadpoolctl

    return threadpoolctl.threadpool_limits(number)


def limiting(setup: Setup, number: int) -> Setup:
    """*setup*, with the libraries limited in the calling thread first."""
    initializer = setup.initializer

    def initialize(*args: Any) -> Any:
        limit_here(number)
        return None if initializer is None else initializer(*args)

    if initializer is not None:
        update_wrapper(initialize, initializer)
    return Setup(initialize, setup.initargs)
