"""One look for every figure: a colour, marker and line per dtype, and reproducible files."""

from __future__ import annotations

import base64
import io
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import seaborn as sns
from cycler import cycler
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import sinks
from analysis.errors import InputError, quoted
from analysis.figures.looks import ON_SCREEN, Look, look, using
from analysis.forwardformats import FORWARD_FORMATS, ForwardFormat
from analysis.places import named_path

OKABE_ITO = mpl.color_sequences["okabe_ito"]
_LETTER = 0.62
"""Mean width of a letter in the size of the text."""
FORMATS = ("svg", "png", "pdf")
SHOWN = ("svg", "png")
"""Formats that pages show; the third is for print."""
_METADATA = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What would change from day to day, or from version to version, is left out."""


@dataclass(frozen=True)
class Mark:
    """Colour, marker and line style of one dtype, the same in every figure; no hue: that of ink."""

    hue: str | None
    marker: str
    linestyle: str

    @property
    def color(self) -> str:
        """The colour in the look of the moment."""
        return self.hue or look().ink

    @property
    def text(self) -> str:
        """The colour of its name, legible on the page."""
        return look().legible(self.color)


class Picture(NamedTuple):
    """A figure with the words that belong to it."""

    figure: Figure
    caption: str
    alt: str
    look: Look = ON_SCREEN

    def save(self, file: str | Path) -> Path:
        """Write the figure as the file's name ends: .svg, .png or .pdf; returns the file.

        The bytes are the same whenever the data is; fonts are outlined (SVG) or embedded (PDF).
        Another ending raises :class:`InputError`.
        """
        path = named_path(file, "name a file, such as figure.pdf")
        kind = path.suffix.lower().removeprefix(".")
        if kind not in FORMATS:
            remedy = f"let its name end in one of {', '.join(FORMATS)}"
            raise InputError(f"figures are not written as {quoted(path.suffix)}", remedy, file=file)
        title = {} if kind == "png" else {"Title": sinks.svg(self.caption)}
        with style(self.look):  # ticks, fonts, resolution and the ids inside an SVG depend on it
            self.figure.savefig(path, format=kind, metadata=_METADATA[kind] | title)
        return path


MARKS: dict[str, Mark] = {
    "float64": Mark(None, "P", (0, (1, 1))),
    "float32": Mark(OKABE_ITO[5], "o", "-"),
    "float16": Mark(OKABE_ITO[6], "s", "--"),
    "bfloat16": Mark(OKABE_ITO[3], "^", "-."),
    "float8_e4m3fn": Mark(OKABE_ITO[7], "D", ":"),
    "float8_e5m2": Mark(OKABE_ITO[1], "v", ":"),
}
_RUNTIMES = {
    "onnxruntime": OKABE_ITO[1],
    "openvino": OKABE_ITO[2],
    "llama.cpp": OKABE_ITO[7],
    "torchao": None,
    "onednn": OKABE_ITO[5],  # torch's network, so float32's hue
}
"""Hues of the runtimes other than torch: one each, and a marker for each of its formats."""
_MARKERS = "X<>P*hdDv"


def mark_of(forward_format: ForwardFormat) -> Mark:
    """The mark of a forward format: of torch's formats that of the dtype."""
    if forward_format.is_torch:
        return MARKS[forward_format.forward_dtype]
    runtime = forward_format.runtime
    alike = [one for one in FORWARD_FORMATS.values() if one.runtime == runtime]
    return Mark(_RUNTIMES[runtime], _MARKERS[alike.index(forward_format)], ":")


@contextmanager
def style(wanted: Look | None = None) -> Iterator[None]:
    """Figures drawn inside have this look, or that of the moment, whatever the user's settings are.

    Texts are sized here, lines and marks by :func:`drawn`, since they come with sizes of their own.
    """
    with using(wanted) as chosen, mpl.rc_context(), sns.plotting_context("notebook", 0.9):
        for name, size in mpl.rcParams.items():
            if name in _TEXTS:
                mpl.rcParams[name] = chosen.text_size * size
            elif name in _AXES:
                mpl.rcParams[name] = chosen.weight * size
        mpl.rcParams.update(_settings(chosen))
        yield


