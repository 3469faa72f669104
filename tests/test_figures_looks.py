"""Looks: names that exist, colours that can be read, sizes in inches."""

import pytest

from analysis.errors import InputError
from analysis.figures.looks import (
    LOOK_VARIABLE,
    ON_SCREEN,
    STYLES,
    WIDTHS,
    Look,
    contrast,
    look,
    using,
)
from analysis.figures.style import MARKS

EVERY = [Look(style, width) for style in STYLES for width in WIDTHS]


@pytest.mark.parametrize("wanted", EVERY, ids=lambda one: one.text)
def test_a_look_is_read_back_from_its_text(wanted):
    assert Look.of_text(wanted.text) == wanted


@pytest.mark.parametrize(("field", "value"), [("style", "neon"), ("width", "a3"), ("style", [])])
def test_an_unknown_name_is_refused_with_those_that_are_known(field, value):
    with pytest.raises(InputError, match=f"^{field}: there is no {field} .*Choose one of"):
        Look(**{field: value})


def test_the_innermost_look_counts_and_then_the_environments(monkeypatch):
    assert look() == ON_SCREEN
    monkeypatch.setenv(LOOK_VARIABLE, "dark-page")
    assert look() == Look("dark", "page")
    with using(Look("slide", "slide")):
        with using(None):
            assert look() == Look("slide", "slide")
        assert look() == Look("slide", "slide")
    assert look() == Look("dark", "page")


@pytest.mark.parametrize("style", STYLES)
def test_inks_marks_and_their_names_are_seen_on_the_page(style):
    with using(Look(style)) as chosen:
        page = chosen.colors.page
        assert contrast(chosen.ink, page) >= 7
        for mark in MARKS.values():
            assert contrast(mark.color, page) >= (2 if style != "dark" else 3)
            assert contrast(mark.text, page) >= 4.5


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)
    assert contrast("#FFFFFF", "#FFFFFF") == 1


def test_sizes_are_inches():
    assert Look(width="screen").size(9, 4) == (9, 4)
    assert Look(width="column").size(9, 4)[0] == 3.5
    assert Look(width="page").size(9, 4)[0] == 7
    assert Look(width="slide").size(9, 40) == (13.33, 7.5)
