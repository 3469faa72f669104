"""What notebook 05 needs: verdicts on scores whose making is known, and their evidence from near.

Recorded runs of real engines, parts of them and lists that were spoilt on purpose; the comb of
scores that a path can return, and the odds as one score after another is held to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.exponentials import pair_softmax
from analysis.fingerprinting import Verdict, fingerprint
from analysis.fingerprinting.attainable import hypotheses, scores_around
from analysis.fingerprinting.evidence import DECIDED, running_odds
from analysis.fingerprinting.observed import Scores, observe
from analysis.fingerprinting.verdict import Kind
from analysis.recordings import RUN_COLUMNS, recorded_path, recordings
from analysis.scorepath import ScorePath

Outcome = Literal["right", "several paths left", "cannot tell", "wrong"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
EVERY_SCORE = "all"
_HEADINGS = {
    "path": "score path",
    "outcome_with_logits": "outcome with the raw logits",
    "odds": "log10 odds against chance",
    "in_half": "right for half of the lists from",
    "in_all": "right for all lists from",
    "teeth": "scores that exist",
    "inside": "scores of the run",
    "attained": "of those attained",
}


def for_people(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of this module that has paths with these and its headings in words."""
    named = [path.computation if path else "no single path" for path in frame["path"]]
    return frame.assign(path=named).rename(columns=_HEADINGS)


@dataclass(frozen=True)
class Known:
    """A list of scores, what made it and the raw logits; scores and logits have one shape (n,).

    ``path`` is None where no single path made the scores; ``kind`` says what did.
    """

    name: str
    path: ScorePath | None
    scores: Scores
    logits: Scores | None = None
    kind: Kind = "sigmoid"

    @classmethod
    def by_path(cls, name: str, path: ScorePath, logits: Scores) -> Known:
        """Scores that a path gives for these logits, rounded to its forward dtype first."""
        kind = "sigmoid" if path.has_sigmoid else "logits"
        return cls(name, path, path.scores(logits), path.logits(logits), kind)


def recorded_runs() -> dict[str, Known]:
    """Every recorded run by its name, as the engine returned it, with its path in the catalogue."""
    runs = {}
    for (engine, version, api, dtype), rows in recordings().groupby(list(RUN_COLUMNS), sort=False):
        path = recorded_path(engine, version, dtype)
        name = f"{engine} {version}{' over HTTP' if api == 'http' else ''}, {dtype}"
        runs[name] = Known(name, path, rows["score"].to_numpy(), rows["logit"].to_numpy())
    return runs


def outcome(verdict: Verdict, known: Known) -> Outcome:
    """Judge a verdict by what made the scores.

    *Right*: one path is found, that one or a bitwise indistinguishable one (such stand together in
    ``verdict.paths``); where no single path made the scores, the right kind. *Several paths left*:
    that one is among them. *Cannot tell*: the verdict says so. All else is *wrong*. The tie rule
    leaves no trace.
    """
    if verdict.kind == "cannot tell":
        return "cannot tell"
    if verdict.kind != known.kind:
        return "wrong"
    if known.path is None:
        return "right"
    if known.path.computation not in [allowed.computation for allowed in verdict.paths]:
        return "wrong"
    return "several paths left" if verdict.path is None else "right"


def verdict_table(runs: Iterable[Known]) -> pd.DataFrame:
    """Verdict on every list, by the scores alone and with the raw logits.

    Columns: ``run, path`` (that made it), ``found, outcome, odds`` (log10, against chance) by the
    scores alone, ``outcome_with_logits``, ``scores, distinct``.
    """
    rows = []
    for run in runs:
        alone, helped = fingerprint(run.scores), fingerprint(run.scores, run.logits)
        judged = outcome(alone, run), alone.odds, outcome(helped, run)
        sizes = alone.n_scores, alone.n_distinct
        rows.append((run.name, run.path, _found(alone), *judged, *sizes))
    judged = ["outcome", "odds", "outcome_with_logits"]
    return pd.DataFrame(rows, columns=["run", "path", "found", *judged, "scores", "distinct"])


def _found(verdict: Verdict) -> str:
    """What a verdict found, in a cell of a table."""
    if verdict.path is not None:
        return verdict.path.computation
    return f"one of {len(verdict.paths)} paths" if verdict.kind == "sigmoid" else verdict.kind


