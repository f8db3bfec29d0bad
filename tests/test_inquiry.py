"""What a worker process answers when it is asked for its stack: never another moment's."""

# ruff: noqa: SIM300  (assertions read: expected == actual)

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest
from waiting import wait_until

from concurkit import _batch
from concurkit.executors.process import _inquiry, _ledger

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")

WORKER = f"""\
  File "{_batch.__file__}", line 320 in run_some
  File "/lib/concurrent/futures/process.py", line 261 in _process_worker
"""
BELOW = """\
  File "/lib/multiprocessing/process.py", line 108 in run
  File "<string>", line 1 in <module>
"""


def stack(name: str) -> str:
    """As faulthandler writes it, down to the first frame that is not the task's."""
    return f'Stack (most recent call first):\n  File "task.py", line 1 in {name}\n{WORKER}'


class Worker:
    """A process that answers in C code only, and writes what it is told to."""

    def __init__(self) -> None:
        self._ledger, self._handle = _ledger.make()
        self.writes: list[str] = []
        self.inquiry = _inquiry.Inquiry(self._ledger, lambda: True, self._signalled)

    def _signalled(self) -> bool:
        self.write(self.writes.pop(0))
        return True

    def write(self, text: str) -> None:
        os.write(self._ledger.fd, text.encode())

    def close(self) -> None:
        getattr(self._handle, "close")()  # noqa: B009 - it is a descriptor here
        self._ledger.close()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Its control thread is given no time to answer."""
    monkeypatch.setattr(_inquiry, "_PATIENCE", 0.0)
    worker = Worker()
    yield worker
    worker.close()


def functions(poll: Callable[[], str | None]) -> list[str]:
    """Those of the answer, once there is one."""
    return re.findall(r"line \d+ in (\w+)", wait_until(poll) or "")


def test_callers_that_are_written_late_are_not_of_the_next_answer(worker: Worker) -> None:
    """The task's own frames are enough to answer; what is left is written where the next begins."""
    worker.writes = [stack("first"), BELOW + stack("second") + BELOW]

    assert ["first"] == functions(worker.inquiry.about(1))
    assert ["second"] == functions(worker.inquiry.about(1))


def test_what_was_written_for_an_earlier_question_answers_no_other(worker: Worker) -> None:
    """The control thread has answered that after all."""
    worker.writes = [stack("first") + BELOW, stack("second") + BELOW]
    poll = worker.inquiry.about(1)
    assert None is poll()  # the signal is sent
    worker.inquiry.answered(1, "line 1 in by_thread")
    assert ["by_thread"] == functions(poll)

    assert ["second"] == functions(worker.inquiry.about(1))


def test_no_signal_is_sent_while_one_is_not_answered(worker: Worker) -> None:
    """Whoever asks meanwhile gets the same answer; a stack that is not all there is none."""
    worker.writes = ['Stack (most recent call first):\n  File "task.py", line 1 in first\n']
    polls = [worker.inquiry.about(1), worker.inquiry.about(1)]
    assert [None] * 4 == [poll() for poll in polls * 2]
    worker.write(WORKER)

    assert ["first"] == functions(polls[0])
