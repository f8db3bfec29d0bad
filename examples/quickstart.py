"""Three kinds of real work, each done twice: by a plain loop, and by one call of run_concurrently.

- Threads hash every file of Python's standard library. Hashing lets other threads of Python run.
- Processes parse every module of it. Parsing does not, so it needs more than one Python.
- An event loop fetches 200 pages from a web server that takes 20 ms to answer each.

Run it with `make demo`, or `python examples/quickstart.py`. Nothing leaves this machine: the files
are the interpreter's own, and the web server is started here, on the loopback address.
"""

import ast
import asyncio
import hashlib
import platform
import socket
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from concurkit import Task, cpu_count, run_concurrently

# --- The work: three ordinary functions. Nothing in them knows about concurkit.


def hash_file(path: Path) -> str:
    """Return the SHA3-512 checksum of a file."""
    return hashlib.sha3_512(path.read_bytes()).hexdigest()


def count_statements(path: Path) -> int:
    """Parse a module and return how many statements it has at its top level, -1 if it is broken.

    The syntax tree is large and stays in the worker process: only the number travels back.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old modules hold old spellings
        try:
            return len(ast.parse(path.read_bytes()).body)
        except (SyntaxError, ValueError):  # some are broken on purpose: Python tests itself on them
            return -1


async def fetch(port: int, page: int) -> str:
    """Fetch one page from the web server below and return its text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode().partition("\r\n\r\n")[2]


# --- The three runs. In each pair, the first line is the plain loop and the second is concurkit.


def main() -> None:
    """Do all the work, print a table, and fail if a result differs from the plain loop's."""
    library = Path(sysconfig.get_path("stdlib"))
    files = [path for path in sorted(library.rglob("*")) if is_its_own_file(path, library)]
    modules = [path for path in files if path.suffix == ".py"]
    for path in files:
        path.read_bytes()  # so that neither of the two pays for the first look at the disk

    print(f"Python {platform.python_version()} in {library.parent}, {cpu_count()} CPUs\n")
    print(f"{'':44}mode      tasks    serial  concurrent  speed-up  results")

    same = compare(
        "Hash every file of the standard library",
        lambda: [hash_file(path) for path in files],
        # Threads that compute want one CPU each; without max_workers there are a few more.
        lambda: run_concurrently(
            Task.map(hash_file, files), mode="thread", max_workers=cpu_count()
        ),
        mode="thread",
    )
    same &= compare(
        "Parse every module of the standard library",
        lambda: [count_statements(path) for path in modules],
        lambda: run_concurrently(Task.map(count_statements, modules), mode="process"),
        mode="process",
    )
    with web_server(latency=0.02) as port:
        pages = range(200)

        async def one_by_one() -> list[str]:
            return [await fetch(port, page) for page in pages]

        same &= compare(
            "Fetch 200 web pages, 20 ms each",
            lambda: asyncio.run(one_by_one()),
            lambda: run_concurrently([Task(fetch, port, page) for page in pages], mode="async"),
            mode="async",
        )

    if not same:
        sys.exit("\nA concurrent run gave other results than its plain loop.")


def compare(
    work: str,
    loop: Callable[[], Sequence[object]],
    concurrent: Callable[[], Sequence[object]],
    *,
    mode: str,
) -> bool:
    """Do the same work both ways, print one row, and say whether the results are equal."""
    started = time.perf_counter()
    expected = loop()
    between = time.perf_counter()
    results = concurrent()
    ended = time.perf_counter()

    same = results == expected
    serial_seconds, seconds = between - started, ended - between
    print(
        f"{work:44}{mode:8}{len(expected):>7,}{serial_seconds:>8.2f} s{seconds:>10.2f} s"
        f"{serial_seconds / seconds:>8.1f} x  {'equal' if same else 'NOT EQUAL'}"
    )
    return same


# --- Around it: choosing the files, and a small web server.


def is_its_own_file(path: Path, library: Path) -> bool:
    """Say whether the file came with Python: not installed beside it, and not a cache."""
    others = {"site-packages", "dist-packages", "__pycache__"}
    return others.isdisjoint(path.relative_to(library).parts) and path.is_file()


@contextmanager
def web_server(latency: float) -> Generator[int]:
    """Run a web server in a thread, on a free port of the loopback address; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    stop = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(latency)
        path = request.split()[1].decode()
        body = f"This is page {path[1:]}."
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def serve() -> None:
        async with await asyncio.start_server(answer, sock=listener):
            await stop.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


if __name__ == "__main__":  # Windows needs this line for now, for mode="process"; others do not
    main()
