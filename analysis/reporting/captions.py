"""``captions.md`` beside figures: of each its caption, its alt text, and the line that makes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from analysis import sinks

CAPTIONS = "captions.md"
_HEADING = "\n## "
_TITLE = "# Figures\n"


def python_line(name: str, options: Mapping[str, object]) -> str:
    """The line of Python that makes a figure; ``options`` are those of ``draw`` that were given."""
    given = "".join(f", {option}={value!r}" for option, value in options.items())
    return f"import analysis; analysis.draw({name!r}{given})"


def caption_sections(
    words: Iterable[Path], kind: str, options: Mapping[str, object]
) -> dict[str, str]:
    """A section for each figure by its name, from the files with its words.

    ``kind`` is the format of the picture that stands there. Texts of data stand in blocks of code,
    which nothing in one line can leave.
    """
    return {file.stem: _section(file, kind, options) for file in words}


def write_captions(folder: Path, sections: Mapping[str, str]) -> Path:
    """Write sections into the folder's file of captions; those of other figures stay in it."""
    file = folder / CAPTIONS
    everything = (_kept(file) if file.exists() else {}) | dict(sections)
    file.write_text(captions_text(everything), encoding="utf-8")
    return file


def captions_text(sections: Mapping[str, str]) -> str:
    """The whole text, its sections in the order of their names."""
    parts = [f"{_HEADING}{name}\n{sections[name]}" for name in sorted(sections)]
    return "".join([_TITLE, *parts])


def _section(file: Path, kind: str, options: Mapping[str, object]) -> str:
    said = json.loads(file.read_text(encoding="utf-8"))
    name = file.stem
    blocks = {
        "Caption": said["caption"],
        "Alt text": said["alt"],
        "Python": python_line(name, options),
    }
    shown = [f"{title}:\n\n    {_in_one_line(text)}\n" for title, text in blocks.items()]
    return "\n".join([f"\n[{name}.{kind}]({name}.{kind})\n", *shown])


def _in_one_line(text: str) -> str:
    return sinks.terminal(" ".join(text.split()))


def _kept(file: Path) -> dict[str, str]:
    """Sections of an earlier file of captions, by the figure's name."""
    _, *parts = file.read_text(encoding="utf-8").split(_HEADING)
    return dict(part.split("\n", 1) for part in parts)
