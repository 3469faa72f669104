"""The view in a notebook: a widget whose browser side computes, and whose Python side knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets
from IPython.display import HTML

from analysis import sinks
from analysis.datasets import RerankingSet
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.figures.looks import Look, look, using
from analysis.figures.reranking import reranking
from analysis.figures.style import Picture
from analysis.forwardformats import ForwardFormat, as_format, of_format
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.ties import apply
from analysis.viewing.module import module
from analysis.viewing.pages import frame_html, page_html, view_html
from analysis.viewing.payload import REFERENCE, payload, stages
from analysis.viewing.rows import rows_of
from analysis.viewing.tables import table_html

_TITLE = "What the score path does to the order"
_STANDING_STILL = "This is one order, standing still; {host} shows it with its toggles."
_MOST_STANDING = 100
"""Rows of that order."""
_FRAME_HEIGHT = 1500
_FORMATS = {"path": "forward_format", "against": "against_format"}
"""The trait of each path's forward format."""
_SHOWN = ("path", "query", "selected", "against", "forward_format", "against_format")


class _Path(traitlets.TraitType):
    """A score path that a view can show; a text of :func:`analysis.path_of` becomes one."""

    info_text = "a score path, or its text"

    def validate(self, obj: RerankToggle, value: object) -> ScorePath:
        """The path; :class:`InputError` for one that the view has no logits or scores for."""
        path, rows = path_of(value), obj.rows
        if not rows.has(path):
            raise InputError(
                f"this view cannot show the path “{path.computation}”",
                f"take logits in {', '.join(rows.logits)}, scores in {', '.join(rows.dtypes)}",
                field=self.name,
            )
        return path


class _Format(traitlets.TraitType):
    """A forward format that a view has the logits of; its text, or a dtype, becomes one."""

    info_text = "a forward format, or its text"

    def validate(self, obj: RerankToggle, value: object) -> ForwardFormat:
        """The format; :class:`InputError` for one that the view has no logits of."""
        forward_format = as_format(value)
        _one_of(obj.rows.logits, forward_format.name, self.name)
        return forward_format


class _Query(traitlets.TraitType):
    """The id of one of a view's queries."""

    info_text = "the id of a query"

    def validate(self, obj: RerankToggle, value: object) -> object:
        """The id; :class:`InputError` for an unknown one."""
        return _one_of(obj.rows.candidates, value, self.name)


class _Passage(traitlets.TraitType):
    """The id of one of the query's candidates, or None."""

    info_text = "the id of a candidate, or None"

    def validate(self, obj: RerankToggle, value: object) -> object:
        """The id, or None; :class:`InputError` for one that is no candidate of the query."""
        candidates = obj.rows.candidates[obj.query]
        return None if value is None else _one_of(candidates, value, self.name)


def _one_of(known: Collection, value: object, field: str) -> object:
    if value not in known:
        raise InputError(f"there is no {value!r}", f"choose one of {_some(known)}", field=field)
    return value


def _some(ids: Collection) -> str:
    listed = ", ".join(repr(one) for one in islice(ids, 5))
    return listed if len(ids) <= 5 else f"{listed} and {len(ids) - 5} more"


