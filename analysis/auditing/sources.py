"""Where the scores of an audit come from: a running server, a file of scores, or a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import progress
from analysis.auditing.kept import Answer, KeptAnswers
from analysis.auditing.probing import measure_batch_shift
from analysis.auditing.servers import Server, find_server
from analysis.auditing.transport import Limits, Transport, parsed_url, shown
from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat, as_format, of_format
from analysis.readers import check_scores
from analysis.readers.scorestreams import ScoreStream, read_or_sample
from analysis.scorepath import PathFormula, ScorePath
from analysis.ties import apply

if TYPE_CHECKING:
    from analysis.answering import Answering
    from analysis.rerankers import Reranker

_FORMULAS: dict[str, PathFormula] = {"Sigmoid": "fused", "Identity": "none"}
"""Formulas of a checkpoint's own activations."""


@dataclass(frozen=True)
class Scored:
    """Scores to be audited.

    ``frame`` has one row per (query, passage), columns ``query_id, passage_id, score, logit``;
    ``logit`` is NaN in all rows if the source does not give it. ``kind`` is ``url``, ``scores``
    or ``model``, ``name`` what may be shown of it, ``details`` more of that (texts). ``path`` is
    the score path if the audit itself applied it, ``forward_format`` what it ran the model in,
    ``float32_logits`` the same pairs' logits of torch's float32, where they were computed.
    ``decimals`` says that the source prints every score with so many, ``batch_shift`` how far a
    passage moves in other company, in logits: of a server (:mod:`.probing`), or of a model that
    another runtime than torch ran. Of scores larger than memory ``frame`` is a sample of whole
    queries, and ``stream`` has all of them.
    """

    kind: str
    name: str
    frame: pd.DataFrame
    details: dict[str, str] = field(default_factory=dict)
    path: ScorePath | None = None
    float32_logits: pd.Series | None = None
    decimals: int | None = None
    batch_shift: float | None = None
    forward_format: ForwardFormat | None = None
    stream: ScoreStream | None = None

    @property
    def has_logits(self) -> bool:
        """Whether the logit of every pair is known."""
        return bool(self.frame["logit"].notna().all())

    def parts(self) -> Iterator[Scored]:
        """All scores, in parts of whole queries; one, unless they come from a stream."""
        if self.stream is None:
            yield self
            return
        for frame in self.stream.parts():
            yield replace(self, frame=frame, stream=None)


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
    """Read scores from a file, or from several (:func:`analysis.readers.read_scores`).

    Of Parquet larger than a list that is judged, a sample (:mod:`analysis.readers.scorestreams`).
    """
    scores, stream = read_or_sample(source)
    digits = "as many as needed" if scores.decimals is None else f"always {scores.decimals}"
    details = {"decimals printed": digits}
    details |= {"read": "; ".join(scores.notes)} if scores.notes else {}
    details |= {"counted": "all scores"} if stream else {}
    first, *others = [source] if isinstance(source, str | Path) else source
    name = f"{first} and {len(others)} more" if others else str(first)
    return Scored("scores", name, scores.frame, details, decimals=scores.decimals, stream=stream)


def from_frame(scores: pd.DataFrame) -> Scored:
    """Take scores from a frame (:func:`analysis.readers.check_scores`)."""
    return Scored("scores", "a data frame", check_scores(scores))


def from_model(
    model: str,
    dataset: RerankingSet,
    path: ScorePath | None = None,
    *,
    format: str | ForwardFormat | None = None,
    engine: str = "local",
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Scored:
    """Run a model in a forward format and put its logits through a path.

    ``format`` is a dtype, which torch runs, or another forward format; left out, it is the path's
    forward dtype, else float32. Without a path the checkpoint's own activation decides: a float32
    sigmoid, also where it names none, or no sigmoid (``Identity``). The two logits of a yes/no
    language model are subtracted in the dtype that they leave the network in then, as
    sentence-transformers does it. In another format than torch's float32 the pairs are scored in
    that as well, for comparison. Logits come from the store where it has them; ``engine`` computes
    the others, as in :func:`analysis.scoring.score`. Raises :class:`InputError` for a format whose
    logits are of another dtype than the path's.
    """
    # torch and transformers: other sources need neither
    from analysis import models, scoring
    from analysis.answering import answering
    from analysis.store import Store

    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    reranker = models.load(model, **trust)
    usual = "float32" if path is None else path.forward_dtype
    chosen = as_format(usual if format is None else format)
    path = path or _own_path(reranker, chosen.forward_dtype)
    if path.forward_dtype != chosen.forward_dtype:
        raise InputError(
            f"the path takes {path.forward_dtype} logits, and those of {chosen.name} are "
            f"{chosen.forward_dtype}",
            "leave one of the two out",
            field="format",
        )
    formats = list(dict.fromkeys([chosen, as_format("float32")]))
    shift = None
    with answering(engine, reranker) as answers:
        logits = scoring.score(dataset, reranker, formats, store=Store(), engine=answers)
        scored = apply(of_format(logits, chosen), path).reset_index(drop=True)
        frame = scored[["query_id", "passage_id", "score", "logit"]]
        if not chosen.is_torch:
            shift = _shift_alone(dataset, reranker, chosen, frame, answers)
    float32 = of_format(logits, "float32")["logit"].reset_index(drop=True)
    details = {"data": dataset.name, "score path applied": str(path)}
    if shift is not None:
        details |= {"forward format": str(chosen), "batch shift": f"{shift:.2g} logits"}
    known = {"path": path, "float32_logits": float32, "forward_format": chosen}
    return Scored("model", model, frame, details, batch_shift=shift, **known)


def _shift_alone(
    dataset: RerankingSet,
    reranker: Reranker,
    chosen: ForwardFormat,
    frame: pd.DataFrame,
    answers: Answering,
) -> float:
    """The farthest that a candidate of the first query moves where it is scored alone."""
    from analysis.scoring import score
    from analysis.store import Store

    is_first = (dataset.pairs["query_id"] == dataset.pairs["query_id"].iloc[0]).to_numpy()
    query = from_pairs(dataset.name, dataset.pairs[is_first].reset_index(drop=True))
    options = {"store": Store(), "progress": False, "engine": answers}
    alone = score(query, reranker, [chosen], batch_tokens=1, **options)
    return float(np.abs(alone["logit"].to_numpy() - frame.loc[is_first, "logit"]).max())


def one_format(dtype: str | None, format: str | ForwardFormat | None) -> ForwardFormat | None:
    """The forward format that a dtype or a format asks for; None for neither."""
    if dtype is not None and format is not None:
        raise InputError(
            "a dtype and a forward format are named",
            "leave one of the two out: a dtype is the format in which torch runs all of it",
            field="format",
        )
    asked = dtype if format is None else format
    return None if asked is None else as_format(asked)


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
