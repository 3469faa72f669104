"""Forward formats: what a network is run by, and in which numbers.

A dtype says it for torch. Elsewhere weights, activations and the head may each have another number
format, and 8-bit activations have a scale; on whose values that scale depends decides whether a
logit belongs to its pair or to its batch.

A format that can be run here or is recorded has a plain text, ``runtime:recipe``, by which
:func:`analysis.scoring.score` and the command line take it (:data:`FORWARD_FORMATS`). One that is
calibrated names on what as well: ``openvino:int8-static@relevant``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import pandas as pd

from analysis.errors import InputError, quoted
from analysis.formats import FORMATS, FORWARD_DTYPES, NETWORK_DTYPES

ActivationScale = Literal["none", "static", "token", "block", "tensor"]
CALIBRATIONS: MappingProxyType[str, str] = MappingProxyType(
    {"relevant": "relevant pairs", "random": "random pairs", "reviews": "film reviews"}
)
"""What static scales are found on, by name; :mod:`analysis.runtimes.calibrating`."""

_SCALES = {
    "static": "a scale fixed before",
    "token": "a scale per token",
    "block": "a scale per block of a token",
    "tensor": "one scale for the whole batch",
}
_TORCH = "torch"


@dataclass(frozen=True, kw_only=True)
class ForwardFormat:
    """What runs a network, and the number format of each of its parts.

    ``runtime`` computes; ``recipe`` is how the runtime's users call the way the network is made.
    ``weights`` and ``activations`` are number formats (torch's names, or a runtime's own such as
    ``q8_0``; ``native``: the runtime decides by the CPU), ``arithmetic`` what they are multiplied
    in, ``head`` what the last layer has. ``activation_scale`` says which values share the scale of
    quantised activations: ``none`` where they are not quantised, ``static`` where it was found
    beforehand, on the texts that ``calibration`` names, else those of a token, of a block of one,
    or of the whole batch (``tensor``). ``forward_dtype`` is the dtype that logits leave in.
    """

    runtime: str
    recipe: str
    weights: str = "float32"
    activations: str = "float32"
    activation_scale: ActivationScale = "none"
    arithmetic: str = "float32"
    head: str = "float32"
    calibration: str = ""
    forward_dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.activation_scale not in get_args(ActivationScale):
            raise InputError(
                f"unknown activation scale {quoted(self.activation_scale)}",
                f"choose one of {', '.join(get_args(ActivationScale))}",
                field="activation_scale",
            )

    @classmethod
    def of_text(cls, text: str) -> ForwardFormat:
        """Read the plain text of a format; the name of a dtype stands for torch's format.

        Raises :class:`InputError` for a text that is no known format's.
        """
        known = f"{_TORCH}:{text}" if text in FORMATS else text
        if known not in FORWARD_FORMATS:
            raise InputError(
                f"{quoted(text)} is no forward format",
                f"choose one of {', '.join(FORWARD_FORMATS)}",
                field="forward_format",
            )
        return FORWARD_FORMATS[known]

    @property
    def text(self) -> str:
        """The format in plain text, for frames and a command line."""
        calibration = f"@{self.calibration}" if self.calibration else ""
        return f"{self.runtime}:{self.recipe}{calibration}"

    @property
    def name(self) -> str:
        """What people call it: of torch's formats the dtype alone, else :attr:`text`."""
        return self.forward_dtype if self.is_torch else self.text

    @property
    def is_torch(self) -> bool:
        """Whether torch runs the network as it is, all of it in one dtype."""
        return self.runtime == _TORCH

    @property
    def depends_on_batch(self) -> bool:
        """Whether a logit is expected to depend on what shares its batch.

        So it is where the batch shares one activation scale. Elsewhere a batch still changes the
        last bits of a sum, and quantisation can amplify them: what happens is measured
        (:mod:`analysis.budgets.batching`).
        """
        return self.activation_scale == "tensor"

    @property
    def calibrated_on(self) -> str:
        """What static scales were found on, in words; empty for other scales."""
        return CALIBRATIONS.get(self.calibration, self.calibration)

    def __str__(self) -> str:
        scale = _SCALES.get(self.activation_scale)
        calibrated = f" on {self.calibrated_on}" if self.calibration else ""
        activations = f"{self.activations} activations"
        parts = [
            f"{self.weights} weights",
            f"{activations} with {scale}{calibrated}" if scale else activations,
            f"multiplied in {self.arithmetic}",
            f"{self.head} head",
            f"logits in {self.forward_dtype}",
        ]
        return f"{self.text}: {', '.join(parts)}"


def _uniform(
    runtime: str, recipe: str, dtype: str, forward_dtype: str = "float32"
) -> ForwardFormat:
    """A format that has one number format in all of its parts."""
    return ForwardFormat(
        runtime=runtime,
        recipe=recipe,
        weights=dtype,
        activations=dtype,
        arithmetic=dtype,
        head=dtype,
        forward_dtype=forward_dtype,
    )


def _static(recipe: str, head: str, calibration: str) -> ForwardFormat:
    """OpenVINO's 8-bit format with scales that were found on some texts."""
    return ForwardFormat(
        runtime="openvino",
        recipe=recipe,
        weights="int8",
        activations="int8",
        activation_scale="static",
        arithmetic="int8",
        head=head,
        calibration=calibration,
    )


def _one_dnn(dtype: str, arithmetic: str) -> ForwardFormat:
    """Torch's network in a dtype, its linear layers multiplied by oneDNN."""
    return replace(_uniform("onednn", dtype, dtype, dtype), arithmetic=arithmetic)


