"""What a notebook says and shows: sentences with this run's numbers, figures, named values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display

from analysis import sinks
from analysis.figures.style import SHOWN, Picture, img, save, style

VALUES_MIME = "application/vnd.rerank-precision.values+json"
FIGURES_VARIABLE = "RERANK_PRECISION_FIGURES"
"""Environment variable with the folder that figures are written to; unset: only shown."""
FORMATS_VARIABLE = "RERANK_PRECISION_FORMATS"
"""Environment variable with the formats of these files, such as ``svg,pdf``."""


def say(sentence: str) -> None:
    """Show a sentence in Markdown; texts of data go into it by :func:`analysis.sinks.markdown`."""
    display(Markdown(sentence))


def show(picture: Picture, name: str) -> None:
    """Show a figure with its caption and alt text, and write its files where a report is made.

    An HTML ``<img>`` carries the alt text into JupyterLab and into exported pages, which image
    outputs do not.
    """
    if folder := os.environ.get(FIGURES_VARIABLE):
        formats = os.environ.get(FORMATS_VARIABLE) or ",".join(SHOWN)
        save(picture, name, Path(folder), formats.split(","))
    with style(picture.look):
        html = img(picture.figure, picture.alt)
    # Where the figure is wider than the page, as on a phone, the frame scrolls, by keyboard too.
    framed = f'<div class="picture" tabindex="0" role="group" aria-label="Figure">{html}</div>'
    display(
        HTML(f"<figure>{framed}<figcaption>{sinks.html(picture.caption)}</figcaption></figure>")
    )
    plt.close(picture.figure)


def table(frame: pd.DataFrame, caption: str, *, digits: int = 6) -> None:
    """Show a frame as an HTML table with a caption; texts are escaped, missing values empty."""
    texts = [pd.api.types.is_string_dtype(frame[name]) for name in frame]
    head = _row("th", frame.columns, texts, digits)
    body = "".join(_row("td", row, texts, digits) for row in frame.itertuples(index=False))
    rows = f"<thead>{head}</thead><tbody>{body}</tbody>"
    caption = f'<p class="caption">{sinks.html(caption)}</p>'
    display(HTML(f'<div class="table">{caption}<table class="values">{rows}</table></div>'))


def record(values: Mapping[str, float], *, within: float = 0.0) -> None:
    """Keep named values of this run in the notebook, for its test; the reader sees nothing of it.

    ``within`` is the absolute difference that another CPU's kernels may make (0: none). What is not
    finite is left out, since JSON has no such numbers.
    """
    plain = {name: float(value) for name, value in values.items() if np.isfinite(value)}
    display({VALUES_MIME: {"values": plain, "within": within}}, raw=True)


def _row(tag: str, values: Iterable, texts: list[bool], digits: int) -> str:
    """One row of a table; columns of text stand left, numbers right."""
    sides = ["left" if text else "right" for text in texts]
    cells = (
        f'<{tag} style="text-align: {side}">{_cell(value, digits)}</{tag}>'
        for side, value in zip(sides, values, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: object, digits: int) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else sinks.html(value)