class RerankToggle(anywidget.AnyWidget):
    """Toggle the stages of a score path over stored logits; nothing is scored again.

    ``logits`` is a frame of logits (any forward formats, float32 among them), ``candidates`` the
    set, or its frame with ``query`` and ``passage`` texts, both with the same pairs: otherwise
    :class:`~analysis.errors.InputError`. Everything that the browser needs is computed here, once;
    from then on it answers by itself, also while the kernel is busy.

    These traits move the view, and are moved by it:

    - ``path``: the score path, also as a text of :func:`analysis.path_of`;
    - ``forward_format``: whose logits it takes, also as its text; torch's, if none is given. Of
      path and format, the one set last decides about the forward dtype;
    - ``query``: the id of the query that is shown;
    - ``selected``: the id of the passage that is taken apart, or None for the first;
    - ``against``: the path that it is compared with; its tie rule does not count;
    - ``against_format``: whose logits that takes.

    What cannot be shown raises :class:`~analysis.errors.InputError`. It is an ipywidgets
    ``DOMWidget``: it composes in boxes, and ``observe`` and ``link`` work.
    """

    path = _Path(FLOAT32_REFERENCE)
    forward_format = _Format("float32")
    query = _Query()
    selected = _Passage(None, allow_none=True)
    against = _Path(REFERENCE)
    against_format = _Format("float32")
    _data = traitlets.Bytes().tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    _esm = module()

    def __init__(
        self,
        logits: pd.DataFrame,
        candidates: RerankingSet | pd.DataFrame,
        *,
        path: ScorePath | str = FLOAT32_REFERENCE,
        forward_format: ForwardFormat | str | None = None,
        query: object = None,
        selected: object = None,
        against: ScorePath | str = REFERENCE,
        against_format: ForwardFormat | str | None = None,
    ) -> None:
        self.rows = rows_of(logits, candidates)
        super().__init__(_data=payload(self.rows))
        first = next(iter(self.rows.candidates))
        self._set(path=path, against=against, query=first if query is None else query)
        if forward_format is not None:
            self.forward_format = forward_format
        if against_format is not None:
            self.against_format = against_format
        self.selected = selected

    def _set(self, **shown: object) -> None:
        """Set several traits at once, so that the view moves once."""
        with self.hold_trait_notifications():
            for name, value in shown.items():
                setattr(self, name, value)

    @traitlets.observe("path", "against")
    def _follow_path(self, change: dict[str, Any]) -> None:
        """A path over another forward dtype takes torch's logits of it."""
        name, path = _FORMATS[change["name"]], change["new"]
        if getattr(self, name).forward_dtype != path.forward_dtype:
            setattr(self, name, path.forward_dtype)

    @traitlets.observe("forward_format", "against_format")
    def _follow_format(self, change: dict[str, Any]) -> None:
        """A format whose logits are of another dtype takes the path there."""
        name = next(path for path, own in _FORMATS.items() if own == change["name"])
        path, dtype = getattr(self, name), change["new"].forward_dtype
        if path.forward_dtype != dtype:
            setattr(self, name, path.within(dtype))

    @traitlets.observe("query")
    def _begin_query(self, _: object) -> None:
        """Another query has other passages."""
        if self.selected not in self.rows.candidates[self.query]:
            self.selected = None

    @traitlets.observe(*_SHOWN)
    def _tell_browser(self, _: object) -> None:
        self._state = self._said()

    @traitlets.observe("_state")
    def _hear_browser(self, change: dict[str, Any]) -> None:
        """Take over what a reader did; the browser knows ids as texts alone."""
        said = change["new"]
        if said == self._said():
            return
        queries = {str(query): query for query in self.rows.candidates}
        query = queries[said["query"]]
        passages = {str(passage): passage for passage in self.rows.candidates[query]}
        (path, own), (against, other) = (_read(said[name]) for name in ("path", "against"))
        self._set(
            path=_same(path, self.path),
            forward_format=own,
            against=_same(against, self.against),
            against_format=other,
            query=query,
            selected=passages.get(said["selected"]),
        )

    def _said(self) -> dict[str, object]:
        """The state in the browser's words."""
        selected = None if self.selected is None else str(self.selected)
        paths = {
            name: stages(getattr(self, name), getattr(self, own).name)
            for name, own in _FORMATS.items()
        }
        return {"query": str(self.query), **paths, "selected": selected}

    def orders(self, against: ScorePath | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The query's candidates under the path compared with, and under the path.

        Both frames are what :func:`analysis.apply` returns. Where the other path itself ties, the
        path's tie rule decides in both.
        """
        logits = self.rows.frame(self.query)
        other = replace(against or self.against, tie_rule=self.path.tie_rule)
        own = apply(of_format(logits, self.forward_format), self.path)
        return apply(of_format(logits, self.against_format), other), own

    def figure(self, style: str | None = None, width: str | None = None) -> Picture:
        """Draw what is shown with Matplotlib, for print: the orders, and the scores.

        ``style`` and ``width`` are those of :func:`analysis.draw`, as in the notebooks if not
        given; ``view.figure("dark", "column").save("order.pdf")`` writes it. Beside the scores of a
        sigmoid, logits compared with are drawn as those of a wide one.
        """
        against = self.against
        if self.path.has_sigmoid and not against.has_sigmoid:
            against = _same(against.hps(), FLOAT32_REFERENCE)
        now = look()
        with using(Look(style or now.style, width or now.width)):
            return reranking(
                *self.orders(against),
                _called(self.path, self.forward_format),
                self._query_text(),
                _called(against, self.against_format),
            )

    def html(self, title: str = _TITLE) -> str:
        """A page of its own with the view as it is now: needs no kernel and no network."""
        return page_html(title, self.element())

    def element(self) -> str:
        """The view as it is now, for a page that runs :func:`analysis.viewing.pages.script`."""
        return view_html(self._data, self._state, self._table(inline=False))

    def save(self, file: str | Path, title: str = _TITLE) -> Path:
        """Write :meth:`html` to a file; returns its path."""
        path = Path(file)
        path.write_text(self.html(title), encoding="utf-8")
        return path

    def inline(self, height: int = _FRAME_HEIGHT) -> HTML:
        """The view in a sandboxed frame of ``height`` pixels: where no widget is shown.

        For VS Code and Colab without a network, whose widget managers come from one. What is
        toggled there does not come back to Python.
        """
        return HTML(frame_html(self.html(), height))

    def _table(self, *, inline: bool) -> str:
        """What is shown, standing still: for whoever shows no widget and runs no script."""
        what = self.path.computation
        if not self.forward_format.is_torch:
            what = f"{self.forward_format.name}, {what}"
        words = f"{self._query_text()}: {what}, equal scores by {self.path.tie_rule}."
        reference, scored = self.orders()
        first = scored.sort_values("rank", kind="stable").head(_MOST_STANDING)
        if len(first) < len(scored):
            words += f" The first {_MOST_STANDING} of {len(scored):,}."
        against = _called(self.against, self.against_format)
        other = against.name or against.computation
        table = table_html(reference, first, self.rows.pairs, other=other, inline=inline)
        host = "JupyterLab" if inline else "a browser that runs scripts"
        return f"<p>{sinks.html(words)} {_STANDING_STILL.format(host=host)}</p>{table}"

    def _query_text(self) -> str:
        pairs = self.rows.pairs
        return str(pairs.loc[pairs["query_id"] == self.query, "query"].iloc[0])

    def __repr__(self) -> str:
        return f"RerankToggle(query={self.query!r}, path={self.path.text!r})"

    def _repr_mimebundle_(self, **options: object) -> tuple[dict, dict]:
        """The widget, and a table for whoever shows none."""
        data, metadata = super()._repr_mimebundle_(**options)
        return {**data, "text/html": self._table(inline=True)}, metadata


def view(
    logits: pd.DataFrame, candidates: RerankingSet | pd.DataFrame, **shown: object
) -> RerankToggle:
    """Show the interactive view of a set: a :class:`RerankToggle`, which says what it takes."""
    return RerankToggle(logits, candidates, **shown)


def _read(stages_said: list[str]) -> tuple[ScorePath, ForwardFormat]:
    """A path and its forward format, from the browser's stages."""
    name, *others = stages_said
    forward_format = as_format(name)
    return ScorePath(forward_format.forward_dtype, *others), forward_format


def _called(path: ScorePath, forward_format: ForwardFormat) -> ScorePath:
    """The path with a name that says whose logits it takes, where these are not torch's."""
    if forward_format.is_torch:
        return path
    return replace(path, name=f"{forward_format.name}, {path.computation}")


def _same(new: ScorePath, old: ScorePath) -> ScorePath:
    """The old path where the new one is equal to it: that may have a name."""
    return old if new == old else new