def subsampled(
    runs: Iterable[Known], sizes: Sequence[int], *, repeats: int, seed: int, logits: bool = False
) -> pd.DataFrame:
    """Outcomes of random parts of the runs, drawn without replacement.

    Judged by the scores alone, or with the raw ``logits``. Of each path and size ``repeats`` parts,
    of its runs in turn where those are larger, then every whole run. Each part has its own seed.
    One row per verdict: ``path, size`` (as text; :data:`EVERY_SCORE`: whole), ``n, outcome``.
    """
    alike: dict[str, list[Known]] = {}
    for run in runs:
        alike.setdefault(run.path.computation, []).append(run)
    rows = []
    for place, group in enumerate(alike.values()):
        for size, part in _parts(group, sizes, repeats, [seed, place]):
            verdict = fingerprint(part.scores, part.logits if logits else None)
            rows.append((group[0].path, size, part.scores.size, outcome(verdict, part)))
    return pd.DataFrame(rows, columns=["path", "size", "n", "outcome"])


def _parts(
    runs: list[Known], sizes: Sequence[int], repeats: int, seed: list[int]
) -> Iterator[tuple[str, Known]]:
    """Parts of runs of one path, each with its size in words."""
    for size in sizes:
        for repeat in range(repeats):
            run = runs[repeat % len(runs)]
            if size < run.scores.size:
                rng = np.random.default_rng([*seed, size, repeat])
                chosen = rng.choice(run.scores.size, size, replace=False)
                yield str(size), replace(run, scores=run.scores[chosen], logits=run.logits[chosen])
    yield from ((EVERY_SCORE, run) for run in runs)


def enough(outcomes: pd.DataFrame) -> pd.DataFrame:
    """From how many scores on a path was found, by :func:`subsampled`: one row per path.

    ``in_half`` and ``in_all`` are the smallest number of scores from which on, and in every larger
    size, at least half of the parts or all of them got the right path; missing if never.
    """
    right = outcomes.assign(right=outcomes["outcome"] == "right")
    rows = []
    for path, own in right.groupby("path", sort=False):
        shares = own.groupby("size", sort=False).agg(n=("n", "min"), share=("right", "mean"))
        shares = shares.sort_values("n")
        rows.append((path, _lasting(shares, 0.5), _lasting(shares, 1.0)))
    found = pd.DataFrame(rows, columns=["path", "in_half", "in_all"])
    return found.astype({"in_half": "Int64", "in_all": "Int64"})


def _lasting(shares: pd.DataFrame, least: float) -> int | None:
    short = np.flatnonzero(shares["share"] < least)
    first = 0 if short.size == 0 else int(short[-1]) + 1
    return int(shares["n"].iloc[first]) if first < len(shares) else None


def spoilt(run: Known, float32: Known) -> list[Known]:
    """Lists in which the evidence is gone, or another one than expected; the run itself first.

    ``float32`` is a run of float32 logits on the same pairs, in the same order.
    """
    path, scores, logits = run.path, run.scores, run.logits
    rounded = np.round(scores, 3)
    median = np.full(scores.size, np.median(scores))
    every_second = np.where(np.arange(scores.size) % 2 == 0, scores, float32.scores)
    softmax, twice = pair_softmax(float32.logits).astype(np.float64), path.scores(scores)
    raw = Known.by_path("the raw logits in place of scores", path.raw(), logits)
    narrow = ScorePath("float32", "fused", "float32", "float16")
    return [
        Known("as the engine returned them", path, scores),
        Known("rounded to 3 decimals", path, rounded),
        Known("rounded to 3 decimals, with the logits", path, rounded, logits),
        Known("the first ten", path, scores[:10]),
        Known("the median in place of every score", None, median, kind="constant"),
        Known("1.0 in place of every score", path, np.ones(scores.size)),
        Known(f"every second score by {float32.name}", None, every_second, kind="mixture"),
        Known("a softmax over the labels (0, logit)", None, softmax, kind="softmax"),
        Known("the sigmoid applied twice", None, twice, kind="sigmoid twice"),
        replace(raw, logits=None),
        Known("float32 scores rounded to float16", narrow, narrow.scores(float32.logits)),
    ]


