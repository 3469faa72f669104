"""Figures of a tiny notebook, drawn in looks: kept, repeated to the byte, made by their line."""

from __future__ import annotations

import pytest
from PIL import Image
from sites import write_notebook, write_set

from analysis import places
from analysis.errors import InputError
from analysis.figures.looks import STYLES
from analysis.reporting import ChaptersFailedError, draw, drawing, running
from analysis.reporting.captions import CAPTIONS

FIGURE = """
import matplotlib.pyplot as plt
from analysis.figures.canvas import canvas
from analysis.figures.style import Picture, drawn
from analysis.notebooks import show

@drawn
def line():
    figure, ax = canvas(4, 2)
    ax.plot([0, 1])
    return Picture(figure, f"A line of {data}", "It rises")

show(line(), "01_line")
if data == "other":
    show(line(), "01_of_other_data")
"""
BROKEN = 'from analysis.notebooks import show\nshow(1 / 0, "02_broken")'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two notebooks, the second of which fails, a set, and a cache of their own."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "notebooks").mkdir()
    write_notebook(folder / "notebooks", "01_a", FIGURE)
    write_notebook(folder / "notebooks", "02_b", BROKEN)
    write_set(folder / "own.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "NOTEBOOKS", folder / "notebooks")
        patch.setattr(drawing, "cache_folder", lambda: folder / "cache")
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def first(place):
    """The figure in dark for a column, and what was said meanwhile."""
    said: list[str] = []
    files = draw(
        "01_line",
        style="dark",
        width="column",
        formats=["png", "svg"],
        data="own.jsonl",
        say=said.append,
    )
    return files, said


def test_the_figure_has_its_look_and_its_words(first):
    files, _ = first
    assert [file.as_posix() for file in files] == [
        "figures-dark-column/01_line.png",
        "figures-dark-column/01_line.svg",
    ]
    image = Image.open(files[0])
    assert image.width == round(3.5 * 300)
    assert "#{:02X}{:02X}{:02X}".format(*image.getpixel((0, 0))) == STYLES["dark"].page
    captions = (files[0].parent / CAPTIONS).read_text(encoding="utf-8")
    assert "own.jsonl\n" in captions
    assert "It rises" in captions


def test_a_figure_that_these_data_do_not_show_is_named(first):
    with pytest.raises(InputError, match=r"01_of_other_data.* is not shown on these data"):
        draw("01_of_other_data", style="dark", width="column", data="own.jsonl", say=lambda _: None)


def test_the_line_beside_a_figure_makes_the_same_bytes_again(first, place, capsys):
    files, _ = first
    before = [file.read_bytes() for file in files]
    captions = files[0].parent / CAPTIONS
    (line,) = [one for one in captions.read_text().splitlines() if "import analysis" in one]
    for file in files:
        file.unlink()
    exec(line.strip(), {})
    assert [file.read_bytes() for file in files] == before
    assert "01_a: inputs unchanged" in capsys.readouterr().out


def test_nothing_but_what_is_asked_for_runs(first):
    assert [line.split(":")[0] for line in first[1]] == ["01_a", "captions"]


def test_a_failing_notebook_keeps_the_figures_of_the_others(place):
    with pytest.raises(ChaptersFailedError, match="02_b: ZeroDivisionError"):
        draw(style="dark", width="column", data="own.jsonl", out="both", say=str)
    assert sorted(file.name for file in (place / "both").iterdir()) == [
        "01_line.pdf",
        "01_line.png",
        "01_line.svg",
        CAPTIONS,
    ]


@pytest.mark.parametrize(
    ("names", "options", "says"),
    [
        (
            ["01_lines"],
            {},
            "There is no figure '01_lines'. Choose from 01_line, 01_of_other_data, 02_broken",
        ),
        ([], {"formats": ["gif"]}, "formats: figures are not written as 'gif'"),
        ([], {"formats": []}, "formats: none is given"),
        ([], {"style": "neon"}, "style: there is no style 'neon'"),
        ([], {"data": "nowhere.jsonl"}, "nowhere.jsonl"),
        ([], {"out": "own.jsonl"}, "this is a file"),
        ([], {"out": places.CHECKOUT / "figures"}, "the documentation shows"),
    ],
)
def test_bad_input_is_refused_before_a_notebook_runs(place, names, options, says):
    with pytest.raises(InputError) as error:
        draw(*names, **{"data": "own.jsonl", **options}, say=pytest.fail)
    assert says in str(error.value)
