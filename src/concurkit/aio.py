"""The same names for async callers: await a run, in every mode, on asyncio and on trio."""

from __future__ import annotations

from typing import Any

from ._adrive import carry_out
from ._engage import Engagement
from ._options import Options


async def run_concurrently(tasks, *, mode="auto", max_workers=None, timeout=None, chunksize="auto", on_error="raise"):
    options = Options.check(
        mode=mode, max_workers=max_workers, timeout=timeout, chunksize=chunksize, on_error=on_error
    )
    return await carry_out(Engagement(tasks, options, inline=False))
