"""Laws 11 and 12: bad input is refused, and nothing hangs."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Any, NoReturn

from .. import _probes
from .._bench import Bench, shown
from .._check import NotApplicable, check

# ---- 11. bad input -------------------------------------------------------------------------------


@check(11)
def not_callable(bench: Bench) -> None:
    """What can't be called is refused, or fails with a TypeError."""
    with bench.executor() as executor:
        [end] = bench.call(executor, [(42,)])
        [after] = bench.call(executor, [(_probes.give, "after")])
    assert isinstance(end.error, TypeError), f"submit(42) came to {shown(end.error)}"
    assert after.value == "after", f"then it took no more tasks ({shown(after.error)})"


@check(11)
def submit_after_shutdown(bench: Bench) -> None:
    """`submit` after `shutdown` raises RuntimeError."""
    executor = bench.make()
    bench.value(executor.submit(_probes.give, 1))
    executor.shutdown(wait=True)
    try:
        future = executor.submit(_probes.give, 1)
    except RuntimeError:
        return
    except Exception as error:
        raise AssertionError(f"it raised {shown(error)}") from error
    raise AssertionError(f"it was taken, and is {'done' if future.done() else 'not done'}")


@check(11)
def no_workers(bench: Bench) -> None:
    """`max_workers=0` is refused with a ValueError."""
    if not bench.takes("max_workers"):
        raise NotApplicable("the factory takes no max_workers")
    try:
        executor = bench.make(max_workers=0)
    except ValueError:
        return
    except Exception as error:
        raise AssertionError(f"it raised {shown(error)}") from error
    executor.shutdown(wait=False)
    raise AssertionError("it was taken")


@check(11)
def initializer_that_raises(bench: Bench) -> None:
    """When an initializer raises, tasks fail with an error that carries the reason."""
    if not bench.takes("initializer"):
        raise NotApplicable("the factory takes no initializer")
    with bench.executor(initializer=_probes.refuse, initargs=("reason 4711",)) as executor:
        [end] = bench.call(executor, [(_probes.give, 1)])
    assert end.error is not None, "the task ran all the same"
    text = "".join(traceback.format_exception(end.error))
    assert "reason 4711" in text, f"the reason is not in it ({shown(end.error)})"


# ---- 12. nothing hangs ---------------------------------------------------------------------------


@check(12)
def nested(bench: Bench) -> None:
    """A task can use another executor of the same kind."""
    with bench.executor() as executor:
        futures = [executor.submit(_probes.nested, str(bench.home)) for _ in range(2)]
        found = [bench.value(future) for future in futures]
    assert found == [3, 3], f"they gave {found}"


@check(12)
def callback_that_raises(bench: Bench) -> None:
    """A done callback that raises harms nothing."""

    def refuse(_: Any) -> NoReturn:
        raise LookupError("from a callback")

    logging.getLogger("concurrent.futures").disabled = True
    with bench.executor() as executor:
        futures = [executor.submit(_probes.give_slowly, n, 0.02) for n in range(6)]
        for future in futures:
            future.add_done_callback(refuse)
        found = [bench.value(future) for future in futures]
        [after] = bench.call(executor, [(_probes.give, "after")])
    assert found == list(range(6)), f"6 calls gave {found}"
    assert after.value == "after", f"then it took no more tasks ({shown(after.error)})"


@check(12)
def submit_in_a_callback(bench: Bench) -> None:
    """A done callback can submit the next task."""
    ended = threading.Event()
    second: list[Any] = []

    with bench.executor() as executor:

        def go_on(_: Any) -> None:
            try:
                second.append(executor.submit(_probes.give, 2))
            except BaseException as error:  # it would only be logged
                second.append(error)
            ended.set()

        executor.submit(_probes.give_slowly, 1, 0.02).add_done_callback(go_on)
        assert ended.wait(bench.patience), f"submit did not return within {bench.patience:g} s"
        if isinstance(second[0], BaseException):
            raise AssertionError(f"submit raised {shown(second[0])}")
        assert bench.value(second[0]) == 2


@check(12)
def shutdown_twice(bench: Bench) -> None:
    """`shutdown` may be called again, and before the first task."""
    unused = bench.make()
    unused.shutdown(wait=True)
    used = bench.make()
    bench.value(used.submit(_probes.give, 1))
    for _ in range(2):
        used.shutdown(wait=True)
