"""Where the scores of an audit come from: a running server, a file of scores, or a model."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from tqdm import tqdm

from analysis.auditing.kept import Answer, KeptAnswers
from analysis.auditing.servers import Server, find_server
from analysis.auditing.transport import Limits, Transport, parsed_url, shown
from analysis.datasets import RerankingSet
from analysis.engines import FLOAT32_REFERENCE, engine_path
from analysis.readers import read_scores
from analysis.scorepath import ScorePath


@dataclass(frozen=True)
class Scored:
    """Scores to be audited.

    ``frame`` has one row per (query, passage), columns ``query_id, passage_id, score, logit``;
    ``logit`` is NaN in all rows if the source does not give it. ``kind`` is ``url``, ``scores``
    or ``model``, ``name`` what may be shown of it, ``details`` more of that (texts). ``path`` is
    the score path if the audit itself applied it, ``float32_logits`` the same pairs' logits of a
    float32 forward pass, where they were computed.
    """

    kind: str
    name: str
    frame: pd.DataFrame
    details: dict[str, str] = field(default_factory=dict)
    path: ScorePath | None = None
    float32_logits: pd.Series | None = None

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
    progress: bool = True,
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
        kept = KeptAnswers(
            {
                "url": shown(server.url),
                "api": server.documents_field,
                "raw": server.offers_raw,
                "model": model,
                "data": dataset.sha256,
            }
        )
        by_query = list(dataset.pairs.groupby("query_id", sort=False))
        answers = _ask_all(server, by_query, kept, progress)
    # A set's rows of one query need not stand together: numbers are put back by their row.
    rows = np.concatenate([rows.index for _, rows in by_query])
    frame = dataset.pairs[["query_id", "passage_id"]].copy()
    frame["score"] = pd.Series(np.concatenate([a.scores for a in answers]), index=rows)
    frame["logit"] = np.nan
    if server.offers_raw:
        frame["logit"] = pd.Series(np.concatenate([a.logits for a in answers]), index=rows)
    details = {
        "endpoint": shown(server.url),
        "request": f"query, {server.documents_field}",
        "raw scores": "offered" if server.offers_raw else "not offered",
        "data": dataset.name,
    }
    return Scored("url", shown(url), frame, details | ({"model": model} if model else {}))


def from_file(source: str) -> Scored:
    """Read a file of scores; see :mod:`analysis.readers.scores`."""
    scores = read_scores(source)
    digits = "as many as needed" if scores.decimals is None else f"always {scores.decimals}"
    return Scored("scores", source, scores.frame, {"decimals printed": digits})


def from_model(
    model: str,
    dataset: RerankingSet,
    dtype: str,
    *,
    engine: str | None = None,
    trust_remote_code: bool = False,
) -> Scored:
    """Run a model in a forward dtype and put its logits through an engine's path.

    Without an engine the sigmoid is evaluated in float32. In a dtype other than float32 the pairs
    are scored in float32 as well, for comparison. Logits come from the store where it has them.
    """
    path = _path(engine, dtype)
    from analysis import models, scoring  # torch and transformers: other sources need neither
    from analysis.store import Store

    reranker = models.load(model, trust_remote_code=trust_remote_code)
    dtypes = list(dict.fromkeys([dtype, "float32"]))
    logits = scoring.score(dataset, reranker, dtypes, store=Store())
    by_dtype = {name: rows.reset_index(drop=True) for name, rows in logits.groupby("forward_dtype")}
    frame = by_dtype[dtype][["query_id", "passage_id", "logit"]].copy()
    frame.insert(2, "score", path.scores(frame["logit"]))
    return Scored(
        "model",
        model,
        frame,
        {"data": dataset.name, "score path applied": str(path)},
        path,
        by_dtype["float32"]["logit"],
    )


def _path(engine: str | None, dtype: str) -> ScorePath:
    if engine is not None:
        return engine_path(engine, dtype)
    return replace(FLOAT32_REFERENCE, forward_dtype=dtype, name="")


def _ask_all(
    server: Server, by_query: list[tuple[str, pd.DataFrame]], kept: KeptAnswers, progress: bool
) -> list[Answer]:
    """Answers of all queries in order, the kept ones not asked for again."""
    queries = [partial(_ask, server, query_id, rows) for query_id, rows in by_query]
    with kept.locked():
        _drop_outdated(kept, queries)
        bar = tqdm(total=len(queries), unit="query", desc="asking", disable=not progress)
        with bar:
            answers = []
            for number, ask in enumerate(queries):
                answer = kept.get(number)
                if answer is None:
                    answer = ask()
                    kept.put(number, answer)
                answers.append(answer)
                bar.update()
        kept.remove()
    return answers


def _ask(server: Server, query_id: str, rows: pd.DataFrame) -> Answer:
    query, documents = rows["query"].iloc[0], rows["passage"].tolist()
    asked = f"query {query_id!r}"
    scores = server.scores(query, documents, asked=asked)
    logits = server.scores(query, documents, raw=True, asked=asked) if server.offers_raw else None
    return Answer(query_id, scores, logits)


def _drop_outdated(kept: KeptAnswers, queries: list[partial[Answer]]) -> None:
    """Drop what is kept if the server now answers its first query otherwise."""
    first = kept.get(0)
    if first is None:
        return
    if queries[0]() == first:
        n_kept = sum(kept.get(number) is not None for number in range(len(queries)))
        print(f"going on after {n_kept} of {len(queries)} queries", file=sys.stderr)
    else:
        print("the server answers differently now: asking everything anew", file=sys.stderr)
        kept.discard()
