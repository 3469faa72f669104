"""Scoring: the logits of a reranking set, once per forward format.

Batch composition and padding change logits in their last bits (bfloat16: up to 0.125), so both
are fixed by the set, the tokeniser and two numbers, are the same for every format, and belong
to the key under which logits are stored. The same run repeated gives the same bits.

That is so for the dtypes here. A network whose activations share one scale in a batch (dynamic
int8) moves by whole logits with its company (:mod:`analysis.auditing.probing`): its logits belong
to the batch, not to the pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from analysis.answering import LOCAL, Answering, Here, answering
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES
from analysis.forwardformats import ForwardFormat, as_format, formats_to_run
from analysis.rerankers import Inputs, Reranker, Tokens
from analysis.store import Store
from analysis.tokenizing import check_length, check_room

COLUMNS = ("query_id", "passage_id", "grade", "forward_format", "forward_dtype", "logit")

_TOKENIZED_AT_ONCE = 1000
_LISTED_PAIRS = 10


def score(
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[str | ForwardFormat] = FORWARD_DTYPES,
    *,
    max_length: int | None = None,
    batch_tokens: int = 8192,
    least_width: int = 1,
    backwards: bool = False,
    deterministic: bool = False,
    store: Store | None = None,
    progress: bool = True,
    engine: str | Answering = LOCAL,
) -> pd.DataFrame:
    """Return the logits of every pair in each forward format, exactly as the network gave them.

    ``formats`` are names of dtypes, which torch runs, plain texts of other formats such as
    ``onnxruntime:int8-dynamic``, or a :class:`~analysis.forwardformats.ForwardFormat`.
    One row per format and pair, formats as given, pairs in the set's order; columns ``query_id,
    passage_id, grade, forward_format, forward_dtype, logit`` (the format's text; logit: float64).
    Where the network gives two logits, of (no, yes), these follow as ``logit_no, logit_yes``, and
    ``logit`` is yes − no, subtracted in float64.

    A pair longer than ``max_length`` tokens (special ones included; at most what the model takes;
    left out, what the reranker was loaded with) is cut as engines cut it: the longer text gives
    way until the pair fits. So the passage is cut, and the query stays whole unless it alone takes
    more than half the room. Of a prompt, whose own tokens count as well, the passage gives way
    first, then a query of more than three quarters of the room (:mod:`analysis.prompts`).
    A batch is a rectangle of at most ``batch_tokens`` tokens, padding included, or one pair.
    Two more measure what such things change (:mod:`analysis.budgets.noise`), and leave the batches'
    pairs together: ``least_width`` pads each of them to so many tokens or more (up to the longest
    pair allowed), ``backwards`` turns the order of the pairs in a batch round.

    ``deterministic`` makes a logit depend on its pair alone: each pair is run by itself, as long as
    it is, on one thread. So the bits are the same for any number of threads, any other pairs in the
    set, and after a restart, on the same kind of CPU with the same libraries. It takes the place of
    ``batch_tokens``, costs speed, and is had on a CPU only.

    With a ``store``, logits are read from it where they are known and put into it where they
    are computed, so that a run that was stopped goes on where it was. With the ``engine`` ``"ray"``
    the batches are answered by a Ray cluster (:mod:`analysis.clusters`), not by this process.

    Raises :class:`InputError` for a format that is not run here or on this device, for lengths too
    small, and for logits that are not finite (float16 overflows in some models); all formats are
    scored and stored before.
    """
    for kind, given, call in (
        (RerankingSet, dataset, 'read("german")'),
        (Reranker, reranker, 'load("demo")'),
    ):
        if not isinstance(given, kind):
            raise InputError(f"a {type(given).__name__} is no {kind.__name__}", f"give {call}")
    if deterministic:
        _check_deterministic(reranker, least_width)
    numbers = {
        "max_length": reranker.max_length if max_length is None else max_length,
        "batch_tokens": 1 if deterministic else batch_tokens,  # a batch holds one pair at least
        "least_width": least_width,
    }
    for name, number in numbers.items():
        check_length(number, name)
    with answering(engine, reranker, deterministic=deterministic) as answers:
        plan = _Plan(dataset, reranker, **numbers, backwards=backwards, answers=answers)
        scored = _scored(plan, formats, store, progress)
        _check_finite(scored, plan)
    return scored


def _check_deterministic(reranker: Reranker, least_width: int) -> None:
    """Raise :class:`InputError` for what logits would depend on beside their pair."""
    if reranker.device.type != "cpu":
        raise InputError(
            f"deterministic logits are had on a CPU, and the model is on {reranker.device}",
            'load it with device="cpu"',
            field="deterministic",
        )
    if least_width != 1:
        raise InputError(
            "a deterministic pair is as long as it is", "leave it out", field="least_width"
        )


def _scored(
    plan: _Plan,
    formats: Sequence[str | ForwardFormat],
    store: Store | None,
    progress: bool,
) -> pd.DataFrame:
    """The rows of each format, one after another; logits may be infinite or NaN."""
    dataset, reranker = plan.dataset, plan.reranker
    frames = []
    for forward_format in formats_to_run(formats):
        frame = dataset.pairs[["query_id", "passage_id", "grade"]].copy()
        frame["forward_dtype"] = _texts(forward_format.forward_dtype, frame)
        logits = _logits(plan, frame, forward_format, store, progress)
        frame.insert(3, "forward_format", _texts(forward_format.text, frame))
        frames.append(_with_logits(frame, logits, reranker.label_names))
    return pd.concat(frames, ignore_index=True)


def _texts(text: str, frame: pd.DataFrame) -> pd.Series:
    """A column that says the same in every row."""
    return pd.Series(text, index=frame.index, dtype="str")


@dataclass(frozen=True)
class _Plan:
    """What the network is given: the same batches for every forward format."""

    dataset: RerankingSet
    reranker: Reranker
    max_length: int
    batch_tokens: int
    least_width: int = 1
    backwards: bool = False
    answers: Answering | None = None

    @property
    def answering(self) -> Answering:
        """Who is given the batches: this process, if nobody is named."""
        return self.answers or Here(self.reranker)

    @property
    def length(self) -> int:
        """Longest pair in tokens: as asked, or what the model takes if that is less."""
        return min(self.max_length, self.reranker.max_tokens or self.max_length)

    @cached_property
    def tokens(self) -> Tokens:
        """Token ids (and type ids, where the model has them) of each pair, cut to length."""
        check_room(self.length, self.reranker.least_tokens)
        queries, passages = (self.dataset.pairs[name].tolist() for name in ("query", "passage"))
        tokens = self.reranker.tokens([], [], self.length)
        for start in range(0, len(queries), _TOKENIZED_AT_ONCE):
            some = slice(start, start + _TOKENIZED_AT_ONCE)
            made = self.reranker.tokens(queries[some], passages[some], self.length)
            for name, rows in made.items():
                tokens[name] += rows
        self._check_vocabulary(tokens["input_ids"])
        return tokens

    def _check_vocabulary(self, ids: list[NDArray[np.int64]]) -> None:
        """Check that the network knows every token: a tokeniser of another model may not fit."""
        known = getattr(self.reranker.config, "vocab_size", None)
        highest = max((int(row.max()) for row in ids if row.size), default=0)
        if known is not None and highest >= known:
            raise InputError(
                f"the tokeniser gives the token {highest}, and the network knows {known}",
                "take the tokeniser that belongs to these weights",
                file=self.reranker.folder,
            )

    @cached_property
    def batches(self) -> list[NDArray[np.int64]]:
        """Row numbers of each batch: pairs by length, longest first, equal ones in set order."""
        lengths = np.array([len(row) for row in self.tokens["input_ids"]], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        batches = []
        while len(order):
            size = max(1, self.batch_tokens // int(lengths[order[0]]))
            batches.append(order[:size][::-1] if self.backwards else order[:size])
            order = order[size:]
        return batches

    def inputs(self, rows: NDArray[np.int64]) -> Inputs:
        """One batch, padded to its longest pair; each array has the shape (n_rows, longest)."""
        chosen = {name: [texts[row] for row in rows] for name, texts in self.tokens.items()}
        return self.reranker.batch(chosen, min(self.least_width, self.length))

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that the network is given, batch by batch."""
        digest = hashlib.sha256()
        for rows in self.batches:
            for name, values in self.inputs(rows).items():
                digest.update(f"{name}{values.shape}".encode())
                digest.update(values.astype("<i8").tobytes())
        return digest.hexdigest()

    def key(self, forward_format: ForwardFormat) -> dict[str, Any]:
        """Everything that can change a logit; width and order of the rows show in the batches."""
        return {
            "data": self.dataset.sha256,
            "forward_dtype": forward_format.forward_dtype,
            "max_length": self.length,
            "batch_tokens": self.batch_tokens,
            "batches": self.sha256,
            **self.answering.facts(forward_format),
        }


def _with_logits(
    pairs: pd.DataFrame, logits: NDArray[np.float64], names: tuple[str, ...]
) -> pd.DataFrame:
    """Add the logit of each pair, and the two that it is the difference of, if there are two."""
    if names == ("logit",):
        return pairs.assign(logit=logits[:, 0])
    with np.errstate(invalid="ignore"):  # inf − inf is NaN, which is reported
        difference = logits[:, 1] - logits[:, 0]
    return pairs.assign(logit=difference, **dict(zip(names, logits.T, strict=True)))


def _logits(
    plan: _Plan,
    pairs: pd.DataFrame,
    forward_format: ForwardFormat,
    store: Store | None,
    progress: bool,
) -> NDArray[np.float64]:
    """Logits of all pairs in one format, from the store as far as they are there.

    Shape (n_pairs, 1 or 2).
    """
    names = plan.reranker.label_names

    def compute(wanted: Sequence[int]) -> Iterator[NDArray[np.float64]]:
        """Yield the logits of the batches of these numbers."""
        return _forward(plan, forward_format, [plan.batches[batch] for batch in wanted], progress)

    if store is not None:
        return store.logits(plan.key(forward_format), pairs, plan.batches, compute, names)
    logits = np.empty((len(pairs), len(names)))
    for rows, values in zip(plan.batches, compute(range(len(plan.batches))), strict=True):
        logits[rows] = values
    return logits


def _forward(
    plan: _Plan, forward_format: ForwardFormat, batches: list[NDArray[np.int64]], progress: bool
) -> Iterator[NDArray[np.float64]]:
    """Yield the logits of each batch; the network is loaded if there is any."""
    if not batches:
        return
    answers = plan.answering.answers(forward_format, map(plan.inputs, batches))
    total, name = sum(map(len, batches)), forward_format.name
    bar = tqdm(total=total, desc=name, unit="pair", disable=not progress)
    with closing(bar):
        for rows, logits in zip(batches, answers, strict=True):
            bar.update(len(rows))
            yield logits


def _check_finite(scored: pd.DataFrame, plan: _Plan) -> None:
    """Raise :class:`InputError` that lists pairs whose logit is infinite or NaN.

    It says as well in which layer the first of them overflowed.
    """
    bad = scored[~np.isfinite(scored["logit"])]
    if bad.empty:
        return
    bad = bad.assign(run_in=[as_format(text).name for text in bad["forward_format"]])
    listed = "; ".join(
        f"{row.query_id!r}, {row.passage_id!r}: {row.logit} in {row.run_in}"
        for row in bad.head(_LISTED_PAIRS).itertuples(index=False)
    )
    more = f" and {len(bad) - _LISTED_PAIRS} more" if len(bad) > _LISTED_PAIRS else ""
    formats = ", ".join(bad["run_in"].unique())
    raise InputError(
        f"{len(bad)} of {len(scored)} logits of {plan.reranker.name} are not finite "
        f"(query, passage): {listed}{more}{_located(bad.iloc[0], plan)}",
        f"leave out {formats} (float16 overflows above 65504: bfloat16 and float32 reach "
        "further); what was computed stays in the store, if there is one",
        field="logit",
    )


def _located(bad: pd.Series, plan: _Plan) -> str:
    """Where in the network the logit of a row overflowed; nothing where no layer is seen."""
    forward_format = as_format(bad["forward_format"])
    if not forward_format.is_torch:
        return ""
    place = bad.name % len(plan.dataset.pairs)
    batch = next(rows for rows in plan.batches if place in rows)
    found = plan.answering.locate(forward_format, plan.inputs(batch))
    return f"; in {bad['run_in']} {found}" if found else ""
