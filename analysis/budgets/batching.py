"""What a logit owes to the company it keeps: the same pairs in other batches, format by format.

A network gives the same pair other last bits in another batch, and a format whose batch shares one
activation scale gives it another logit. How far that goes, and whether it turns orders round, is
measured here; :attr:`.ForwardFormat.depends_on_batch` says what to expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from analysis import runtimes
from analysis.counting import count
from analysis.datasets import RerankingSet
from analysis.devices import threads
from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES
from analysis.forwardformats import ForwardFormat, formats_to_run
from analysis.frames import check_k
from analysis.rerankers import Forward, Reranker, Tokens

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of a set, tokenised."""

    frame: pd.DataFrame
    reranker: Reranker
    tokens: Tokens

    def logits(self, run: Forward, circumstance: _Circumstance) -> NDArray[np.float64]:
        """Logits of all pairs, of (no, yes) their difference; shape (n_pairs,)."""
        found = np.empty(len(self.frame))
        for rows in circumstance.batches:
            chosen = {name: [texts[row] for row in rows] for name, texts in self.tokens.items()}
            logits = run(self.reranker.batch(chosen, circumstance.width))
            found[rows] = logits[:, -1] - (logits[:, 0] if logits.shape[1] == 2 else 0)
        return found


@dataclass(frozen=True, eq=False)
class _Circumstance:
    """How pairs share batches, and on how many threads (None: as many as there are now)."""

    name: str
    batches: list[Rows]
    width: int = 1
    threads: int | None = None


def measure_batches(
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[str | ForwardFormat] = FORWARD_DTYPES,
    *,
    n_queries: int | None = 8,
    batch_pairs: int = 32,
    k: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Score queries again under other circumstances, and hold orders and logits against requests.

    A request is what a server is asked: the candidates of one query, in batches of at most
    ``batch_pairs``, padded to the longest. One row per circumstance and format: ``circumstance,
    forward_format, forward_dtype, pairs``; ``changed`` (pairs whose logit is another), ``mean_abs``
    and ``largest`` (of the differences, in logits); ``queries``, and of them, as in
    :mod:`analysis.counting`, ``first_lost`` and ``reordered`` (the top ``k``). The circumstances:

    - again: the same requests once more;
    - alone: each pair is a batch of its own;
    - shuffled: batches of ``batch_pairs`` pairs of any queries, drawn with ``seed``;
    - padded to N tokens: requests as wide as twice the longest pair, at most what the reranker
      takes (left out if that is no wider);
    - 1 thread, 2 threads: requests on so many, on a CPU.

    ``n_queries`` are taken evenly from the set; None takes all. Nothing is stored. Raises
    :class:`InputError` as :func:`analysis.scoring.score` does.
    """
    check_k(k)
    if batch_pairs < 1:
        raise InputError(f"{batch_pairs} pairs are no batch", "give 1 or more", field="batch_pairs")
    chosen = formats_to_run(formats)
    pairs = _tokenized(_some_queries(dataset.pairs, n_queries), reranker)
    rows = []
    for forward_format in chosen:
        circumstances = list(_circumstances(pairs, batch_pairs, seed))
        if runtimes.device_of(reranker, forward_format).type != "cpu":
            circumstances = [one for one in circumstances if one.threads is None]
        measured = _measured(pairs, forward_format, circumstances, k, progress)
        rows += [_named(forward_format) | row for row in measured]
    front = ["circumstance", "forward_format", "forward_dtype"]
    table = pd.DataFrame(rows)
    return table[[*front, *table.columns.difference(front, sort=False)]]


def _some_queries(pairs: pd.DataFrame, number: int | None) -> pd.DataFrame:
    """The pairs of so many queries, evenly spaced in the set's order."""
    ids = pairs["query_id"].unique()
    number = len(ids) if number is None else min(number, len(ids))
    taken = ids[np.linspace(0, len(ids) - 1, number).round().astype(int)]
    return pairs[pairs["query_id"].isin(taken)].reset_index(drop=True)


def _tokenized(frame: pd.DataFrame, reranker: Reranker) -> _Pairs:
    texts = frame["query"].tolist(), frame["passage"].tolist()
    return _Pairs(frame, reranker, reranker.tokens(*texts, reranker.length))


def _circumstances(pairs: _Pairs, size: int, seed: int) -> Iterator[_Circumstance]:
    """The requests, then what is held against them."""
    by_query = pairs.frame.groupby("query_id", sort=False).indices.values()
    requests = [batch for rows in by_query for batch in _cut(rows, size)]
    yield _Circumstance("request", requests)
    yield _Circumstance("again", requests)
    yield _Circumstance("alone", _cut(np.arange(len(pairs.frame)), 1))
    shuffled = np.random.default_rng(seed).permutation(len(pairs.frame))
    yield _Circumstance("shuffled", _cut(shuffled, size))
    longest = max(map(len, pairs.tokens["input_ids"]))
    width = min(2 * longest, pairs.reranker.length)
    if width > longest:
        yield _Circumstance(f"padded to {width} tokens", requests, width)
    yield _Circumstance("1 thread", requests, threads=1)
    yield _Circumstance("2 threads", requests, threads=2)


def _cut(rows: Rows, size: int) -> list[Rows]:
    """Rows in batches of at most this size, in their order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _measured(
    pairs: _Pairs,
    forward_format: ForwardFormat,
    circumstances: list[_Circumstance],
    k: int,
    progress: bool,
) -> Iterator[dict[str, object]]:
    """Yield what each circumstance after the first changes against the first."""
    reranker, name = pairs.reranker, forward_format.name
    run, reference = runtimes.forward(reranker, forward_format), None
    bar = tqdm(circumstances, desc=name, unit="pass", disable=not progress)
    with closing(bar):
        for one in bar:
            if one.threads is None:
                logits = pairs.logits(run, one)
            else:
                with threads(one.threads):  # a runtime takes the number when it loads
                    logits = pairs.logits(runtimes.forward(reranker, forward_format), one)
            if reference is None:
                reference = logits
            else:
                yield {"circumstance": one.name, **_change(pairs.frame, reference, logits, k)}


def _change(
    frame: pd.DataFrame, reference: NDArray[np.float64], logits: NDArray[np.float64], k: int
) -> dict[str, object]:
    """How far logits moved, and how many queries stand in another order."""
    moved = np.abs(logits - reference)
    keys = frame[["query_id", "passage_id"]]
    counts = count(keys.assign(score=logits), keys.assign(score=reference), k=k, bounded=False)
    return {
        "pairs": len(frame),
        "changed": int(np.count_nonzero(moved)),
        "mean_abs": float(moved.mean()),
        "largest": float(moved.max()),
        **{name: counts[name] for name in ("queries", "first_lost", "reordered")},
    }


def _named(forward_format: ForwardFormat) -> dict[str, object]:
    return {
        "forward_format": forward_format.text,
        "forward_dtype": forward_format.forward_dtype,
    }
