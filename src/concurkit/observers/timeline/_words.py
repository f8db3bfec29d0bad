"""How seconds, counts and foreign text are written, the same in every format."""

from __future__ import annotations

import re
from typing import Final

LONGEST_ERROR: Final = 400
LONGEST_NAME: Final = 200
TIMES: Final = "\u00d7"  # the sign of multiplication

# Characters that XML has no way to write, or that turn the direction of the text around them.
_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """Foreign text, fit for any of the formats once it is escaped, and cut if it is long."""
    fit = _UNFIT.sub("\ufffd", text[: longest + 1])
    return fit if len(fit) <= longest else fit[: longest - 1] + "…"


def error_text(error: BaseException) -> str:
    """The type and the message of an error, whose own `__str__` may fail."""
    try:
        message = str(error)
    except Exception:  # somebody else's code
        message = ""
    kind = type(error).__name__
    return clean(f"{kind}: {message}" if message else kind, LONGEST_ERROR)


def seconds(value: float) -> str:
    """Seconds in a unit that fits, with three digits: 12.3 ms, 4.56 s, 3 min 20 s."""
    if value >= 59.95:
        minutes, rest = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= 0.9995 * size:
            return f"{_digits(value / size)} {unit}"
    return f"{_digits(value / 1e-6)} µs" if value > 0 else "0 s"


def _digits(value: float) -> str:
    places = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{places}f}"


def share(value: float) -> str:
    """A share of 1 in percent."""
    return f"{100 * value:.0f} %"


def times(value: float) -> str:
    """A factor."""
    places = 2 if value < 0.995 else 1 if value < 99.95 else 0
    return f"{value:,.{places}f}{TIMES}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things, in words that fit it."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
