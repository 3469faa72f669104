"""The pages of a report's site: the answer first, a page for each chapter, the sheet for a review.

They open from disk without a network. Each carries its style, and a Content-Security-Policy that
lets nothing be loaded, runs the view's script by its hash, and no other.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from PIL import Image

from analysis import sinks
from analysis.counting import COLUMNS, headings
from analysis.devices import describe, libraries
from analysis.errors import InputError
from analysis.figures.remedies import remedy_views
from analysis.figures.style import img, style
from analysis.notebooks import VALUES_MIME
from analysis.policies import policy
from analysis.reporting import words
from analysis.reporting.answer import Answer
from analysis.reporting.running import WIDGET_TEXT, Chapter, normalised, notebooks
from analysis.templates import environment
from analysis.viewing import view
from analysis.viewing.pages import script

INDEX, SHEET = "index.html", "review.html"
BACKGROUND = "background"
"""Tag of a notebook's first cell: the chapter does not concern the user's own data."""
_TEMPLATES = Path(__file__).parent / "templates"
_THUMBNAIL = (480, 300)
_QUESTION = re.compile(r"\*\*Question\.\*\*\s(.*?)(?:\n\n|\Z)", re.DOTALL)
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_SCROLLING = r'<div class="scrolling" tabindex="0" role="group" aria-label="Table">\g<0></div>'
"""What a table scrolls in that is wider than the page, as on a phone; by keyboard too."""
_TOGGLES = Markup('<p class="note"><a href="index.html#view">The first page toggles it.</a></p>')


@dataclass(frozen=True)
class Entry:
    """A chapter as the site lists it."""

    name: str
    title: str
    question: str
    is_background: bool
    thumbnail: str | None
    failure: str | None

    @property
    def page(self) -> str:
        """Name of its page."""
        return f"{self.name}.html"


def write_site(
    folder: Path, answer: Answer, chapters: Sequence[Chapter], command: str
) -> dict[str, Path]:
    """Write every page; returns the first page and the sheet by their names.

    ``command`` is the line that makes the report again. A chapter that failed has no page, and the
    first page says why; one that is not there yet has none either.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [entry(chapter) for chapter in chapters]
    for name in (notebook.stem for notebook in notebooks()):
        (folder / f"{name}.html").unlink(missing_ok=True)  # of another run
    for one, chapter in zip(entries, chapters, strict=True):
        if one.failure is None:
            _write(folder / one.page, chapter_html(chapter, entries))
    context = {"answer": answer, "command": command, "about": about(answer)}
    pages = {INDEX: index_html(context, entries), SHEET: sheet_html(context)}
    return {name: _write(folder / name, html) for name, html in pages.items()}


def index_html(context: Mapping[str, object], entries: Sequence[Entry]) -> str:
    """The first page: verdict, numbers, view, remedy, chapters."""
    missing = len(notebooks()) - len(entries)
    listed = {"entries": entries, "missing": missing}
    return _page("index.html.j2", scripts=True, **context, **listed, **_view(context))


def sheet_html(context: Mapping[str, object]) -> str:
    """The sheet for a team's review: two printed pages at most."""
    answer = context["answer"]
    picture = remedy_views(answer.measured.reset_index(), answer.name, answer.k)
    with style():
        figure = Markup(img(picture.figure, picture.alt))
    plt.close(picture.figure)
    # The image says its own background and width in an attribute.
    return _page("review.html.j2", attributes=True, **context, picture=picture, figure=figure)


def chapter_html(chapter: Chapter, entries: Sequence[Entry]) -> str:
    """One notebook as a page: prose, tables and figures, no code."""
    there = (one for one in entries if one.failure is None)
    shown = sorted(there, key=lambda one: one.is_background)  # as the navigation has them
    place = [one.name for one in shown].index(chapter.name)
    # nbconvert's and the notebooks' own tables align their cells by style attributes, which no
    # hash can name; style elements, which could restyle the page, stay bound to the hash.
    return _page(
        "chapter.html.j2",
        attributes=True,
        entries=entries,
        chapter=shown[place],
        previous=shown[place - 1] if place else None,
        next=shown[place + 1] if place + 1 < len(shown) else None,
        body=body_html(chapter, [one.name for one in shown]),
    )


