"""A file that is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Write text beside *path*, then put it in its place in one step.

    Whoever opens the file sees the old text or the new one, also while it is written; if writing
    fails, the old file stays as it was.

    Raises:
        OSError: it can't be written; names *path*, not the file beside it.
    """
    target = path.resolve()  # what a link leads to is replaced, not the link
    try:
        _write_beside(target, parts)
    except OSError as error:
        if error.filename is None or Path(error.filename).parent != target.parent:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # makes the right subclass


def _write_beside(path: Path, parts: Iterable[str]) -> None:
    handle, beside = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        _as_any_other(beside, path)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _as_any_other(beside: str, path: Path) -> None:
    """Give it the permissions of the file that it replaces; of a new file if there is none.

    A temporary file is for its owner alone, and a report is often for others.
    """
    try:
        permissions = path.stat().st_mode & 0o777
    except FileNotFoundError:
        probe = f"{beside}.new"
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        permissions = Path(probe).stat().st_mode & 0o777
        Path(probe).unlink()
    Path(beside).chmod(permissions)
