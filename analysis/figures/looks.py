"""Looks: what a figure is drawn for. A style decides its colours and weights, a width its sizes.

Whatever draws asks the look of the moment, :func:`look`, for the colours of ink and page, and takes
its text sizes from Matplotlib's settings, which :func:`analysis.figures.style.style` makes of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from analysis.errors import InputError, quoted

LOOK_VARIABLE = "RERANK_PRECISION_LOOK"
"""Environment variable with the look that figures are drawn in, such as ``dark-column``."""
_LEGIBLE = 4.5
"""Contrast that WCAG asks of text."""


@dataclass(frozen=True)
class Style:
    """Colours by what they are for, and how heavy lines are."""

    page: str
    ink: str
    faint: str
    pale: str
    lane: str
    band: str
    weight: float = 1.0


@dataclass(frozen=True)
class Width:
    """Inches of a figure, and of its text relative to that on a screen.

    Without ``inches`` a figure has its own size; ``height`` is that of all figures, where given.
    """

    inches: float | None
    text: float
    height: float | None = None


STYLES = {
    "paper": Style("#FFFFFF", "#222222", "#B8B8B8", "#DDDDDD", "#F1E9DA", "#F1D9A0"),
    "slide": Style("#FFFFFF", "#000000", "#A0A0A0", "#D0D0D0", "#F1E3C6", "#F1CF80", weight=1.5),
    "dark": Style("#15181C", "#E8EAED", "#66707C", "#3A414B", "#2D2715", "#6B5520"),
}
WIDTHS = {
    "screen": Width(None, 1.0),
    "column": Width(3.5, 0.68),
    "page": Width(7.0, 0.72),
    "slide": Width(13.33, 1.5, height=7.5),
}


@dataclass(frozen=True)
class Look:
    """A style and a width by their names; others raise :class:`InputError`."""

    style: str = "paper"
    width: str = "screen"

    def __post_init__(self) -> None:
        for field, known in (("style", STYLES), ("width", WIDTHS)):
            value = getattr(self, field)
            if value not in list(known):
                remedy = f"choose one of {', '.join(known)}"
                raise InputError(f"there is no {field} {quoted(value)}", remedy, field=field)

    @classmethod
    def of_text(cls, text: str) -> Look:
        """The look that :attr:`text` of one says."""
        style, _, width = text.partition("-")
        return cls(style, width)

    @property
    def text(self) -> str:
        """Both names in one word, for files and the environment."""
        return f"{self.style}-{self.width}"

    @property
    def colors(self) -> Style:
        """The style's colours."""
        return STYLES[self.style]

    @property
    def ink(self) -> str:
        """Colour of text and axes."""
        return self.colors.ink

    @property
    def faint(self) -> str:
        """Colour of what stays in the background."""
        return self.colors.faint

    @property
    def text_size(self) -> float:
        """Size of its text relative to that on a screen."""
        return WIDTHS[self.width].text

    @property
    def weight(self) -> float:
        """Weight of its lines relative to those on a screen."""
        return self.text_size * self.colors.weight

    @property
    def is_dark(self) -> bool:
        """Whether the page is darker than the ink."""
        return contrast(self.colors.page, "#000000") < contrast(self.colors.page, "#FFFFFF")

    @property
    def is_narrow(self) -> bool:
        """Whether panels go one below the other, and long labels on two lines."""
        return self.width == "column"

    @property
    def is_wide(self) -> bool:
        """Whether two panels beside each other have room for more than their data."""
        return self.width in ("screen", "page")

    @property
    def has_fixed_height(self) -> bool:
        """Whether all its figures have one height, so that panels cannot be stacked."""
        return WIDTHS[self.width].height is not None

    def size(self, width: float, height: float) -> tuple[float, float]:
        """Inches of a figure that has this width and height on a screen."""
        own = WIDTHS[self.width]
        return own.inches or width, own.height or height * own.text

    def legible(self, color: str) -> str:
        """The colour as text on the page: mixed with as little ink as makes it legible."""
        start, ink = np.array(to_rgb(color)), np.array(to_rgb(self.ink))
        mixed = (start + part * (ink - start) for part in np.linspace(0, 1, 21))
        return to_hex(next(one for one in mixed if contrast(one, self.colors.page) >= _LEGIBLE))


ON_SCREEN = Look()
_LOOK: ContextVar[Look | None] = ContextVar("look", default=None)


def look() -> Look:
    """The look of the moment: that of the innermost :func:`using`, or else the environment's."""
    return _LOOK.get() or Look.of_text(os.environ.get(LOOK_VARIABLE) or ON_SCREEN.text)


@contextmanager
def using(wanted: Look | None) -> Iterator[Look]:
    """Whatever is drawn inside has this look; None leaves it as it is."""
    token = _LOOK.set(wanted or look())
    try:
        yield look()
    finally:
        _LOOK.reset(token)


def contrast(first: object, second: object) -> float:
    """Contrast of two colours by WCAG, from 1 to 21."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: object) -> float:
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