def spoilt_table(lists: Iterable[Known]) -> pd.DataFrame:
    """Verdict on each list: ``list, found, outcome, log10 odds, because, would tell more``."""
    rows = []
    for one in lists:
        found = fingerprint(one.scores, one.logits)
        judged = _found(found), outcome(found, one), found.odds, found.reason, found.wanted
        rows.append((one.name, *judged))
    columns = ["list", "found", "outcome", "log10 odds", "because", "would tell more"]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class Window:
    """A closed interval of scores, given by the logits at its two ends (float64)."""

    logit_low: float
    logit_high: float

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest score inside."""
        low, high = 1 / (1 + np.exp(-np.array([self.logit_low, self.logit_high])))
        return float(low), float(high)

    def of(self, scores: ArrayLike) -> Scores:
        """Return the distinct scores inside, ascending."""
        low, high = self.ends
        distinct = np.unique(np.asarray(scores, dtype=np.float64))
        return distinct[(distinct >= low) & (distinct <= high)]


def busiest_window(scores: ArrayLike, width: float = 0.25) -> Window:
    """Window of so many logits that holds most distinct scores of at least 0.99; the lowest such.

    It begins at a score. If none is so high, any but 0 and 1 counts; without any: around logit 0.
    """
    distinct = np.unique(np.asarray(scores, dtype=np.float64))
    inner = distinct[(distinct > 0) & (distinct < 1)]
    high = inner[inner >= 0.99]
    chosen = high if high.size else inner
    if not chosen.size:
        return Window(-width / 2, width / 2)
    logits = np.log(chosen) - np.log1p(-chosen)
    held = np.searchsorted(logits, logits + width, side="right") - np.arange(logits.size)
    first = float(logits[np.argmax(held)])
    edge = 1e-6 * width  # the first score is inside, whatever its logit was rounded to
    return Window(first - edge, first + width)


def teeth(path: ScorePath, window: Window) -> Scores:
    """Every score that a sigmoid path can return inside a window, ascending."""
    return window.of(scores_around(path, window.logit_low, window.logit_high))


def comb_table(paths: Iterable[ScorePath], window: Window, scores: ArrayLike = ()) -> pd.DataFrame:
    """How many of the scores in a window each path can return.

    One row per path: ``path, teeth`` (scores that exist there), ``inside`` (distinct ones of
    ``scores`` in the window), ``attained`` (of these, bit for bit).
    """
    inside = window.of(scores)
    rows = []
    for path in paths:
        comb = teeth(path, window)
        rows.append((path, comb.size, inside.size, int(np.isin(inside, comb).sum())))
    return pd.DataFrame(rows, columns=["path", "teeth", "inside", "attained"])


@dataclass(frozen=True)
class Line:
    """Odds of one path while scores are read one after another.

    ``odds[i]`` is the log10 odds against chance after ``i + 1`` distinct scores. The line ends
    before the first score that the path cannot return: ``refuted`` says whether there is one.
    """

    path: ScorePath
    odds: NDArray[np.float64]
    refuted: bool

    @property
    def decided_after(self) -> int | None:
        """Number of scores from which on the odds stay where a verdict is given, if they do."""
        short = np.flatnonzero(self.odds < DECIDED)
        first = 0 if short.size == 0 else int(short[-1]) + 1
        return first + 1 if not self.refuted and first < self.odds.size else None


@dataclass(frozen=True)
class Reading:
    """The distinct scores of a run, read in random order: the line of each path, its own too.

    Paths that one set stands for have one line.
    """

    run: Known
    lines: list[Line]

    @property
    def own(self) -> Line:
        """The line of the path that made the scores."""
        made_by = self.run.path.computation
        return next(line for line in self.lines if line.path.computation == made_by)


def read(run: Known, paths: Iterable[ScorePath], seed: int) -> Reading:
    """Read the scores of a run, which a sigmoid path made, and reckon the odds of every path's set.

    Its own path is one of them. The odds are those of the verdict, less the best odds of a
    distribution without steps of its own (:mod:`analysis.fingerprinting.evidence`).
    """
    observed = observe(np.unique(run.scores))
    size = observed.scores.size
    observed = observed.take(np.random.default_rng(seed).permutation(size))
    smooth = [running_odds(one, observed) for one in hypotheses() if one.family == "smooth"]
    chance = np.max([np.zeros(size), *smooth], axis=0)
    wanted = {path.computation for path in (*paths, run.path)}
    lines = []
    for one in hypotheses():
        named = [path for path in one.paths if path.computation in wanted]
        if one.family == "sigmoid" and named:
            odds = running_odds(one, observed)
            odds = (odds - chance)[np.isfinite(odds)]
            lines.append(Line(named[0], odds, odds.size < size))
    return Reading(run, lines)


def odds_table(readings: Iterable[Reading]) -> pd.DataFrame:
    """What reading showed, a row per run: its own path, and which others the scores refuted."""
    rows = []
    for reading in readings:
        own = reading.own
        others = [line for line in reading.lines if line is not own]
        left = [line for line in others if not line.refuted]
        ends = [line.odds.size + 1 for line in others if line.refuted]
        leads = [own.odds[-1] - line.odds[-1] for line in left if not own.refuted]
        rows.append(
            {
                "run": reading.run.name,
                "decided after": own.decided_after,
                "other paths refuted": f"{len(ends)} of {len(others)}",
                "the last by score number": max(ends, default=None),
                "not refuted": "; ".join(line.path.computation for line in left),
                "log10 odds, its own over theirs": min(leads, default=None),
            }
        )
    return pd.DataFrame(rows)
