"""One query's candidates, some of which share a score in float16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import Picture
from analysis.formats import format_of

LOGITS = [9.0, 8.5, 8.0, 7.0, 6.9, 3.0, -2.0]
"""Three are exactly 1.0 in stepwise float16, two share 0.999."""


def few_logits() -> pd.DataFrame:
    """Logits of seven candidates in float32 and float16; the grade of the last is unknown."""
    ids = [f"p{number}" for number in range(len(LOGITS))]
    grades = pd.array([3, 3, 3, 2, 2, 1, pd.NA], dtype="Int64")
    one = pd.DataFrame({"query_id": "q", "passage_id": ids, "grade": grades, "logit": LOGITS})
    halves = one.assign(logit=format_of("float16").round(LOGITS).astype(float))
    frames = [one.assign(forward_dtype="float32"), halves.assign(forward_dtype="float16")]
    return pd.concat(frames, ignore_index=True)


@contextmanager
def drawn(picture: Picture) -> Iterator[Figure]:
    """The figure of a picture, drawn once, and closed afterwards."""
    picture.figure.canvas.draw()
    yield picture.figure
    plt.close(picture.figure)


def inside(ax: Axes, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether data coordinates lie within the axes' limits."""
    (left, right), (bottom, top) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    return bool(np.all((left <= x) & (x <= right)) and np.all((bottom <= y) & (y <= top)))
