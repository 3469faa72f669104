"""Interactive views: choose a query and a score path, see what becomes of the order."""

from __future__ import annotations

from html import escape

import ipywidgets as ipw
import matplotlib.pyplot as plt
import pandas as pd

from analysis.counting import count
from analysis.engines import run_engines
from analysis.figures.reranking import rerank_views, slope
from analysis.figures.style import INK, img, style
from analysis.formats import FORWARD_DTYPES
from analysis.scorepath import FLOAT32_REFERENCE, TIE_RULES, ScorePath
from analysis.ties import apply, tie_groups

OWN_CHOICE = "own choice"
_ENGINES = {engine.name: engine.paths for engine in run_engines()}
BAND_COLOR = "#F6E7C1"
# Inline, because no style sheet of ours reaches an output in JupyterLab.
SHORT_CELL = "padding: 2px 8px; white-space: nowrap; text-align: right"
TEXT_CELL = "padding: 2px 8px; text-align: left"


class RerankToggle(ipw.VBox):
    """Toggle the stages of a score path over stored logits; nothing is scored again.

    ``logits`` is a frame of logits (any forward dtypes, float32 among them: without it
    :class:`~analysis.errors.InputError`), ``pairs`` the set's frame with ``query`` and
    ``passage`` texts. Changing any control redraws, once, the summary, the table (with tie
    bands) and the picture of the chosen query. The sigmoid can be evaluated and stored in the
    usual dtypes whether or not the network ran in them. An engine chosen by name sets its stages
    and locks them; a forward dtype that it does not run in gives way to one that it does.
    """

    def __init__(self, logits: pd.DataFrame, pairs: pd.DataFrame) -> None:
        self._logits, self._pairs = logits, pairs
        forward = list(logits["forward_dtype"].unique())
        dtypes = list(dict.fromkeys([*FORWARD_DTYPES, *forward]))
        queries = pairs.drop_duplicates("query_id")
        options = [(f"{q.query_id}: {q.query}", q.query_id) for q in queries.itertuples()]
        self.query = _dropdown("Query", options)
        self.engine = _dropdown("Engine", [OWN_CHOICE, *_ENGINES])
        self.forward = _toggle("Forward", forward)
        self.formula = _toggle("Sigmoid", ["fused", "stepwise", "none"])
        self.activation = _toggle("evaluated in", dtypes)
        self.stored = _toggle("Stored as", dtypes)
        self.tie_rule = _dropdown("Ties by", list(TIE_RULES))
        self.summary, self.table, self.picture = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self._stages = [self.forward, self.formula, self.activation, self.stored, self.tie_rule]
        controls = [self.query, self.engine, *self._stages]
        self._following = False
        for control in controls:
            control.observe(self._changed, "value")
        self._redraw()
        super().__init__([ipw.VBox(controls), self.summary, self.picture, self.table])

    @property
    def path(self) -> ScorePath:
        """The score path that the controls stand for."""
        return ScorePath(*(control.value for control in self._stages))

    def _changed(self, _: object) -> None:
        """Answer a changed control; stages that an engine then sets do not each redraw."""
        if self._following:
            return
        self._following = True
        try:
            self._follow_engine()
        finally:
            self._following = False
        self._redraw()

    def _follow_engine(self) -> None:
        """Set the stages to the chosen engine's path in the chosen forward dtype."""
        paths = _ENGINES.get(self.engine.value)
        for control in (self.formula, self.activation, self.stored, self.tie_rule):
            control.disabled = paths is not None
        if paths is None:
            return
        if self.forward.value not in paths:
            self.forward.value = next(d for d in self.forward.options if d in paths)
        path = paths[self.forward.value]
        self.formula.value, self.activation.value = path.formula, path.activation_dtype
        self.stored.value, self.tie_rule.value = path.stored_dtype, path.tie_rule

    def _redraw(self) -> None:
        path = self.path
        reference, scored = one_query(self._logits, self.query.value, path)
        self.summary.value = summary_html(scored, path)
        self.table.value = table_html(reference, scored, self._pairs)
        self.picture.value = picture_html(reference, scored, path)


