"""The order of one query as an HTML table: for notebooks, and for pages without scripts."""

from __future__ import annotations

import pandas as pd

from analysis import sinks
from analysis.figures.looks import STYLES

_BAND_COLOR = "#F6E7C1"
HEADINGS = ("rank", "score", "tie", "against {other}", "grade", "passage id", "passage")
# Inline, because no style sheet of ours reaches an output in JupyterLab.
_SHORT = "padding: 2px 8px; white-space: nowrap; text-align: right"
_TEXT = "padding: 2px 8px; min-width: 16em; text-align: left; overflow-wrap: anywhere"
_BAND = f"background: {_BAND_COLOR}; color: {STYLES['paper'].ink}"


def table_html(
    reference: pd.DataFrame,
    scored: pd.DataFrame,
    pairs: pd.DataFrame,
    *,
    other: str = "float32",
    inline: bool = True,
) -> str:
    """Passages of one query in the path's order: score, tie band, and where they stood before.

    ``reference`` and ``scored`` come from :func:`analysis.apply`; the first is called ``other``,
    ``pairs`` holds the texts. Tied rows share a coloured band. Every text is escaped. ``inline``
    puts styles into the elements; without it, a page's style sheet has the class ``tied`` to go by.
    """
    texts = pairs.set_index(["query_id", "passage_id"])["passage"]
    before = reference.set_index("passage_id")["rank"]
    headings = tuple(heading.format(other=other) for heading in HEADINGS)
    rows = [_row("th", headings, inline=inline)]
    for row in scored.sort_values("rank", kind="stable").itertuples():
        cells = (
            f"{row.rank:g}",
            f"{row.score:.8g}",
            f"{row.tie_size} tied" if row.tie_size > 1 else "",
            _moved(before[row.passage_id], row.rank),
            "" if pd.isna(row.grade) else row.grade,
            row.passage_id,
            texts[row.query_id, row.passage_id],
        )
        rows.append(_row("td", cells, is_tied=row.tie_size > 1, inline=inline))
    body = "".join(rows[1:])
    return f'<table class="values"><thead>{rows[0]}</thead><tbody>{body}</tbody></table>'


def _row(tag: str, cells: tuple, *, inline: bool, is_tied: bool = False) -> str:
    """One row; the last cell holds a long text."""
    band = _BAND if is_tied else ""
    styles = [*[_SHORT] * (len(cells) - 1), _TEXT]
    html = "".join(
        f"<{tag}{_style(style) if inline else ''}>{sinks.html(cell)}</{tag}>"
        for cell, style in zip(cells, styles, strict=True)
    )
    mark = ' class="tied"' if is_tied else ""
    return f"<tr{mark}{_style(band) if inline and band else ''}>{html}</tr>"


def _style(rules: str) -> str:
    return f' style="{rules}"'


def _moved(before: float, after: float) -> str:
    if before == after:
        return ""
    return f"{'▲' if after < before else '▼'} from {before:g}"