def body_html(chapter: Chapter, names: Sequence[str] = ()) -> Markup:
    """What a notebook says and shows; the names of other chapters become links to their pages."""
    exporter = HTMLExporter(template_name="basic", exclude_input=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    notebook = normalised(nbformat.read(chapter.executed, as_version=4))
    for cell in notebook.cells:
        cell.get("outputs", [])[:] = [_for_page(o) for o in cell.get("outputs", []) if _shows(o)]
    body, _ = exporter.from_notebook_node(notebook)
    body = _TABLE.sub(_SCROLLING, sinks.steady(body))
    for name in names:
        body = body.replace(
            f"<code>{name}</code>", f'<a href="{name}.html"><code>{name}</code></a>'
        )
    return Markup(body)


def entry(chapter: Chapter) -> Entry:
    """What the site lists of a chapter: what the notebook's first cell says, and a small picture.

    The cell is read from the notebook itself, which a failure leaves as it was.
    """
    source = next(path for path in notebooks() if path.stem == chapter.name)
    first = nbformat.read(source, as_version=4).cells[0]
    picture = next((file for file in chapter.figures if file.suffix == ".png"), None)
    return Entry(
        name=chapter.name,
        title=first.source.splitlines()[0].lstrip("# "),
        question=_question(first),
        is_background=BACKGROUND in first.metadata.get("tags", []),
        thumbnail=None if picture is None else _thumbnail(picture),
        failure=chapter.failure,
    )


def about(answer: Answer) -> dict[str, object]:
    """What was run on what: for whoever makes it again or compares it with another report."""
    reranker = answer.reranker
    return {
        "device": describe(reranker.device),
        "libraries": {name: number for name, number in libraries().items() if number},
        "weights": next(iter(reranker.identity()["weights"].values())),
        "lengths": answer.candidates.pairs.groupby("query_id").size(),
    }


def _page(
    template: str, *, scripts: bool = False, attributes: bool = False, **context: object
) -> str:
    """Render a page; ``scripts`` lets the view's run, ``attributes`` lets elements have styles."""
    css = (_TEMPLATES / "site.css").read_text("utf-8")
    templates = environment(_TEMPLATES)
    templates.filters.update(words.FILTERS)
    return templates.get_template(template).render(
        policy=policy(css, script() if scripts else None, attributes=attributes),
        css=Markup(css),
        script=Markup(script()) if scripts else None,
        headings=headings,
        meanings={column: meaning for column, (_, meaning) in COLUMNS.items()},
        **context,
    )


def _view(context: Mapping[str, object]) -> dict[str, object]:
    """The view on the worst query under the path, or why there is none."""
    answer = context["answer"]
    try:
        shown = view(answer.everything, answer.candidates, query=answer.worst_query)
        if shown.rows.has(answer.path):
            shown.path = answer.path
        return {"view": Markup(shown.element()), "no_view": None}
    except InputError as error:
        return {"view": None, "no_view": str(error)}


def _for_page(output: NotebookNode) -> NotebookNode:
    """A widget standing still, with a link to where it moves."""
    data = output.get("data", {})
    if data.get("text/plain") == WIDGET_TEXT and "text/html" in data:
        data["text/html"] = f"{_TOGGLES}{data['text/html']}"
    return output


def _shows(output: NotebookNode) -> bool:
    """Whether an output is to be seen, and no values kept for tests."""
    return set(output.get("data", ())) != {VALUES_MIME}


def _question(cell: NotebookNode) -> str:
    """The first sentence of a notebook's question that asks something, without Markdown."""
    found = _QUESTION.search(cell.source)
    plain = re.sub(r"[*`]", "", found[1] if found else "")
    asked = re.search(r"[^.?!]*\?", re.sub(r"(\d)\.(\d)", "\\1\u2024\\2", plain))
    return asked[0].strip().replace("\u2024", ".") if asked else plain


def _thumbnail(picture: Path) -> str:
    """A small copy of a picture, as a ``data:`` address."""
    small = io.BytesIO()
    with Image.open(picture) as image:
        image.thumbnail(_THUMBNAIL)
        image.convert("P", palette=Image.Palette.ADAPTIVE).save(small, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode('ascii')}"


def _write(file: Path, html: str) -> Path:
    file.write_text(html, encoding="utf-8")
    return file
