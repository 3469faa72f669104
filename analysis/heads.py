"""Heads: how one logit comes from the network.

A cross-encoder with one label gives the logit itself. A yes/no language model gives two, (no, yes),
and what is done to them decides how many scores are left:

==================== ==================================================== ======================
kind                 evaluation                                           who does it
==================== ==================================================== ======================
``one``              the only output                                      cross-encoders
``difference``       yes − no, subtracted in a dtype: the forward dtype,  sentence-transformers,
                     or float32 after an upcast                           mxbai-rerank v2
``rows``             the head's two rows are subtracted in float32 before vLLM
                     they meet the hidden state: one float32 logit
``softmax``          ``softmax([no, yes])[yes]`` in a dtype               llama.cpp, Qwen3
``log-softmax``      its logarithm                                        monoT5 (pygaggle)
``exp log-softmax``  the exponential of that                              Qwen's reference, mteb
==================== ==================================================== ======================

Each depends on the difference of the two logits alone, so a logit stands for the pair (0, logit).
A softmax subtracts in float32 (in float64, if it is evaluated there), whatever the pair's dtype.
The last bits are those of torch's CPU kernels: a half-type softmax is computed in float32 and
rounded once; a half-type log-softmax rounds the sum of the exponentials, its logarithm and the
result (on CUDA torch computes it in float32: that is ``log-softmax`` in float32, stored in the half
type). The float32 log-softmax takes NumPy's logarithm, which may differ in a last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.exponentials import pair_softmax
from analysis.formats import Floats, Format, format_of, is_wide

HeadKind = Literal["one", "difference", "rows", "softmax", "log-softmax", "exp log-softmax"]
HEAD_KINDS: tuple[HeadKind, ...] = get_args(HeadKind)
TWO_LOGITS = ("logit_no", "logit_yes")
"""The columns of a frame for the two logits of a pair."""
_WITHOUT_DTYPE = ("one", "rows")

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """How one logit comes from the network: a kind of :data:`HEAD_KINDS`, and in which dtype.

    ``one`` and ``rows`` have no dtype to choose. Raises :class:`InputError` for what is not known,
    and for a dtype too many or too few.

    >>> str(Head("difference", "bfloat16"))
    'yes − no in bfloat16'
    """

    kind: HeadKind = "one"
    dtype: str = ""

    def __post_init__(self) -> None:
        if self.kind not in HEAD_KINDS:
            raise InputError(
                f"unknown head {self.kind!r}",
                f"choose one of {', '.join(HEAD_KINDS)}",
                field="head",
            )
        if bool(self.dtype) == (self.kind in _WITHOUT_DTYPE):
            problem = "has no dtype of its own" if self.dtype else "is evaluated in a dtype"
            remedy = "leave it out" if self.dtype else "write it behind a colon: softmax:float32"
            raise InputError(f"the head {self.kind} {problem}", remedy, field="head")
        if self.dtype:
            format_of(self.dtype)

    @classmethod
    def of_text(cls, text: str) -> Head:
        """Read the plain text form, such as ``difference:float32``; :attr:`text` writes it."""
        kind, _, dtype = str(text).partition(":")
        return cls(kind, dtype)

    @property
    def text(self) -> str:
        """The plain text form."""
        return f"{self.kind}:{self.dtype}" if self.dtype else self.kind

    @property
    def has_pair(self) -> bool:
        """Whether two logits leave the network."""
        return self.kind not in _WITHOUT_DTYPE

    @property
    def gives_probability(self) -> bool:
        """Whether what leaves the head is a probability already, in [0, 1]."""
        return self.kind in ("softmax", "exp log-softmax")

    @property
    def gives_logit(self) -> bool:
        """Whether what leaves the head is a logit."""
        return self.kind in ("one", "difference", "rows")

    @property
    def is_monotonic(self) -> bool:
        """Whether a higher logit never has a lower score.

        A half-type log-softmax rounds three times and turns some neighbours round.
        """
        return "log-softmax" not in self.kind or is_wide(self.dtype)

    def logit_dtype(self, forward_dtype: str) -> str:
        """The dtype in which the logit leaves the head, or in which the pair is compared."""
        return "float32" if self.kind == "rows" else self.dtype or forward_dtype

    def difference(self, no: ArrayLike, yes: ArrayLike, forward_dtype: str) -> Values:
        """The difference that the head makes its result of (any shape, the same for both).

        Both are rounded to the forward dtype first and to the head's, but for ``rows``, which are
        subtracted before. Where the difference is the result, it is rounded too. ``one`` takes yes
        as the only output.
        """
        forward = format_of(forward_dtype)
        if self.kind == "one":
            return forward.round(yes).astype(np.float64)
        if self.kind != "rows":
            own = format_of(self.dtype)
            no, yes = (own.round(forward.round(label).astype(np.float64)) for label in (no, yes))
        exact = np.asarray(yes, dtype=np.float64) - np.asarray(no, dtype=np.float64)
        if not self.gives_logit:
            return exact
        return format_of(self.logit_dtype(forward_dtype)).round(exact).astype(np.float64)

    def evaluate(self, logits: ArrayLike) -> Values:
        """What leaves the head for differences of the logits that it compares, shape kept."""
        exact = np.asarray(logits, dtype=np.float64)
        if self.gives_logit:
            return exact
        number_format = format_of(self.dtype)
        if self.kind == "softmax":
            return _softmax(exact, number_format)
        logarithm = _log_softmax(exact, number_format)
        if self.kind == "log-softmax":
            return logarithm
        return number_format.round(_exp(logarithm, number_format)).astype(np.float64)

    def __str__(self) -> str:
        if self.kind == "one":
            return "one logit"
        if self.kind == "rows":
            return "rows of the head subtracted in float32"
        what = "yes − no" if self.kind == "difference" else f"{self.kind} over (no, yes)"
        return f"{what} in {self.dtype}"


def distinct_differences(level: float, width: float, dtype: str | Format) -> int:
    """How many differences in [−width, width] two logits around ``level`` can have.

    Both lie between the powers of two around ``level``, where a dtype has one spacing; so their
    differences are its multiples, ``2 * floor(width / spacing) + 1`` of them, and the dtype holds
    each exactly: subtracting them in float32 restores nothing. Rows that are subtracted first
    leave as many as float32 has values there.

    >>> distinct_differences(25.0, 0.375, "bfloat16"), distinct_differences(25.0, 0.375, "float16")
    (7, 49)
    """
    number_format = format_of(dtype)
    spacing = float(number_format.spacing(abs(level)))
    binade = 2.0 ** np.floor(np.log2(abs(level))) if level else 0.0
    if not 0 <= width < binade:
        raise InputError(
            f"logits around {level} do not differ by {width} with one spacing",
            f"give a width of at least 0 and below {binade:g}",
            field="width",
        )
    return 2 * int(width / spacing) + 1


def _softmax(logits: Values, number_format: Format) -> Values:
    if number_format.bits > 32:
        largest = np.maximum(logits, 0)
        exponential = np.exp(logits - largest)
        return exponential / (np.exp(-largest) + exponential)
    return number_format.round(pair_softmax(logits)).astype(np.float64)


def _log_softmax(logits: Values, number_format: Format) -> Values:
    """Subtract the larger logit, then the logarithm of the sum, in the dtype."""
    wide = np.float64 if number_format.bits > 32 else np.float32
    largest = np.maximum(logits, 0).astype(wide)
    shifted = logits.astype(wide) - largest
    total = number_format.round(_exp(-largest, wide) + _exp(shifted, wide)).astype(wide)
    logarithm = number_format.round(np.log(total)).astype(wide)
    return number_format.round(shifted - logarithm).astype(np.float64)


def _exp(values: Floats, dtype: type | Format) -> Floats:
    wide = dtype if isinstance(dtype, type) else np.float64 if dtype.bits > 32 else np.float32
    with np.errstate(under="ignore"):
        return np.exp(np.asarray(values).astype(wide))
