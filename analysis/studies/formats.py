"""Forward formats side by side: what other numbers, other company and calibration do; notebook 11.

Formats that run here are scored; the others come from the recording in ``data/formats``, where that
is of the same reranker and set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd

from analysis.checkpoints import ADAPTER_FILES, sha256_of
from analysis.comparisons import compare_measures, differences
from analysis.counting import count, effects
from analysis.datasets import RerankingSet
from analysis.forwardformats import (
    FORWARD_FORMATS,
    ForwardFormat,
    by_format,
    format_texts,
    formats_to_run,
    of_format,
)
from analysis.frames import KEYS
from analysis.metrics import evaluate
from analysis.models import Reranker
from analysis.recordings import formats_about, one_passage, recorded_formats, recorded_runs
from analysis.scorepath import ScorePath
from analysis.scoring import score
from analysis.store import Store
from analysis.tokenizing import MAX_LENGTH

_EXTRA = ("nncf", "onnx", "onnxruntime", "onnxscript", "openvino")
"""What formats outside torch need, the extra ``runtimes``."""
REFERENCE = ForwardFormat.of_text("float32")
_QUERIES = ("queries", "reordered", "first_lost")
_TESTED = ("difference", "low", "high", "p_value", "detectable")
BATCHINGS = {
    ("repeated", 1): "again",
    ("request", 2): "on 2 threads",
    ("padded", 1): "padded",
    ("alone", 1): "alone",
    ("shuffled", 1): "in another batch",
}
"""Words for the recorded circumstances other than a query's candidates together on one thread."""


@dataclass(frozen=True)
class Gathered:
    """Logits in several formats, where those of each come from, and what they cost.

    Formats are in plain text. ``costs`` is that of :func:`costs`, without rows where nothing is
    recorded.
    """

    logits: pd.DataFrame
    scored: tuple[str, ...]
    recorded: tuple[str, ...]
    missing: tuple[str, ...]
    costs: pd.DataFrame


def gather(
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[str],
    *,
    store: Store | None = None,
) -> Gathered:
    """Score a set in float32 and in those of the formats that run here; add what is recorded.

    Formats outside torch need the extra ``runtimes`` and a cross-encoder. Recorded ones are added
    where they are of this reranker and set, whether asked for or not; ``missing`` are those asked
    for that are neither. Raises :class:`InputError` as :func:`analysis.scoring.score` does.
    """
    wanted = formats_to_run(list(dict.fromkeys([REFERENCE.name, *formats])))
    others = has_extra() and reranker.yes_no is None
    chosen = [one for one in wanted if one.is_torch or others]
    frames = [score(dataset, reranker, chosen, store=store)]
    scored = tuple(one.text for one in chosen)
    cost = costs()
    if is_recorded(dataset, reranker):
        everything = recorded_formats()
        frames.append(everything[~everything["forward_format"].isin(scored)])
    else:
        cost = cost.iloc[:0]
    logits = pd.concat(frames, ignore_index=True)
    there = set(logits["forward_format"])
    return Gathered(
        logits=in_order(logits),
        scored=scored,
        recorded=tuple(text for text in FORWARD_FORMATS if text in there.difference(scored)),
        missing=tuple(one.text for one in wanted if one.text not in there),
        costs=cost,
    )


def has_extra() -> bool:
    """Whether the runtimes other than torch are installed."""
    return all(find_spec(name) for name in _EXTRA)


def is_recorded(dataset: RerankingSet, reranker: Reranker) -> bool:
    """Whether the recording in ``data/formats`` is of this reranker and this set."""
    about, adapter = formats_about(), reranker.adapter
    return (
        dataset.sha256 == about["data"]["sha256"]
        and dataset.n_queries == about["data"]["queries"]
        and reranker.max_length == MAX_LENGTH
        and adapter is not None
        and about["adapter"] == {name: sha256_of(adapter / name) for name in ADAPTER_FILES}
    )


def in_order(logits: pd.DataFrame) -> pd.DataFrame:
    """The rows with formats in the order of the catalogue, pairs as they were."""
    place = {text: number for number, text in enumerate(FORWARD_FORMATS)}
    return logits.sort_values(
        "forward_format", key=lambda texts: texts.map(place), kind="stable", ignore_index=True
    )


