"""How many tasks may start per second: the moments, without a clock."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concurkit._rate import Rate

# A start that is late by no more than this is made up for.
SLACK = 0.02

RATES = [0.5, 3.0, 50.0, 1000.0, 12_345.6]


def test_the_first_start_is_free() -> None:
    """It comes at once, whenever that is."""
    rate = Rate(0.001)

    assert rate.next is None
    assert rate.due(-1e9)


def test_even_spacing() -> None:
    """Each start has its moment, none comes before it."""
    rate = Rate(4)
    now = 100.0
    for index in range(9):
        assert rate.due(now)
        rate.take(now)
        assert 100 + (index + 1) / 4 == rate.next
        now = rate.next
        assert not rate.due(now - 1e-9)


@pytest.mark.parametrize("per_second", RATES)
def test_no_drift(per_second: float) -> None:
    """Over 100,000 starts that are each late by a bit, the last one is late by no more."""
    rate, late = Rate(per_second), random.Random(1)
    rate.take(0.0)
    now = 0.0
    for _ in range(100_000):
        assert rate.next is not None
        now = max(now, rate.next + late.uniform(0, 0.99 * SLACK))
        rate.take(now)

    assert 0 <= now - 100_000 / per_second < SLACK


@pytest.mark.parametrize("per_second", RATES)
def test_no_burst_after_idle(per_second: float) -> None:
    """Starts that nobody asked for are not saved up."""
    rate = Rate(per_second)
    rate.take(0.0)
    rate.take(60.0)
    count = 1
    while rate.due(61.0):
        assert rate.next is not None
        rate.take(rate.next)
        count += 1

    assert count <= per_second + 1


def test_late_by_a_bit_is_made_up_for() -> None:
    """After a start that came late, the next one keeps its own moment."""
    rate = Rate(10)
    rate.take(0.0)
    rate.take(0.1 + SLACK - 1e-9)

    assert pytest.approx(0.2) == rate.next


def test_late_by_much_is_not() -> None:
    """After a start that came much too late, the next one has its whole distance."""
    rate = Rate(10)
    rate.take(0.0)
    rate.take(0.1 + SLACK + 1e-9)

    assert pytest.approx(0.3 - 0.1 + SLACK) == rate.next


@given(
    per_second=st.sampled_from(RATES),
    gaps=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 5)), max_size=200),
)
@example(per_second=1000.0, gaps=[0.021, 0.02] + [0.0] * 50)
@example(per_second=50.0, gaps=[0.019] * 100)
def test_never_more_than_the_rate(per_second: float, gaps: list[float]) -> None:
    """However starts are delayed, in any w seconds there are rate * (w + 0.02) + 1 at most."""
    rate = Rate(per_second)
    now, starts = 0.0, []
    for gap in gaps:
        now = max(now + gap, rate.next or 0.0)
        assert rate.due(now)
        rate.take(now)
        starts.append(now)

    for first, at in enumerate(starts):
        for width in (0.0, 0.001, SLACK, 0.1, 1.0, 10.0):
            within = bisect_right(starts, at + width) - first
            assert within <= per_second * (width + SLACK) + 1 + 1e-6


@given(per_second=st.sampled_from(RATES), late=st.lists(st.floats(0, 1), max_size=100))
def test_the_next_start_waits_no_longer_than_the_distance(
    per_second: float, late: list[float]
) -> None:
    """A start is never put off by more than the distance from the one before."""
    rate = Rate(per_second)
    starts = [0.0]
    rate.take(0.0)
    nexts = []
    for seconds in late:
        assert rate.next is not None
        nexts.append(rate.next)
        starts.append(max(starts[-1], rate.next + seconds))
        rate.take(starts[-1])

    for at, then in zip(starts, nexts, strict=False):
        assert then <= at + 1 / per_second + 1e-9
    assert all(then > now for now, then in pairwise(nexts))
