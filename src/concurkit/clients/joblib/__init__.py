"""joblib's work, scikit-learn's among it, on our workers.

joblib is imported by whoever asks for that, so it need not be installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...exceptions import ModeUnavailableError

NAME = "concurkit"


def register_joblib_backend() -> None:
    """Let `backend="concurkit"` stand for our workers in joblib, and so in scikit-learn.

    `parallel_config`, `parallel_backend` and `Parallel` take that name from then on. They also
    take, beside it, `mode="process"` or `mode="thread"`, `executor=` for an executor that is
    there already, and `inner_max_num_threads=`. By default work runs in processes, and on threads
    where its author asks for those. To call it again changes nothing.

    Raises:
        ModeUnavailableError: joblib is not installed, or is older than 1.4.

    Example:
        >>> from concurkit import register_joblib_backend
        >>> register_joblib_backend()
        >>> from joblib import Parallel, delayed, parallel_config
        >>> with parallel_config(backend="concurkit", n_jobs=2):
        ...     Parallel()(delayed(abs)(number) for number in [-1, -2])
        [1, 2]
    """
    joblib = _joblib()
    from ._backend import ConcurkitBackend  # which is made of joblib's classes

    joblib.register_parallel_backend(NAME, ConcurkitBackend)


def _joblib() -> Any:
    try:
        joblib = import_module("joblib")
    except ImportError as error:
        raise ModeUnavailableError(
            f"the joblib backend {NAME!r} needs the package joblib, which can't be imported "
            f'({error}): pip install "concurkit[joblib]"'
        ) from error
    version = str(joblib.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < (1, 4):
        raise ModeUnavailableError(
            f"the joblib backend {NAME!r} needs joblib 1.4 or newer, and this is {version}: "
            'pip install --upgrade "concurkit[joblib]"'
        )
    return joblib
