"""One look for every figure: its files repeat byte for byte and carry their words."""

import json
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from analysis.errors import InputError
from analysis.figures.looks import ON_SCREEN, STYLES, WIDTHS, Look, using
from analysis.figures.style import FORMATS, MARKS, Picture, drawn, img, mark_of, save, style
from analysis.formats import FORMATS as NUMBER_FORMATS
from analysis.forwardformats import FORWARD_FORMATS
from analysis.viewing.payload import GLYPHS


@drawn
def draw(title: str = "Öl") -> Picture:
    figure, ax = plt.subplots(figsize=(3.5, 2))
    ax.plot([0, 1], [1, 0], "o-", linewidth=2, markersize=6)
    ax.scatter([0.5], [0.5], s=36)
    ax.set_title(title)
    ax.axhspan(0, 0.5, clip_on=True)  # clipped: its id in the SVG is a hash
    return Picture(figure, "A caption.", "An alt text.")


def test_files_are_byte_identical_and_carry_their_words(tmp_path):
    written = []
    for number in (1, 2):
        picture = draw()
        written.append(save(picture, "name", tmp_path / str(number), FORMATS))
        plt.close(picture.figure)
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert [path.suffix for path in written[0]] == [".svg", ".png", ".pdf", ".json"]
    words = json.loads(written[0][3].read_text(encoding="utf-8"))
    assert words == {"caption": "A caption.", "alt": "An alt text."}


def test_fonts_are_outlined_or_embedded(tmp_path):
    picture = draw()
    svg = picture.save(tmp_path / "figure.svg").read_text(encoding="utf-8")
    pdf = picture.save(tmp_path / "figure.pdf").read_bytes()
    plt.close(picture.figure)
    assert "<text" not in svg
    assert b"/FontFile2" in pdf  # TrueType, which can be selected, searched and edited
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert re.search(rb"/MediaBox \[ 0 0 252 144 \]", pdf)  # 3.5 by 2 inches


def test_a_picture_is_saved_in_its_look_wherever_that_happens(tmp_path):
    with using(Look("dark", "column")):
        picture = draw()
        inside = picture.save(tmp_path / "inside.svg").read_bytes()
    assert picture.look == Look("dark", "column")
    assert picture.save(tmp_path / "outside.svg").read_bytes() == inside
    corner = Image.open(picture.save(tmp_path / "figure.png")).getpixel((0, 0))
    plt.close(picture.figure)
    assert "#{:02X}{:02X}{:02X}".format(*corner) == STYLES["dark"].page


@pytest.mark.parametrize("name", ["figure.gif", "figure"])
def test_another_format_is_refused(name, tmp_path):
    picture = draw()
    plt.close(picture.figure)
    with pytest.raises(InputError, match=r"svg, png, pdf"):
        picture.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_lines_marks_and_texts_have_the_sizes_of_the_look():
    sizes = []
    for look in (ON_SCREEN, Look("slide", "slide")):
        with using(look):
            picture = draw()
        (ax,) = picture.figure.axes
        (line,), (dots,) = ax.lines, ax.collections
        sizes.append(
            (line.get_linewidth(), line.get_markersize(), dots.get_sizes()[0], ax.title.get_size())
        )
        plt.close(picture.figure)
    screen, slide = sizes
    text, weight = WIDTHS["slide"].text, STYLES["slide"].weight
    assert screen == (2, 6, 36, pytest.approx(10.8))
    assert slide == pytest.approx((2 * text * weight, 6 * text, 36 * text**2, 10.8 * text))


def test_a_long_title_breaks_where_its_panel_ends():
    with using(Look(width="column")):
        picture = draw("one two three four five six seven eight nine ten")
    (ax,) = picture.figure.axes
    picture.figure.draw_without_rendering()
    box = ax._left_title.get_window_extent()
    assert box.x1 < picture.figure.bbox.x1
    assert ax.get_title(loc="left").count("\n") == 1
    plt.close(picture.figure)


def test_an_alt_text_is_escaped(ax):
    html = img(ax.figure, 'a "quoted" <b>')
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in html


def test_every_dtype_has_a_mark_of_its_own():
    assert set(MARKS) == set(NUMBER_FORMATS)
    assert len({(mark.color, mark.marker) for mark in MARKS.values()}) == len(MARKS)


def test_every_forward_format_has_a_mark_of_its_own_which_the_view_can_show():
    marks = [mark_of(one) for one in FORWARD_FORMATS.values()]
    assert len({(mark.color, mark.marker) for mark in marks}) == len(marks)
    assert {mark.marker for mark in marks} <= GLYPHS.keys()
    assert mark_of(FORWARD_FORMATS["torch:float16"]) == MARKS["float16"]


@pytest.mark.parametrize("look", [ON_SCREEN, Look("dark", "page")], ids=str)
def test_the_style_leaves_no_trace(look):
    before = dict(mpl.rcParams)
    with style(look):
        assert mpl.rcParams["svg.hashsalt"] == "rerank-precision"
        assert mpl.rcParams["text.color"] == look.ink
    assert dict(mpl.rcParams) == before
