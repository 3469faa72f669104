"""One look for every figure: its files repeat byte for byte and carry their words."""

import json

import matplotlib as mpl
import matplotlib.pyplot as plt

from analysis.figures.style import MARKS, img, save, style
from analysis.formats import FORMATS


def draw(color: str = "C0") -> plt.Figure:
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 1], [1, 0], color=color)
    ax.set_title("Öl")
    ax.axhspan(0, 0.5, clip_on=True)  # clipped: its id in the SVG is a hash
    return figure


def test_files_are_byte_identical_and_carry_their_words(tmp_path):
    written = []
    for number in (1, 2):
        with style():
            figure = draw()
            written.append(
                save(figure, "name", "A caption.", "An alt text.", tmp_path / str(number))
            )
            plt.close(figure)
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert [path.suffix for path in written[0]] == [".svg", ".png", ".json"]
    words = json.loads(written[0][2].read_text(encoding="utf-8"))
    assert words == {"caption": "A caption.", "alt": "An alt text."}


def test_an_alt_text_is_escaped(ax):
    html = img(ax.figure, 'a "quoted" <b>')
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in html


def test_every_dtype_has_a_mark_of_its_own():
    assert set(MARKS) == set(FORMATS)
    assert len({(mark.color, mark.marker) for mark in MARKS.values()}) == len(MARKS)


def test_the_style_leaves_no_trace():
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["svg.hashsalt"] == "rerank-precision"
    assert dict(mpl.rcParams) == before
