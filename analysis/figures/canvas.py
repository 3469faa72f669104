"""Where figures are drawn: panels in the sizes of the look, names of rows, labels beside lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Annotation

from analysis.figures.looks import look

_LINE = 1.25
"""Height of a line of text, in its size."""
_LETTER, _HANDLE = 0.6, 9
"""Mean width of a letter in the size of the text, and of a key's mark in letters."""
_LONG_NAME = 20
"""Letters from which on the name of a row takes two lines in a narrow look."""


class Label(NamedTuple):
    """A text for a point of the data, in a colour."""

    x: float
    y: float
    text: str
    color: str


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """One panel, of this width and height on a screen."""
    return plt.subplots(figsize=look().size(width, height))


def grid(
    width: float, height: float, rows: int, columns: int, **options: object
) -> tuple[Figure, np.ndarray]:
    """Panels in rows and columns, ``options`` as for ``plt.subplots``; the size is the figure's."""
    size = look().size(width, height)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def panels(
    count: int,
    width: float,
    height: float,
    ratios: Sequence[float] | None = None,
    **options: object,
) -> tuple[Figure, np.ndarray]:
    """Panels beside each other, or, in a narrow look, one below the other; the size is of all.

    ``ratios`` are those of their widths. Returns the figure and its axes in one row.
    """
    if look().is_narrow:
        figure, axes = grid(width, height * count, count, 1)
    else:
        figure, axes = grid(width, height, 1, count, width_ratios=ratios, **options)
    return figure, axes.ravel()


def in_two_lines(name: str) -> str:
    """A name on two lines: an engine's breaks before its dtype, others near their middle."""
    if ", " in name:
        return name.replace(", ", ",\n", 1)
    spaces = [place for place, letter in enumerate(name) if letter == " "]
    if not spaces:
        return name
    middle = min(spaces, key=lambda place: abs(2 * place - len(name)))
    return f"{name[:middle]}\n{name[middle + 1 :]}"


def name_rows(ax: Axes, names: Iterable[str], *, shown: bool = True) -> None:
    """Name the rows 0, 1, … of the axes; in a narrow look a long name takes two lines.

    Rows that are not ``shown``, because a panel at the left names them, are named in a narrow look.
    """
    names = list(names)
    if look().is_narrow:
        names = [in_two_lines(name) if len(name) > _LONG_NAME else name for name in names]
    ax.set_yticks(range(len(names)), names if shown or look().is_narrow else [""] * len(names))
    ax.tick_params(axis="y", length=0)


def key(figure: Figure, handles: Sequence[Artist], names: Sequence[str], title: str = "") -> Legend:
    """Put the key to colours and marks above the panels, in as many columns as have room."""
    size = plt.rcParams["legend.fontsize"]
    room = 72 * figure.get_figwidth() / size / _LETTER
    columns = max(1, int(room / (max(map(len, names)) + _HANDLE)))
    return figure.legend(
        handles,
        names,
        alignment="left",
        title=title or None,
        loc="outside upper left",
        ncols=min(columns, len(names)),
    )


def label_ends(ax: Axes, labels: Iterable[Label], x: float = 1.02) -> list[Annotation]:
    """Write labels one below the other at ``x``, in axes' widths, a thin line from each point.

    They stand as high as their points, as far as they do not touch. The axes' limits are final.
    """
    ordered = sorted(labels, key=lambda label: label.y)
    to_axes = ax.transScale + ax.transLimits
    places = to_axes.transform([(label.x, label.y) for label in ordered])[:, 1]
    size = plt.rcParams["font.size"] / 1.2
    points = 72 * ax.get_position().height * ax.figure.get_figheight()
    lines = np.array([label.text.count("\n") + 1 for label in ordered]) * _LINE * size / points
    heights = _apart(places, lines)
    return [
        ax.annotate(
            label.text,
            (label.x, label.y),
            (x, height),
            textcoords="axes fraction",
            va="center",
            fontsize="small",
            color=look().legible(label.color),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": label.color, "lw": 0.7, "relpos": (0, 0.5)},
        )
        for label, height in zip(ordered, heights, strict=True)
    ]


def _apart(places: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Places from the lowest up, neighbours that touch moved apart until labels so high do not."""
    heights, least = places.astype(float), (lines[1:] + lines[:-1]) / 2
    for _ in range(100):
        for lower, gap in enumerate(least):
            push = max(0.0, gap - (heights[lower + 1] - heights[lower])) / 2
            heights[[lower, lower + 1]] += (-push, push)
    return heights
