"""How a report writes numbers: filters of its templates."""

from __future__ import annotations

import pandas as pd

_MISSING = "–"
MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NARROW NO-BREAK SPACE}"


def share(value: float) -> str:
    """A share as a percentage; what is neither none nor all is never written as 0 % or 100 %."""
    percent = round(100 * value)
    if 0 < value < 1 and percent in (0, 100):
        return f"under 1{NARROW}%" if percent == 0 else f"over 99{NARROW}%"
    return f"{percent}{NARROW}%"


def measure(value: float) -> str:
    """A measure such as nDCG, to four places; missing ones as a dash."""
    return _MISSING if pd.isna(value) else f"{value:.4f}"


def signed(value: float) -> str:
    """A difference of measures, with its sign; none at all is 0."""
    if value == 0:
        return "0"
    return f"{value:+.4f}".replace("-", MINUS)


def shift(logits: float) -> str:
    """A distance of logits, to two digits."""
    return f"{logits:.2g}"


def count(value: float) -> str:
    """A count; missing ones as a dash."""
    return _MISSING if pd.isna(value) else f"{int(value):,}"


def time(seconds: float) -> str:
    """A time to three digits, in a unit that fits."""
    number, unit = (1000 * seconds, "ms") if seconds < 0.9995 else (seconds, "s")
    return f"{float(f'{number:.3g}'):g} {unit}"


def memory(number: float) -> str:
    """Bytes in a unit that fits: MB are 10**6."""
    if number < 1e6:
        return "under 1 MB"
    return f"{number / 1e6:,.0f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"


FILTERS = {
    "share": share,
    "measure": measure,
    "signed": signed,
    "shift": shift,
    "count": count,
    "time": time,
    "memory": memory,
}
