"""What the other files here make tasks of. Nothing in this folder runs: it is type-checked."""

from pathlib import Path


def ready() -> bool:
    return True


def size(path: Path) -> int:
    return path.stat().st_size


def nothing() -> None: ...


async def ping() -> float:
    return 0.1


async def parse(path: Path, encoding: str = "utf-8") -> list[str]:
    return path.read_text(encoding).split()


class Client:
    def name(self) -> str:
        return "client"

    async def fetch(self) -> bytes:
        return b""


HERE = Path()
