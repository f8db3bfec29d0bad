"""Numbers as people read them, in tables and pictures alike."""

import math
import statistics
from collections.abc import Sequence

from .model import Extra, Sample


def number(value: float) -> str:
    """Three significant digits, without an exponent; what took for ever took "never"."""
    if math.isinf(value):
        return "never"
    if not 0.001 <= abs(value) < 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(value: float, base: float | None) -> str:
    """How often `base`; a base that noise has made nothing, or that never ended, is none."""
    if base is None or base <= 0 or math.isinf(base):
        return "-"
    return f"{number(value / base)}x" if math.isfinite(value) else "never"


def spread(values: Sequence[float]) -> str:
    return f"{number(min(values))}-{number(max(values))}"


def extra(samples: Sequence[Sample], name: str) -> str:
    """What the samples say beside their time: the median of numbers, and every text once."""
    found: list[Extra] = [sample.extras[name] for sample in samples if name in sample.extras]
    texts = sorted({value for value in found if isinstance(value, str)})
    numbers = [value for value in found if not isinstance(value, str)]
    shown = [number(statistics.median(numbers))] if numbers else []
    return " / ".join([*shown, *texts]) or "-"
