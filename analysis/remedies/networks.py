"""Remedies that change what a network is run in, or which pairs it is given at once.

A quantised network harms an order in two ways: its logits are not those of float32, and where the
values of a batch share one scale, they are others in other company. Each remedy is measured against
both, on logits of the format that it leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from analysis.errors import counted
from analysis.forwardformats import FORWARD_FORMATS, ForwardFormat, as_format, of_format
from analysis.remedies.table import AS_IT_IS
from analysis.shifts import ALONE, BATCHES, batch_shifts, shift

_BATCH_COLUMNS = {
    "mean_abs": "batch_mean",
    "largest": "batch_largest",
    "reordered": "batch_reordered",
}


@dataclass(frozen=True)
class NetworkRemedy:
    """A change of the forward format, or of its batches.

    ``line`` is what it takes in Python, in the library that makes or runs the network.
    """

    name: str
    action: str
    repairs: str
    leaves: str
    line: str

    def instead_of(self, own: ForwardFormat) -> ForwardFormat | None:
        """The format that it leads to from another; None where it changes nothing."""
        return next((one for one in FORWARD_FORMATS.values() if self._leads(own, one)), None)

    def _leads(self, own: ForwardFormat, other: ForwardFormat) -> bool:
        """Whether it leads from one format to another."""
        if self is PRECISION:
            return other.text == "openvino:f32" and own.text == "openvino:default"
        if self is WEIGHTS:
            return other.text == "onnxruntime:w8" and own.text == "onnxruntime:int8-dynamic"
        if self is HEAD:
            kept = replace(own, head="float32", recipe=other.recipe)
            return own.activation_scale == "static" and own.head != "float32" and other == kept
        return other == own and own.depends_on_batch


PRECISION = NetworkRemedy(
    name="precision hint",
    action="Set the precision hint, which is otherwise the CPU's to decide",
    repairs="bfloat16 arithmetic that nobody asked for, and logits that differ between CPUs",
    leaves="float32's own last bits",
    line='core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})  # OpenVINO',
)
WEIGHTS = NetworkRemedy(
    name="8-bit weights instead of dynamic int8",
    action="Quantise the weights alone to 8 bits, with activations scaled in blocks of a token",
    repairs="what one scale for a whole batch does: logits that move with their company",
    leaves="the rounding of weights and of activations in blocks, which amplifies the last bits "
    "that differ between batches",
    line="MatMulNBitsQuantizer(onnx.load(file), algo_config=DefaultWeightOnlyQuantConfig("
    "bits=8, accuracy_level=4)).process()  # ONNX Runtime",
)
HEAD = NetworkRemedy(
    name="head in float32",
    action="Leave the head unquantised, where static scales may cut off the highest logits",
    repairs="logits that stop short of float32's highest",
    leaves="the error of the layers below",
    line="nncf.quantize(model, pairs, ignored_scope=nncf.IgnoredScope(names=head))  # OpenVINO",
)
FIXED_BATCHES = NetworkRemedy(
    name="fixed batches",
    action="Give the network each pair alone, so that a logit is the pair's own",
    repairs="logits that depend on their batch",
    leaves="the error of 8-bit activations; and short batches are slower",
    line="cross_encoder.predict(pairs, batch_size=1)  # sentence-transformers",
)
NETWORK_REMEDIES = (PRECISION, WEIGHTS, HEAD, FIXED_BATCHES)
"""Every remedy of this kind; of those that mend as much, the first is taken."""


def network_table() -> pd.DataFrame:
    """What each of these remedies repairs and leaves, and the line of code: one row per remedy."""
    rows = [(one.name, one.repairs, one.leaves, one.line) for one in NETWORK_REMEDIES]
    return pd.DataFrame(rows, columns=["remedy", "repairs", "leaves", "line"])


def formats_led_to(forward_format: ForwardFormat | str) -> list[ForwardFormat]:
    """The formats whose logits it takes to measure what leads away from one: float32, it, others.

    Two where nothing but float32 throughout leads away.
    """
    own = as_format(forward_format)
    led = [other for one in NETWORK_REMEDIES if (other := one.instead_of(own)) is not None]
    return list(dict.fromkeys([as_format("float32"), own, *led]))


def measure_networks(
    logits: pd.DataFrame,
    forward_format: ForwardFormat | str,
    *,
    batched: pd.DataFrame | None = None,
    k: int = 10,
) -> pd.DataFrame:
    """Measure a forward format and the remedies that lead away from it, as far as there are logits.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of torch's float32 and of
    the format; ``batched`` holds the same pairs in several batches, as
    :func:`analysis.shifts.batch_shifts` takes them. One row per remedy, the format itself first:
    ``remedy, forward_format``, what :func:`analysis.shifts.shift` counts against float32, and the
    worst of what other batches change: ``batch_mean, batch_largest`` in logits,
    ``batch_reordered`` queries (missing where nobody measured it). A remedy without logits has no
    row.
    """
    own = as_format(forward_format)
    float32 = of_format(logits, "float32")
    rows = [_row(AS_IT_IS, own, of_format(logits, own), float32, batched, k)]
    for remedy in NETWORK_REMEDIES:
        other = remedy.instead_of(own)
        if other is None:
            continue
        if remedy is FIXED_BATCHES:
            found = None if batched is None else _fixed(own, batched, float32, k)
        else:
            found = _row(remedy.name, other, of_format(logits, other), float32, batched, k)
        rows.append(found)
    return pd.DataFrame([row for row in rows if row is not None])


def _row(
    name: str,
    forward_format: ForwardFormat,
    logits: pd.DataFrame,
    float32: pd.DataFrame,
    batched: pd.DataFrame | None,
    k: int,
) -> dict[str, object] | None:
    """A format held to float32, and to itself in other batches; None without logits of it."""
    if logits.empty:
        return None
    moved = dict.fromkeys(_BATCH_COLUMNS.values(), pd.NA)
    if batched is not None and not (rows := of_format(batched, forward_format)).empty:
        table = batch_shifts(rows, k=k)
        moved = {ours: table[theirs].max() for theirs, ours in _BATCH_COLUMNS.items()}
    return {
        "remedy": name,
        "forward_format": forward_format.text,
        **shift(logits, float32, k=k),
        **moved,
    }


def _fixed(
    own: ForwardFormat, batched: pd.DataFrame, float32: pd.DataFrame, k: int
) -> dict[str, object] | None:
    """A format whose pairs are each a batch of its own; None where not all were scored so."""
    rows = of_format(batched, own)
    alone = rows[rows[BATCHES] == ALONE]
    if len(alone) < len(float32):
        return None
    unmoved = dict.fromkeys(_BATCH_COLUMNS.values(), 0)
    return {
        "remedy": FIXED_BATCHES.name,
        "forward_format": own.text,
        **shift(alone, float32, k=k),
        **unmoved,
    }


def best_network(measured: pd.DataFrame) -> tuple[NetworkRemedy, ForwardFormat] | None:
    """The remedy that was measured to mend most, and the format that it leads to; None for none.

    ``measured`` is a table of :func:`measure_networks`, by remedy. What counts are the queries that
    other batches reorder and those that are reordered against float32, added; a remedy that leaves
    fewer of one and more of the other is not taken.
    """
    now = _harm(measured.loc[AS_IT_IS])
    found = {
        remedy: harm
        for remedy in NETWORK_REMEDIES
        if remedy.name in measured.index
        and (harm := _harm(measured.loc[remedy.name])) != now
        and all(left <= own for left, own in zip(harm, now, strict=True))
    }
    if not found:
        return None
    best = min(found, key=lambda remedy: sum(found[remedy]))
    return best, as_format(measured.loc[best.name, "forward_format"])


def _harm(row: pd.Series) -> tuple[int, int]:
    """Queries that other batches reorder, as far as it was measured, and that the format does."""
    batch = row["batch_reordered"]
    return (0 if pd.isna(batch) else int(batch), int(row["reordered"]))


def network_action(remedy: NetworkRemedy, other: ForwardFormat) -> str:
    """What to do, in a sentence that names the format."""
    return f"{remedy.action} ({other.name})."


def network_reasons(measured: pd.DataFrame, k: int) -> tuple[str, ...]:
    """What was measured of each remedy, in sentences with their numbers."""
    rows = measured.to_dict("index")
    return tuple(sentence for name, row in rows.items() for sentence in _sentences(name, row, k))


def _sentences(name: str, row: Mapping[str, float], k: int) -> Iterator[str]:
    queries = counted(int(row["queries"]), "query", "queries")
    yield (
        f"With {row['forward_format']}, {name}, logits lie {row['mean_abs']:.2g} from float32's on "
        f"average, {row['largest']:.2g} at most: another top {k} in {row['reordered']:,} of "
        f"{queries}, another first place in {row['first_lost']:,}."
    )
    if not pd.isna(row["batch_largest"]) and row["batch_largest"] > 0:
        yield (
            f"In other batches these move by up to {row['batch_largest']:.2g}: another top {k} in "
            f"{row['batch_reordered']:,}."
        )
