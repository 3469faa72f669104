"""The measures, each with its expectation and its variance over tie orders in closed form.

A tie group has n passages, r of them relevant, with c passages and B relevant ones above it; t of
its places lie within the cut-off k. R relevant passages are judged. Every order inside a group is
equally likely, independently of the other groups. Expectations are those of McSherry and Najork
("Computing information retrieval performance measures efficiently in the presence of tied scores",
ECIR 2008), for graded gains where a measure has them; variances are derived here. The measures
themselves: nDCG, K. Järvelin and J. Kekäläinen, ACM TOIS 20(4), 2002; RR, E. Voorhees, TREC-8
question answering track report, 1999; Success, trec_eval; P, R and AP, C. J. van Rijsbergen,
Information Retrieval, 1979.

Minimum, maximum and the value under a tie rule need no formulas of their own: they are
expectations over groups of one passage.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputError, quoted
from analysis.metrics.first_hits import FirstHits
from analysis.metrics.groups import Judgements, TieGroups
from analysis.metrics.sums import Floats, Ints, PrefixSums, ranges


@dataclass(frozen=True)
class Measure(ABC):
    """A measure with its cut-off (None: the whole list); take one with :func:`measure_of`."""

    cutoff: int | None = None

    label: ClassVar[str]
    needs_cutoff: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As it is written: ``nDCG@10``, or ``AP`` for the whole list."""
        return self.label if self.cutoff is None else f"{self.label}@{self.cutoff}"

    @abstractmethod
    def expected(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """Expected value of each query over the orders of its ties, shape (n_queries,)."""

    @abstractmethod
    def variance(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """Variance of each query's value over the orders of its ties, shape (n_queries,).

        Exactly 0 where no order of the ties changes the value.
        """


class _NDCG(Measure):
    """Discounted cumulative gain of the ranking by that of the ideal one; linear gains.

    The expected DCG of a group is its mean gain times the sum of its places' discounts. The
    variance of Σ gain·discount over random assignments is Σ(w − w̄)² Σ(g − ḡ)² / (n − 1), with a
    discount w of 0 beyond the cut-off.
    """

    label = "nDCG"

    def expected(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.expected`."""
        return _share(self._dcg(groups), self._dcg(judgements.ideal))

    def variance(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.variance`."""
        groups = groups.where((groups.unequal > 0) & (groups.within(self.cutoff) > 0))
        of_gains = groups.unequal / (groups.size * (groups.size - 1))
        variance = groups.per_query(self._unequal_discounts(groups) * of_gains)
        return _share(variance, self._dcg(judgements.ideal) ** 2)

    def _dcg(self, groups: TieGroups) -> Floats:
        within = groups.within(self.cutoff)
        first = np.where(within > 0, groups.above, 0)
        discounts = PrefixSums(_discounts(_depth(first + within)))
        places = discounts.between(first, first + within)
        return groups.per_query(groups.gain / groups.size * places)

    def _unequal_discounts(self, groups: TieGroups) -> Floats:
        """Σ(w − w̄)² of each group, in two passes so that nothing cancels."""
        within = groups.within(self.cutoff)
        owner, offset = ranges(within)
        discount = _discounts(_depth(groups.above + within))[groups.above[owner] + offset]
        mean = np.bincount(owner, weights=discount, minlength=len(within)) / groups.size
        squares = np.bincount(owner, weights=(discount - mean[owner]) ** 2, minlength=len(within))
        return squares + (groups.size - within) * mean**2


class _ReciprocalRank(Measure):
    """One over the rank of the first relevant passage; 0 if there is none within the cut-off."""

    label = "RR"

    def expected(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.expected`."""
        hits = FirstHits.of_groups(groups, self.cutoff)
        return hits.per_query(hits.probability / hits.place)

    def variance(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.variance`."""
        hits = FirstHits.of_groups(groups, self.cutoff)
        mean = hits.per_query(hits.probability / hits.place)
        distance = 1 / hits.place - mean[hits.query]
        return hits.per_query(hits.probability * distance**2) + hits.missed * mean**2


class _Success(Measure):
    """1 if there is a relevant passage within the cut-off, else 0."""

    label = "Success"

    def expected(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.expected`."""
        hits = FirstHits.of_groups(groups, self.cutoff)
        return hits.per_query(hits.probability)

    def variance(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.variance`."""
        return self.expected(groups, judgements) * FirstHits.of_groups(groups, self.cutoff).missed


class _Hits(Measure):
    """Number of relevant passages within the cut-off, over a denominator.

    Only a group that straddles the cut-off is uncertain; its number is hypergeometric.
    """

    @abstractmethod
    def _denominator(self, judgements: Judgements) -> Floats:
        """What the number of hits is divided by, shape (n_queries,)."""

    def expected(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.expected`."""
        hits = groups.relevant * groups.within(self.cutoff) / groups.size
        return _share(groups.per_query(hits), self._denominator(judgements))

    def variance(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.variance`."""
        drawn = groups.within(self.cutoff)
        variance = _hypergeometric_variance(groups.size, groups.relevant, drawn)
        return _share(groups.per_query(variance), self._denominator(judgements) ** 2)


class _Precision(_Hits):
    """Share of relevant passages among the first k; shorter lists are divided by k too."""

    label = "P"
    needs_cutoff = True

    def _denominator(self, judgements: Judgements) -> Floats:
        return np.full(len(judgements.n_relevant), float(self.cutoff or 0))


class _Recall(_Hits):
    """Share of the judged relevant passages that are among the first k."""

    label = "R"

    def _denominator(self, judgements: Judgements) -> Floats:
        return judgements.n_relevant.astype(np.float64)


class _AveragePrecision(Measure):
    """Precision at each relevant passage within the cut-off, summed and divided by R.

    The place c + j of a group holds a relevant passage with probability r/n and then adds
    [B + 1 + (j − 1)(r − 1)/(n − 1)] / (c + j), given what the j − 1 places before it are expected
    to hold. The variance is in :meth:`_group_variance`.
    """

    label = "AP"

    def expected(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.expected`."""
        within = groups.within(self.cutoff)
        first = np.where(within > 0, groups.above, 0)
        inverse = PrefixSums(_inverses(_depth(first + within))).between(first, first + within)
        before = (groups.relevant - 1) / np.maximum(groups.size - 1, 1)
        # Σ (j - 1)/(c + j) over the t places is t - (c + 1) Σ 1/(c + j).
        sums = (groups.relevant_above + 1) * inverse + before * (within - (first + 1) * inverse)
        total = groups.per_query(groups.relevant / groups.size * sums)
        return _share(total, judgements.n_relevant)

    def variance(self, groups: TieGroups, judgements: Judgements) -> Floats:
        """As :meth:`Measure.variance`."""
        mixed = (groups.relevant > 0) & (groups.relevant < groups.size)
        groups = groups.where(mixed & (groups.within(self.cutoff) > 0))
        variance = groups.per_query(self._group_variance(groups))
        return _share(variance, judgements.n_relevant.astype(np.float64) ** 2)

    def _group_variance(self, groups: TieGroups) -> Floats:
        """Variance of Σ precision in each group, as a sum of squares, so that nothing cancels.

        Look at the places one by one. Whether place j is relevant moves the expectation of the
        sum by Δ(s) = u + v·s, where s relevant passages stand on the places before it: what the
        place adds itself, less what is then no longer to come. With m = n − j + 1 passages left,
        r − s of them relevant, the move has the variance (r − s)(m − r + s)/m² · Δ(s)², and the
        moves of different places are uncorrelated (martingale differences). Averaging over s:
        (r − s)(m − r + s) counts pairs of a relevant and an irrelevant passage among those left;
        fixing one such pair leaves s hypergeometric, r − 1 relevant ones among n − 2.
        """
        within = groups.within(self.cutoff)
        owner, offset = ranges(within)
        n, r = groups.size[owner], groups.relevant[owner]
        u, v = self._moves(groups, within, owner, offset)
        others = np.maximum(n - 2, 1)
        mean = offset * (r - 1) / others
        spread = _hypergeometric_variance(others, r - 1, offset)
        left = n - offset
        pairs = (left - 1) / left * (r * (n - r) / (n * (n - 1)))
        squares = pairs * ((u + v * mean) ** 2 + v**2 * spread)
        return np.bincount(owner, weights=squares, minlength=len(within))

    def _moves(
        self, groups: TieGroups, within: Ints, owner: Ints, offset: Ints
    ) -> tuple[Floats, Floats]:
        """Coefficients u and v of each place c + offset + 1 in Δ(s) = u + v·s."""
        place = groups.above[owner] + offset + 1
        last = groups.above[owner] + within[owner]
        r, above = groups.relevant[owner], groups.relevant_above[owner]
        inverses = _inverses(_depth(last))
        here = inverses[place - 1]
        later = PrefixSums(inverses).between(place, last)  # Σ 1/l over the later places l
        gaps = (last - place) - (place + 1) * later  # Σ (l - place - 1)/l
        left = np.maximum(groups.size[owner] - offset - 1, 1)
        per_one = later / left
        per_two = 2 * gaps / (left * np.maximum(left - 1, 1))
        u = here * (above + 1) + per_one * (r - above - 2) - per_two * (r - 1)
        return u, here - 2 * per_one + per_two


MEASURES: dict[str, type[Measure]] = {
    measure.label: measure
    for measure in (_NDCG, _ReciprocalRank, _AveragePrecision, _Precision, _Recall, _Success)
}
"""Every measure this package knows, by its name without a cut-off."""

_SPELLINGS = {
    "nDCG": ("ndcg", "ndcg_cut"),
    "AP": ("ap", "map", "map_cut"),
    "RR": ("rr", "mrr", "recip_rank"),
    "P": ("p", "precision"),
    "R": ("r", "recall"),
    "Success": ("success", "hit_rate"),
}
"""How trec_eval (``ndcg_cut_10``, ``map``, ``recip_rank``), pytrec_eval (``ndcg_cut.10``), mteb
(``ndcg_at_10``, ``hit_rate_at_10``) and papers (``MRR@10``) call them, in small letters."""
_LABELS = {name: label for label, names in _SPELLINGS.items() for name in names}
_CUT = "_cut"  # trec_eval's word for "at a cut-off", of which it prints several if none is named
_NAME = re.compile(r"([A-Za-z]+(?:_[A-Za-z]+)*?)(?:(?:@|_at_|_|\.)([1-9][0-9]{0,8}))?")


def measure_of(name: str | Measure) -> Measure:
    """Return the measure of that name, such as ``nDCG@10`` or ``AP``.

    The names of trec_eval and mteb do as well (``ndcg_cut_10``, ``map``, ``mrr_at_10``), in
    capital or small letters. Raises :class:`InputError` for an unknown name, a cut-off that is no
    whole number above 0, and ``P`` without one.
    """
    if isinstance(name, Measure):
        return name
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    word = match[1].lower() if match else ""
    if word not in _LABELS:
        raise InputError(
            f"unknown measure {quoted(name)}",
            f"choose one of {', '.join(MEASURES)}, with a cut-off such as nDCG@10",
            field="measure",
        )
    measure = MEASURES[_LABELS[word]](None if match[2] is None else int(match[2]))
    if measure.cutoff is None and (measure.needs_cutoff or word.endswith(_CUT)):
        raise InputError(
            f"{name} needs a cut-off",
            f"write it as {measure.label}@10, for instance",
            field="measure",
        )
    return measure


def _share(part: Floats, whole: NDArray) -> Floats:
    """``part / whole``, and 0 where there is no whole (a query without relevant passages)."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _hypergeometric_variance(size: Ints, relevant: Ints, drawn: Ints) -> Floats:
    share = relevant / size
    return drawn * share * (1 - share) * (size - drawn) / np.maximum(size - 1, 1)


def _depth(last: Ints) -> int:
    return int(last.max(initial=0))


def _inverses(depth: int) -> Floats:
    return 1 / np.arange(1, depth + 1)


def _discounts(depth: int) -> Floats:
    return 1 / np.log2(np.arange(2, depth + 2))