def name_of(text: str) -> str:
    """What people call a format."""
    return FORWARD_FORMATS[text].name


def side_by_side(logits: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    """Hold each format against torch's float32, by raw logits; one row per other format.

    ``forward_format``; ``mean_abs, largest``: of the differences between logits; ``queries``, and
    of them ``reordered`` (the first ``k``) and ``first_lost``, as :mod:`analysis.counting` has
    them; ``ndcg``; and its ``difference`` from float32's, with the ``low`` and ``high`` end of the
    95 % interval, ``p_value`` and the ``detectable`` difference of
    :func:`analysis.comparisons.compare_measures`. What is about nDCG is missing without grades, and
    for a single query.
    """
    counts = effects(logits, _raw_paths(logits), k=k).set_index("forward_format")
    compared = _compared(logits, k)
    rows = [
        {
            "forward_format": text,
            **_errors(logits, text),
            **{name: int(counts.loc[text, name]) for name in _QUERIES},
            "ndcg": counts.loc[text, "ndcg"],
            **compared.get(text, dict.fromkeys(_TESTED, np.nan)),
        }
        for text in _others(logits)
    ]
    counted = ["forward_format", "mean_abs", "largest", *_QUERIES, "ndcg"]
    return pd.DataFrame(rows, columns=[*counted, *_TESTED])


def _raw_paths(logits: pd.DataFrame) -> list[ScorePath]:
    """The paths that rank by logits, one for each dtype in which they left a network."""
    return [ScorePath(dtype).raw() for dtype in logits["forward_dtype"].unique()]


def _others(logits: pd.DataFrame) -> list[str]:
    return [text for text in format_texts(logits).unique() if text != REFERENCE.text]


def _errors(logits: pd.DataFrame, text: str) -> dict[str, float]:
    error = errors(logits, text)["error"].abs()
    return {"mean_abs": error.mean(), "largest": error.max()}


def errors(logits: pd.DataFrame, text: str) -> pd.DataFrame:
    """A format beside float32: ``query_id, passage_id, logit`` (float32's), ``other, error``."""
    own = of_format(logits, text)[[*KEYS, "logit"]].rename(columns={"logit": "other"})
    both = of_format(logits, REFERENCE)[[*KEYS, "logit"]].merge(own, on=KEYS, validate="1:1")
    return both.assign(error=both["other"] - both["logit"])


def _evaluated(logits: pd.DataFrame, k: int) -> dict[str, pd.DataFrame]:
    """NDCG of each query by format; none without grades or for a single query."""
    if logits["grade"].isna().any() or logits["query_id"].nunique() < 2:
        return {}
    return {
        rows["forward_format"].iloc[0]: evaluate(
            rows.rename(columns={"logit": "score"}), rows, f"nDCG@{k}"
        )
        for rows in by_format(logits)
    }


def _compared(logits: pd.DataFrame, k: int) -> dict[str, dict[str, float]]:
    """Each format's nDCG less float32's, with its test."""
    evaluated = _evaluated(logits, k)
    reference = evaluated.pop(REFERENCE.text, None)
    return {
        text: compare_measures(own, reference).loc[0, list(_TESTED)].to_dict()
        for text, own in evaluated.items()
    }


def gains_and_losses(logits: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    """What the mean of nDCG hides: one row per format other than float32, empty without nDCG.

    ``forward_format``; ``gained, lost``, queries with a higher and a lower nDCG than in float32;
    ``most_gained, most_lost``, the largest of these differences in a query.
    """
    evaluated = _evaluated(logits, k)
    reference = evaluated.pop(REFERENCE.text, None)
    rows = []
    for text, own in evaluated.items():
        difference = differences(own, reference)["difference"]
        rows.append(
            {
                "forward_format": text,
                "gained": int((difference > 0).sum()),
                "lost": int((difference < 0).sum()),
                "most_gained": max(0.0, difference.max()),
                "most_lost": max(0.0, -difference.min()),
            }
        )
    columns = ["forward_format", "gained", "lost", "most_gained", "most_lost"]
    return pd.DataFrame(rows, columns=columns)


def costs() -> pd.DataFrame:
    """What the recorded formats cost: ``forward_format, megabytes``, and ``seconds`` if timed.

    Megabytes (10⁶) of the file of weights; seconds per 100 pairs on one thread.
    """
    runs = recorded_runs()
    found = runs[["forward_format"]].assign(megabytes=runs["bytes"] / 1e6)
    if "seconds" in runs:
        found["seconds"] = runs["seconds"].str["1"]
    return found


def strips() -> pd.DataFrame:
    """The recorded logits of one pair in many companies, widest format first."""
    everything = one_passage()
    widths = everything.groupby("forward_format")["logit"].agg(np.ptp)
    return everything.sort_values(
        "forward_format", key=lambda texts: -texts.map(widths), kind="stable", ignore_index=True
    )


def widths(strips: pd.DataFrame) -> pd.DataFrame:
    """One row per format, in the strips' order: ``forward_format, least, most, width, median``."""
    found = strips.groupby("forward_format", sort=False)["logit"].agg(
        least="min", most="max", width=np.ptp, median="median"
    )
    return found.reset_index()


def moved_by_batches(k: int = 10) -> pd.DataFrame:
    """How the recorded formats answer to another batch; one row per format and circumstance.

    ``forward_format, circumstance`` (:data:`BATCHINGS`), ``scale`` (of the activations); ``pairs``,
    ``mean_abs, largest``: how far logits moved from those of the request; ``queries``, and of
    them ``reordered`` (the first ``k``) and ``first_lost``, held against the request.
    """
    return pd.DataFrame(_moved_by_batches(k))


def _moved_by_batches(k: int) -> Iterator[dict[str, object]]:
    requests = recorded_formats()
    for (batching, threads), name in BATCHINGS.items():
        others = dict(list(recorded_formats(batching, threads=threads).groupby("forward_format")))
        for own in by_format(requests):
            text = own["forward_format"].iloc[0]
            if text in others:
                yield {
                    "forward_format": text,
                    "circumstance": name,
                    "scale": FORWARD_FORMATS[text].activation_scale,
                    **moved(own, others[text], k),
                }


def moved(before: pd.DataFrame, after: pd.DataFrame, k: int) -> dict[str, object]:
    """Hold logits against those of the same pairs before; ``before`` may have other pairs too."""
    before = after[KEYS].merge(before, on=KEYS, validate="1:1")
    scores = [frame[KEYS].assign(score=frame["logit"]) for frame in (after, before)]
    counts = count(*scores, k=k, bounded=False)
    difference = np.abs(before["logit"].to_numpy() - after["logit"].to_numpy())
    return {
        "pairs": len(after),
        "mean_abs": difference.mean(),
        "largest": difference.max(),
        **{name: counts[name] for name in _QUERIES},
    }


def static_formats(logits: pd.DataFrame) -> list[str]:
    """Those of a frame's formats whose activations have a scale that was fixed before."""
    texts = format_texts(logits).unique()
    return [text for text in texts if FORWARD_FORMATS[text].activation_scale == "static"]


def tops(logits: pd.DataFrame) -> pd.DataFrame:
    """What fixed scales leave of the highest logits; one row per static format.

    ``forward_format``; ``calibrated_on``, in words; ``head``; ``largest`` logit, and ``float32``'s
    largest; ``top``, the mean error of the tenth of the pairs that float32 puts highest, below 0
    where scales cut it; ``scatter``, the mean size of the errors of all others.
    """
    rows = []
    for text in static_formats(logits):
        own, named = errors(logits, text), FORWARD_FORMATS[text]
        top = own["logit"] >= own["logit"].quantile(0.9)
        rows.append(
            {
                "forward_format": text,
                "calibrated_on": named.calibrated_on,
                "head": named.head,
                "largest": own["other"].max(),
                "float32": own["logit"].max(),
                "top": own.loc[top, "error"].mean(),
                "scatter": own.loc[~top, "error"].abs().mean(),
            }
        )
    return pd.DataFrame(rows)
