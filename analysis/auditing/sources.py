"""Where the scores of an audit come from: a running server, a file of scores, or a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import progress
from analysis.auditing.kept import Answer, KeptAnswers
from analysis.auditing.probing import measure_batch_shift
from analysis.auditing.servers import Server, find_server
from analysis.auditing.transport import Limits, Transport, parsed_url, shown
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.readers import check_scores, read_scores
from analysis.scorepath import PathFormula, ScorePath
from analysis.ties import apply

if TYPE_CHECKING:
    from analysis.rerankers import Reranker

_FORMULAS: dict[str, PathFormula] = {"Sigmoid": "fused", "Identity": "none"}
"""Formulas of a checkpoint's own activations."""


@dataclass(frozen=True)
class Scored:
    """Scores to be audited.

    ``frame`` has one row per (query, passage), columns ``query_id, passage_id, score, logit``;
    ``logit`` is NaN in all rows if the source does not give it. ``kind`` is ``url``, ``scores``
    or ``model``, ``name`` what may be shown of it, ``details`` more of that (texts). ``path`` is
    the score path if the audit itself applied it, ``float32_logits`` the same pairs' logits of a
    float32 forward pass, where they were computed. ``decimals`` says that the source prints every
    score with so many, ``batch_shift`` how far a passage of a server moves in other company
    (:mod:`.probing`), in logits.
    """

    kind: str
    name: str
    frame: pd.DataFrame
    details: dict[str, str] = field(default_factory=dict)
    path: ScorePath | None = None
    float32_logits: pd.Series | None = None
    decimals: int | None = None
    batch_shift: float | None = None

    @property
    def has_logits(self) -> bool:
        """Whether the logit of every pair is known."""
        return bool(self.frame["logit"].notna().all())


def from_server(
    address: str,
    dataset: RerankingSet,
    *,
    model: str | None = None,
    limits: Limits | None = None,
) -> Scored:
    """Ask a running server for the scores of a set, one query after another.

    One request is under way at a time, so that a server in use is not pressed. ``model`` is the
    name that the server knows its model by, where it wants one. Answers are kept while the audit
    runs (:mod:`.kept`). Raises :class:`ServerError` or :class:`InputError`.
    """
    url = parsed_url(address)
    first = dataset.pairs.iloc[0]
    with Transport(limits) as transport:
        server = find_server(transport, url, first["query"], first["passage"], model=model)
        frame = _ask_all(server, dataset)
        shift = measure_batch_shift(server, dataset.pairs, frame)
    details = {
        "endpoint": shown(server.url),
        "request": f"query, {server.documents_field}",
        "raw scores": "offered" if server.offers_raw else "not offered",
        "data": dataset.name,
        "batch shift": "not measurable" if shift is None else f"{shift:.2g} logits",
    }
    details |= {"model": model} if model else {}
    return Scored("url", shown(url), frame, details, batch_shift=shift)


def from_file(source: str | Path | Sequence[str | Path]) -> Scored:
    """Read scores from a file, or from several (:func:`analysis.readers.read_scores`)."""
    scores = read_scores(source)
    digits = "as many as needed" if scores.decimals is None else f"always {scores.decimals}"
    details = {"decimals printed": digits}
    details |= {"read": "; ".join(scores.notes)} if scores.notes else {}
    first, *others = [source] if isinstance(source, str | Path) else source
    name = f"{first} and {len(others)} more" if others else str(first)
    return Scored("scores", name, scores.frame, details, decimals=scores.decimals)


def from_frame(scores: pd.DataFrame) -> Scored:
    """Take scores from a frame (:func:`analysis.readers.check_scores`)."""
    return Scored("scores", "a data frame", check_scores(scores))


def from_model(
    model: str,
    dataset: RerankingSet,
    path: ScorePath | None = None,
    *,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Scored:
    """Run a model in a path's forward dtype and put its logits through the path.

    Without a path it runs in ``dtype``, and the checkpoint's own activation decides: a
    float32 sigmoid, also where it names none, or no sigmoid (``Identity``). The two logits of a
    yes/no language model are subtracted in ``dtype`` then, as sentence-transformers does it.
    In a dtype other than float32 the pairs are scored in float32 as well, for comparison. Logits
    come from the store where it has them.
    """
    from analysis import models, scoring  # torch and transformers: other sources need neither
    from analysis.store import Store

    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    reranker = models.load(model, **trust)
    path = path or _own_path(reranker, dtype)
    dtype = path.forward_dtype
    dtypes = list(dict.fromkeys([dtype, "float32"]))
    logits = scoring.score(dataset, reranker, dtypes, store=Store())
    float32 = logits.loc[logits["forward_dtype"] == "float32", "logit"].reset_index(drop=True)
    scored = apply(logits, path).reset_index(drop=True)
    frame = scored[["query_id", "passage_id", "score", "logit"]]
    details = {"data": dataset.name, "score path applied": str(path)}
    return Scored("model", model, frame, details, path, float32)


def _own_path(reranker: Reranker, dtype: str) -> ScorePath:
    from analysis.checkpoints import own_activation  # needs the Hub's library

    activation = own_activation(reranker.folder) or "Sigmoid"
    if activation not in _FORMULAS:
        raise InputError(
            f"the checkpoint's own activation is {activation}, which has no score path here",
            "give the path that its engine takes",
            field="path",
        )
    asked = reranker.yes_no and len(reranker.label_names) > 1
    head = f"difference:{dtype}" if asked else "one"
    return ScorePath(forward_dtype=dtype, formula=_FORMULAS[activation], head=head)


def _ask_all(server: Server, dataset: RerankingSet) -> pd.DataFrame:
    """Scores and logits of all pairs, in the set's order; kept answers are not asked for again."""
    by_query = dict(list(dataset.pairs.groupby("query_id", sort=False)))
    kept = KeptAnswers(
        {
            "url": shown(server.url),
            "api": server.documents_field,
            "raw": server.offers_raw,
            "model": server.model,
            "data": dataset.sha256,
        }
    )
    known = _still_true(server, by_query, kept)
    parts = []
    with progress.bar("asking", len(by_query), "queries") as advance:
        for query_id, rows in by_query.items():
            answer = known.get(query_id)
            if answer is None:
                answer = _ask(server, query_id, rows)
                kept.add(answer)
            numbers = {"score": answer.scores, "logit": answer.logits or np.nan}
            parts.append(rows[["query_id", "passage_id"]].assign(**numbers))
            advance(1)
    kept.forget()
    return pd.concat(parts).sort_index()


def _still_true(
    server: Server, by_query: Mapping[str, pd.DataFrame], kept: KeptAnswers
) -> dict[str, Answer]:
    """Kept answers, unless the server now answers one of their queries otherwise."""
    sizes = {query_id: len(rows) for query_id, rows in by_query.items()}
    known = kept.read(sizes, logits=server.offers_raw)
    if not known:
        return {}
    query_id, answer = next(iter(known.items()))
    if _ask(server, query_id, by_query[query_id]) == answer:
        print(f"resuming after {len(known)} of {len(by_query)} queries", file=sys.stderr)
        return known
    print("the server answers differently now: asking everything anew", file=sys.stderr)
    kept.forget()
    return {}


def _ask(server: Server, query_id: str, rows: pd.DataFrame) -> Answer:
    query, documents = rows["query"].iloc[0], rows["passage"].tolist()
    asked = f"query {query_id!r}"
    scores = server.scores(query, documents, asked=asked)
    logits = server.scores(query, documents, raw=True, asked=asked) if server.offers_raw else None
    return Answer(query_id, scores, logits)
