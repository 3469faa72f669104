"""Interactive views: choose a query and a score path, see what becomes of the order."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import ipywidgets as ipw
import matplotlib.pyplot as plt
import pandas as pd

from analysis.counting import count
from analysis.engines import run_engines
from analysis.errors import InputError, counted
from analysis.figures.reranking import reranking
from analysis.figures.style import INK, img, style
from analysis.formats import FORWARD_DTYPES
from analysis.frames import KEYS, check_columns, check_once, check_same_pairs
from analysis.scorepath import FLOAT32_REFERENCE, TIE_RULES, ScorePath
from analysis.ties import apply, tie_groups

OWN_CHOICE = "own choice"
BAND_COLOR = "#F6E7C1"
_ENGINES = {engine.name: engine.paths for engine in run_engines()}
_HEADINGS = ("rank", "score", "tie", "against float32", "grade", "passage id", "passage")
# Inline, because no style sheet of ours reaches an output in JupyterLab.
_SHORT = "padding: 2px 8px; white-space: nowrap; text-align: right"
_TEXT = "padding: 2px 8px; text-align: left"


class RerankToggle(ipw.VBox):
    """Toggle the stages of a score path over stored logits; nothing is scored again.

    ``logits`` is a frame of logits (any forward dtypes, float32 among them), ``pairs`` the set's
    frame with ``query`` and ``passage`` texts, both with the same pairs: otherwise
    :class:`~analysis.errors.InputError`. Changing any control redraws, once, the summary, the
    table (with tie bands) and the picture of the chosen query. The sigmoid can be evaluated and
    stored in the usual dtypes whether or not the network ran in them. An engine chosen by name
    sets its stages and locks them; a forward dtype that it does not run in gives way to one that
    it does.
    """

    def __init__(self, logits: pd.DataFrame, pairs: pd.DataFrame) -> None:
        _check(logits, pairs)
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
        one = self._logits[self._logits["query_id"] == self.query.value]
        # Where the reference itself ties, the path's tie rule decides in both.
        reference = apply(one, replace(FLOAT32_REFERENCE, tie_rule=path.tie_rule))
        scored = apply(one, path)
        self.summary.value = _summary(scored, path)
        self.table.value = table_html(reference, scored, self._pairs)
        self.picture.value = _picture(reference, scored, path)


def _check(logits: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Check, before anything is drawn, that every control can be used."""
    check_columns(logits, [*KEYS, "grade", "forward_dtype", "logit"], "frame of logits")
    remedy = "give the frame of a set: pairs=candidates.pairs"
    check_columns(pairs, [*KEYS, "query", "passage"], "frame of pairs", remedy)
    if logits.empty or pairs.empty:
        raise InputError("there is nothing to be shown", "give at least one pair with its logits")
    check_once(pairs, "frame of pairs")
    for dtype, scored in logits.groupby("forward_dtype", sort=False):
        check_once(scored, f"frame of {dtype} logits")
        check_same_pairs(pairs, scored, "frame of pairs", f"{dtype} logits")


def table_html(reference: pd.DataFrame, scored: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Passages of one query in the path's order: score, tie band, and who moved against float32.

    ``reference`` and ``scored`` come from :func:`analysis.ties.apply`, ``pairs`` holds the texts.
    Tied rows share a coloured band. Every text is escaped.
    """
    texts = pairs.set_index(["query_id", "passage_id"])["passage"]
    before = reference.set_index("passage_id")["rank"]
    rows = [_row("th", _HEADINGS)]
    for row in scored.sort_values("rank", kind="stable").itertuples():
        tied = row.tie_size > 1
        cells = (
            f"{row.rank:g}",
            f"{row.score:.8g}",
            f"{row.tie_size} tied" if tied else "",
            _moved(before[row.passage_id], row.rank),
            "" if pd.isna(row.grade) else row.grade,
            row.passage_id,
            texts[row.query_id, row.passage_id],
        )
        rows.append(_row("td", cells, f"background: {BAND_COLOR}; color: {INK}" if tied else ""))
    body = "".join(rows[1:])
    return f'<table class="values"><thead>{rows[0]}</thead><tbody>{body}</tbody></table>'


def _row(tag: str, cells: tuple, style: str = "") -> str:
    """One row of the table; the last cell holds a long text."""
    styles = [*[_SHORT] * (len(cells) - 1), _TEXT]
    html = "".join(
        f'<{tag} style="{style}">{escape(str(cell))}</{tag}>'
        for cell, style in zip(cells, styles, strict=True)
    )
    return f'<tr style="{style}">{html}</tr>' if style else f"<tr>{html}</tr>"


def _summary(scored: pd.DataFrame, path: ScorePath) -> str:
    """One sentence on a query under a path: scores of exactly 1.0 (of a sigmoid), tie groups."""
    ones = count(scored)["ones"]
    what = f"{ones} of {len(scored)} scores {'is' if ones == 1 else 'are'} exactly 1.0"
    if not path.has_sigmoid:
        what = f"the {len(scored)} scores are the logits themselves"
    groups = tie_groups(scored)
    first = groups.loc[groups["first_rank"] == 1, "size"]
    shared = f"the first place is shared by {first.iloc[0]}" if len(first) else "one is first"
    groups = counted(len(groups), "tie group")
    return f"<p><b>{escape(str(path))}</b><br>{what}; {groups}; {shared}.</p>"


def _picture(reference: pd.DataFrame, scored: pd.DataFrame, path: ScorePath) -> str:
    """Slope graph and score lane of one query as an image with alt text."""
    picture = reranking(reference, scored, path, scored["query_id"].iloc[0])
    with style():
        html = img(picture.figure, picture.alt)
    plt.close(picture.figure)
    return html


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