def one_query(
    logits: pd.DataFrame, query_id: str, path: ScorePath
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score one query by the float32 reference and by a path, both with ranks and tie groups."""
    one = logits[logits["query_id"] == query_id]
    return apply(one, FLOAT32_REFERENCE), apply(one, path)


def summary_html(scored: pd.DataFrame, path: ScorePath) -> str:
    """One sentence on a query under a path: saturated scores (of a sigmoid) and tie groups."""
    ones = count(scored)["ones"]
    saturated = f"{ones} of {len(scored)} scores {'is' if ones == 1 else 'are'} exactly 1.0"
    if not path.has_sigmoid:
        saturated = f"the {len(scored)} scores are the logits themselves"
    groups = tie_groups(scored)
    first = groups.loc[groups["first_rank"] == 1, "size"]
    shared = f"the first place is shared by {first.iloc[0]}" if len(first) else "one is first"
    return (
        f"<p><b>{escape(str(path))}</b><br>{saturated}; "
        f"{len(groups)} tie group{'' if len(groups) == 1 else 's'}; {shared}.</p>"
    )


def table_html(reference: pd.DataFrame, scored: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Passages of one query in the path's order: score, tie band, and who moved against float32.

    Tied rows share a coloured band. Every text is escaped.
    """
    texts = pairs.set_index(["query_id", "passage_id"])["passage"]
    before = reference.set_index("passage_id")["rank"]
    rows = []
    for row in scored.sort_values("rank", kind="stable").itertuples():
        was = before[row.passage_id]
        band = f' style="background: {BAND_COLOR}; color: {INK}"' if row.tie_size > 1 else ""
        grade = "" if pd.isna(row.grade) else row.grade
        tie = f"{row.tie_size} tied" if row.tie_size > 1 else ""
        passage = escape(texts[row.query_id, row.passage_id])
        moved = _moved(was, row.rank)
        short = (f"{row.rank:g}", f"{row.score:.8g}", tie, moved, grade, escape(row.passage_id))
        cells = "".join(f"<td style='{SHORT_CELL}'>{text}</td>" for text in short)
        rows.append(f"<tr{band}>{cells}<td style='{TEXT_CELL}'>{passage}</td></tr>")
    names = ("rank", "score", "tie", "against float32", "grade", "passage_id")
    head = "".join(f"<th style='{SHORT_CELL}'>{name}</th>" for name in names)
    head += f"<th style='{TEXT_CELL}'>passage</th>"
    body = "".join(rows)
    return f"<table class='values'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture_html(reference: pd.DataFrame, scored: pd.DataFrame, path: ScorePath) -> str:
    """Slope graph and score lane of one query as an image with alt text.

    Raw logits have no place on an axis of 1 − s: the slope graph stands alone.
    """
    with style():
        if not path.has_sigmoid:
            figure, ax = plt.subplots(figsize=(6, 4.8))
            slope(ax, reference, scored)
            ax.set_xticks([0, 1], ["float32 reference", "raw logits"])
        else:
            figure = rerank_views(reference, scored)
        html = img(figure, picture_alt(reference, scored, path))
        plt.close(figure)
    return html


def picture_alt(reference: pd.DataFrame, scored: pd.DataFrame, path: ScorePath) -> str:
    """Alt text of :func:`picture_html`: what its panels show for these candidates."""
    moved = int((reference["rank"].to_numpy() != scored["rank"].to_numpy()).sum())
    ranks = (
        f"ranks of {len(scored)} passages under the float32 reference and under the chosen path, "
        f"{moved} of them moved."
    )
    if not path.has_sigmoid:
        return f"Lines between {ranks}"
    ones = int((scored["score"] == 1.0).sum())
    return (
        f"Left: {ranks} Right: their scores on a log axis of the distance to 1, {ones} exactly 1.0."
    )


def _moved(before: float, after: float) -> str:
    if before == after:
        return ""
    return f"{'▲' if after < before else '▼'} from {before:g}"


def _dropdown(label: str, options: list) -> ipw.Dropdown:
    return ipw.Dropdown(
        description=label,
        options=options,
        layout=ipw.Layout(width="min(46em, 100%)"),
        style={"description_width": "7em"},
    )


def _toggle(label: str, options: list[str]) -> ipw.ToggleButtons:
    buttons = ipw.ToggleButtons(
        description=label,
        options=options,
        layout=ipw.Layout(margin="2px 0"),
        style={"description_width": "7em", "button_width": "8em"},
    )
    return buttons.add_class("widget-inline-hbox")  # the label stands beside, as in a dropdown


def view(logits: pd.DataFrame, pairs: pd.DataFrame) -> RerankToggle:
    """Show the interactive view of a set; see :class:`RerankToggle`."""
    return RerankToggle(logits, pairs)
