"""Texts of data, of a model or of a server, made safe for the place where they are shown.

One function per sink. In each, the text shows as it is: nothing of it is markup there, and
characters that steer the sink, or turn the text after them round, become U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from json import dumps

UNKNOWN = "\ufffd"
_JOINERS = "\u200c\u200d"  # they are part of words and of emoji
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NO_HTML = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def markdown(text: object) -> str:
    """For Markdown in a notebook: no character acts as Markdown, HTML, a link or TeX.

    Line ends become blanks.
    """
    return "".join(_markdown_character(character) for character in str(text))


def html(text: object) -> str:
    """For HTML, between tags and within a quoted attribute; line ends and tabs stay."""
    return escape(steady(str(text)), quote=True)


def steady(page: str) -> str:
    """HTML that others made, without what HTML cannot hold and what turns the text round."""
    return _TURNING.sub(UNKNOWN, _NO_HTML.sub(UNKNOWN, page))


def svg(text: object) -> str:
    """For a text in an SVG file: nothing that XML cannot hold; line ends become blanks.

    The writer of the file escapes what is markup. An artist that draws the text is made with
    ``parse_math=False``, so that a dollar stays one.
    """
    return terminal(_NO_HTML.sub(UNKNOWN, " ".join(str(text).split())))


def terminal(text: object, *, lines: bool = False) -> str:
    """For a terminal, standard error and logs: nothing steers it or hides.

    Line ends are replaced too, unless ``lines`` says that the text may have several.
    """
    return "".join(
        UNKNOWN if is_control(character) and not (lines and character == "\n") else character
        for character in str(text)
    )


def json(text: str) -> str:
    """For JSON that a terminal may show: the same values, what steers spelled as escapes."""
    return "".join(
        dumps(character)[1:-1] if is_control(character) and character != "\n" else character
        for character in text
    )


def is_control(character: str) -> bool:
    """Whether a character could steer a terminal, hide or turn text round, or be no character."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in _JOINERS


def _markdown_character(character: str) -> str:
    if character.isalnum() or character == " ":
        return character
    if character in "$\\":  # alone in an element, where MathJax finds no pair of them
        return f"<span>&#{ord(character)};</span>"
    if character.isspace():
        return " "
    return UNKNOWN if is_control(character) else f"&#{ord(character)};"
