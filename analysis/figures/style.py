"""One look for every figure: a colour, marker and line per dtype, and reproducible files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import seaborn as sns
from cycler import cycler
from matplotlib.figure import Figure

from analysis import sinks

OKABE_ITO = mpl.color_sequences["okabe_ito"]
INK, FAINT = "#222222", "#B8B8B8"
"""Text and axes; whatever stays in the background."""


@dataclass(frozen=True)
class Mark:
    """Colour, marker and line style of one dtype, the same in every figure."""

    color: str
    marker: str
    linestyle: str


class Picture(NamedTuple):
    """A figure with the words that belong to it."""

    figure: Figure
    caption: str
    alt: str


MARKS: dict[str, Mark] = {
    "float64": Mark("#000000", "P", (0, (1, 1))),
    "float32": Mark(OKABE_ITO[5], "o", "-"),
    "float16": Mark(OKABE_ITO[6], "s", "--"),
    "bfloat16": Mark(OKABE_ITO[3], "^", "-."),
    "float8_e4m3fn": Mark(OKABE_ITO[7], "D", ":"),
    "float8_e5m2": Mark(OKABE_ITO[1], "v", ":"),
}


@contextmanager
def style() -> Iterator[None]:
    """Figures drawn inside have the house look, whatever the user's settings are.

    As a decorator, ``@style()``, it holds for a whole function that draws.
    """
    settings = {
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.prop_cycle": cycler(color=[mark.color for mark in MARKS.values()]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "figure.facecolor": "white",
        "font.family": "DejaVu Sans",
        "legend.frameon": False,
        "savefig.dpi": 150,
        "savefig.facecolor": "white",
        "svg.fonttype": "path",
        "svg.hashsalt": "rerank-precision",
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(), sns.plotting_context("notebook", font_scale=0.9):
        mpl.rcParams.update(settings)
        yield


def save(figure: Figure, name: str, caption: str, alt: str, folder: Path) -> list[Path]:
    """Write ``name.svg``, ``name.png`` and ``name.json`` (caption and alt text) to a folder.

    The bytes are the same whenever the data is: no date, a fixed salt for ids.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{suffix}" for suffix in ("svg", "png", "json")]
    figure.savefig(paths[0], metadata={"Date": None, "Creator": None, "Title": sinks.svg(caption)})
    figure.savefig(paths[1], metadata={"Software": None})
    words = {"caption": caption, "alt": alt}
    paths[2].write_text(json.dumps(words, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return paths


def img(figure: Figure, alt: str) -> str:
    """Return the figure as an HTML ``<img>`` with its alt text, the PNG inside."""
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    data = base64.b64encode(png.getvalue()).decode("ascii")
    return (
        f'<img alt="{sinks.html(alt)}" style="max-width: 100%; background: white" '
        f'src="data:image/png;base64,{data}">'
    )
