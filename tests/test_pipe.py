"""The pipes to workers: whole messages arrive, and the sender waits for nobody."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concurkit.executors.process import _pipe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the standard connection's there")

SIZES = st.integers(0, 100) | st.sampled_from([1 << 12, 1 << 16, (1 << 16) + 1, 3 << 20])


@contextlib.contextmanager
def open_pipe() -> Iterator[tuple[Any, Any]]:
    reading, writing = _pipe.pair()
    with reading, writing:
        yield reading, writing


def fill(pipe: Any) -> int:
    """Write until not one byte more goes in."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.write(pipe.fileno(), bytes(1))
    return count


@given(st.lists(SIZES, max_size=6))
def test_messages_arrive_whole_and_in_order(sizes: list[int]) -> None:
    """Also those that the pipe can't hold, which are sent on while they are read."""
    sent = [os.urandom(size) for size in sizes]
    found: list[bytes] = []

    with open_pipe() as (reading, writing):
        _pipe.never_block(writing)
        reader = threading.Thread(target=lambda: found.extend(map(bytes, _pipe.messages(reading))))
        reader.start()
        for message in sent:
            _pipe.send_on(writing, _pipe.send_now(writing, message))
        writing.close()
        reader.join()

        assert sent == found


def test_sending_now_waits_for_nobody() -> None:
    """What does not fit is left to be sent on: the rest of a message, or all of it."""
    with open_pipe() as (_, writing):
        _pipe.never_block(writing)
        large = bytes(8 << 20)
        rest = _pipe.send_now(writing, large)
        assert 0 < len(rest) < len(large)
        fill(writing)

        assert len(_pipe.send_now(writing, b"abc")) == 8 + 3  # with the length before it


@pytest.mark.parametrize("room", range(1, 13))
def test_a_message_of_which_only_its_first_bytes_fit(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The length before a message may be torn too."""
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, parts: writev(fd, [b"".join(parts)[:room]]))
    with open_pipe() as (reading, writing):
        _pipe.never_block(writing)
        _pipe.send_on(writing, _pipe.send_now(writing, b"abcde"))
        writing.close()

        assert list(_pipe.messages(reading)) == [b"abcde"]


def test_sending_on_ends_when_the_reader_is_gone() -> None:
    """A worker may die while a large message is on its way."""
    with open_pipe() as (reading, writing):
        _pipe.never_block(writing)
        rest = _pipe.send_now(writing, bytes(8 << 20))
        threading.Timer(0.05, reading.close).start()

        with pytest.raises(BrokenPipeError):
            _pipe.send_on(writing, rest)