_TEXTS = {
    *("font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "ytick.labelsize"),
    *("legend.fontsize", "legend.title_fontsize", "axes.titlepad", "axes.labelpad"),
    *(
        f"{axis}tick.{kind}.{what}"
        for axis in "xy"
        for kind in ("major", "minor")
        for what in ("size", "pad")
    ),
}
_AXES = {"axes.linewidth", *(f"{a}tick.{k}.width" for a in "xy" for k in ("major", "minor"))}


def _settings(chosen: Look) -> dict[str, object]:
    ink, page = chosen.ink, chosen.colors.page
    return {
        "axes.edgecolor": ink,
        "axes.facecolor": page,
        "axes.labelcolor": ink,
        "axes.prop_cycle": cycler(color=[mark.color for mark in MARKS.values()]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "figure.facecolor": page,
        "figure.labelsize": "medium",
        "font.family": "DejaVu Sans",
        "legend.frameon": False,
        "pdf.fonttype": 42,
        "savefig.dpi": 150 if chosen.width == "screen" else 300,
        "savefig.facecolor": "auto",
        "svg.fonttype": "path",
        "svg.hashsalt": "rerank-precision",
        "text.color": ink,
        "xtick.color": ink,
        "ytick.color": ink,
    }


def drawn(function: Callable[..., Picture]) -> Callable[..., Picture]:
    """Decorate what draws a whole figure: it has the look of the moment, lines and marks too."""

    @wraps(function)
    def draw(*data: object, **options: object) -> Picture:
        """Draw, then fold what is too long and weigh lines and marks."""
        with style():
            picture = function(*data, **options)
            _fold(picture.figure)
            _weigh(picture.figure, look())
            return picture._replace(look=look())

    return draw


def _fold(figure: Figure) -> None:
    """Break titles and names of axes into lines that are no longer than their panel is wide."""
    for ax in figure.axes:
        columns = ax.get_gridspec().ncols
        share = {1: 0.62, 2: 0.42}.get(columns, 0.76 / columns)  # names of rows stand at the left
        for text in (ax.title, ax._left_title, ax.xaxis.label):
            room = 72 * share * figure.get_figwidth() / (_LETTER * text.get_fontsize())
            lines = text.get_text().split("\n")
            text.set_text("\n".join(textwrap.fill(line, max(12, int(room))) for line in lines))


def _weigh(figure: Figure, chosen: Look) -> None:
    """Make lines and marks, which are drawn in the sizes of a screen, as heavy as the look is."""
    inside = [artist for ax in figure.axes for artist in (*ax.lines, *ax.collections, *ax.patches)]
    for artist in (*inside, *(line for key in figure.legends for line in key.get_lines())):
        artist.set_linewidth(np.multiply(artist.get_linewidth(), chosen.weight))
        if isinstance(artist, Line2D):
            artist.set_markersize(artist.get_markersize() * chosen.text_size)
            artist.set_markeredgewidth(artist.get_markeredgewidth() * chosen.weight)
        elif isinstance(artist, PathCollection):
            artist.set_sizes(artist.get_sizes() * chosen.text_size**2)


def save(picture: Picture, name: str, folder: Path, formats: Sequence[str] = SHOWN) -> list[Path]:
    """Write a picture in each format to a folder, and its words as ``name.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [picture.save(folder / f"{name}.{kind}") for kind in formats]
    words = {"caption": picture.caption, "alt": picture.alt}
    text = json.dumps(words, ensure_ascii=False, indent=2) + "\n"
    said = folder / f"{name}.json"
    said.write_text(text, encoding="utf-8")
    return [*paths, said]


def img(figure: Figure, alt: str) -> str:
    """Return the figure as an HTML ``<img>`` with its alt text, the PNG inside."""
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata=_METADATA["png"])
    data = base64.b64encode(png.getvalue()).decode("ascii")
    return (
        f'<img alt="{sinks.html(alt)}" style="max-width: 100%; background: {look().colors.page}" '
        f'src="data:image/png;base64,{data}">'
    )
