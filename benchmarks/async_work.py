"""What the async contenders run; apart from `work`, whose importers need no event loop."""

import asyncio


async def noop(x: int) -> int:
    return x


async def nap(x: int) -> int:
    await asyncio.sleep(0.01)
    return x
