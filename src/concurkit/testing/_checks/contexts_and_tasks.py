"""Laws 9 and 10: contexts are kept apart, and any task will do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import _probes
from .._bench import Bench
from .._check import NotApplicable, check
from .._programs import FUNCTION_OF_THE_SCRIPT, NO_GUARD, Program

# ---- 9. contexts ---------------------------------------------------------------------------------


@check(9)
def contexts_apart(bench: Bench) -> None:
    """A task never sees what another has set in a context variable."""
    with bench.executor() as executor:
        futures = [executor.submit(_probes.swap, f"task {n}'s") for n in range(8)]
        found = {bench.value(future) for future in futures}
    seen = sorted(found - {_probes.variable.get()})
    assert not seen, f"one saw {seen[0]} value"


@check(9)
def callers_context(bench: Bench) -> None:
    """A task in the caller's memory sees the caller's context variables."""
    if bench.kind() not in ("inline", "thread"):
        raise NotApplicable("its tasks do not share the caller's memory")
    token = _probes.variable.set("the caller's")
    try:
        with bench.executor() as executor:
            found = {bench.value(executor.submit(_probes.look)) for _ in range(4)}
    finally:
        _probes.variable.reset(token)
    assert found == {"the caller's"}, f"it saw {min(found)} value"


# ---- 10. any task --------------------------------------------------------------------------------


@check(10)
def a_lambda(bench: Bench) -> None:
    """A lambda runs."""
    _gives_42(bench, lambda: 42)


@check(10)
def a_closure(bench: Bench) -> None:
    """A closure runs."""
    number = 40

    def inside() -> int:
        return number + 2

    _gives_42(bench, inside)


@check(10)
def a_bound_method(bench: Bench) -> None:
    """A bound method runs."""
    _gives_42(bench, _probes.Counter(40).plus, 2)


@check(10)
def a_partial(bench: Bench) -> None:
    """A `functools.partial` runs."""
    _gives_42(bench, functools.partial(_probes.add, 40, other=2))


@check(10)
def an_async_function(bench: Bench) -> None:
    """An async function is run to its end."""
    _gives_42(bench, _probes.give_later, 42)


@check(10)
def function_of_the_script(bench: Bench) -> None:
    """A function of the main script runs."""
    _prints_42(bench, FUNCTION_OF_THE_SCRIPT)


@check(10)
def no_guard(bench: Bench) -> None:
    """A script needs no `if __name__ == "__main__"`."""
    _prints_42(bench, NO_GUARD)


def _gives_42(bench: Bench, fn: Callable[..., Any], *args: Any) -> None:
    with bench.executor() as executor:
        found = bench.value(executor.submit(fn, *args))
        if inspect.iscoroutine(found):
            found.close()
            raise AssertionError("it gave a coroutine that nobody awaits")
    assert found == 42, f"it gave {found!r}"


def _prints_42(bench: Bench, text: str) -> None:
    with Program(bench, text) as program:
        code = program.wait(bench.patience)
        printed = program.printed()
        assert code is not None, f"the script did not end within {bench.patience:g} s"
        assert code == 0, program.last_words() or f"the script ended with {code}"
        assert printed == "42", f"the script printed {printed!r}"