def _run_here() -> Iterator[ForwardFormat]:
    """The formats that :func:`analysis.scoring.score` can run."""
    for dtype in NETWORK_DTYPES:
        yield _uniform(_TORCH, dtype, dtype, dtype)
    for dtype in FORWARD_DTYPES:
        yield _one_dnn(dtype, "float32" if dtype == "float16" else dtype)
    yield _uniform("onnxruntime", "float32", "float32")
    yield ForwardFormat(
        runtime="onnxruntime",
        recipe="int8-dynamic",
        weights="int8",
        activations="uint8",
        activation_scale="tensor",
        arithmetic="int8",
        head="int8",
    )
    for recipe, weights in (("w8", "int8"), ("w4", "int4")):
        yield ForwardFormat(
            runtime="onnxruntime",
            recipe=recipe,
            weights=weights,
            activations="int8",
            activation_scale="block",
            arithmetic="int8",
        )
    yield _uniform("openvino", "f32", "float32")
    yield _uniform("openvino", "bf16", "bfloat16")
    yield _uniform("openvino", "default", "native")
    for calibration in CALIBRATIONS:
        yield _static("int8-static", "int8", calibration)
        yield _static("int8-static-head-f32", "float32", calibration)


def _only_recorded() -> Iterator[ForwardFormat]:
    """The formats that logits exist of, run elsewhere, and those that paths can only imagine."""
    for dtype in FORMATS:
        if dtype not in NETWORK_DTYPES:
            yield _uniform(_TORCH, dtype, dtype, dtype)
    yield _uniform("llama.cpp", "f16", "float16")
    for weights in ("q8_0", "q4_0"):
        yield ForwardFormat(
            runtime="llama.cpp",
            recipe=weights,
            weights=weights,
            activations="q8_0",
            activation_scale="block",
            arithmetic="int8",
            head=weights,
        )
    yield ForwardFormat(
        runtime="torchao",
        recipe="int8-dynamic",
        weights="int8",
        activations="int8",
        activation_scale="token",
        arithmetic="int8",
        head="int8",
    )
    for recipe, weights in (("int8-weights", "int8"), ("float8-weights", "float8_e4m3fn")):
        yield ForwardFormat(runtime="torchao", recipe=recipe, weights=weights, head=weights)


RUN_HERE: MappingProxyType[str, ForwardFormat] = MappingProxyType(
    {one.text: one for one in _run_here()}
)
"""The formats that networks can be run in here, by their plain text."""
FORWARD_FORMATS: MappingProxyType[str, ForwardFormat] = MappingProxyType(
    {**RUN_HERE, **{one.text: one for one in _only_recorded()}}
)
"""Every format that has a plain text, by it."""


_CHOICE = f"some of {', '.join(one.name for one in RUN_HERE.values())}"


def as_format(given: str | ForwardFormat) -> ForwardFormat:
    """Return the format that a text or the name of a dtype stands for; a format as it is."""
    if isinstance(given, ForwardFormat):
        return given
    if not isinstance(given, str):
        raise InputError(
            f"{quoted(given)} is no forward format",
            "give a dtype, a text such as 'onnxruntime:int8-dynamic', or a ForwardFormat",
            field="forward_format",
        )
    return ForwardFormat.of_text(given)


def formats_to_run(
    given: Sequence[str | ForwardFormat], field: str = "formats"
) -> tuple[ForwardFormat, ...]:
    """Read a list of formats to be run, before the first is.

    Raises :class:`InputError`, in the name of ``field``, for an empty list, for a format that is
    unknown or not run here, and for one that stands twice.
    """
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise InputError(f"{quoted(given)} is no list", f"give a list of {_CHOICE}", field=field)
    try:
        formats = tuple(map(as_format, given))
    except InputError as error:
        raise InputError(error.problem, error.remedy, field=field) from None
    for one in formats:
        if one not in RUN_HERE.values():
            raise InputError(f"{one.name} is not run here", f"choose {_CHOICE}", field=field)
    if len(set(formats)) < len(formats):
        raise InputError("a forward format is named twice", "name it once", field=field)
    return formats


def format_texts(logits: pd.DataFrame) -> pd.Series:
    """Text of each row's forward format; where a frame of logits does not say it, torch's."""
    if "forward_format" in logits:
        return logits["forward_format"]
    return f"{_TORCH}:" + logits["forward_dtype"].astype(str)


def format_names(rows: pd.DataFrame) -> pd.Series:
    """What people call the forward format of each row, as :func:`format_texts` reads it."""
    return format_texts(rows).map(lambda text: as_format(text).name)


def of_format(logits: pd.DataFrame, given: str | ForwardFormat) -> pd.DataFrame:
    """Those rows of a frame of logits that left the network in one forward format."""
    return logits[format_texts(logits) == as_format(given).text]


def in_format(logits: pd.DataFrame, given: str | ForwardFormat) -> pd.DataFrame:
    """The same logits, put down as of another forward format."""
    chosen = as_format(given)
    return logits.assign(forward_format=chosen.text, forward_dtype=chosen.forward_dtype)


def by_format(logits: pd.DataFrame) -> list[pd.DataFrame]:
    """Split a frame of logits by forward format, in the order of their first rows.

    The parts keep the rows' order and index; a frame without rows is one part.
    """
    texts = format_texts(logits)
    if texts.nunique() <= 1:
        return [logits]
    return [rows for _, rows in logits.groupby(texts, sort=False)]
