"""Static 8-bit networks for OpenVINO: scales found on named texts, by nncf.

Which texts these are decides what the scales can hold: random pairs never show the activations of a
right answer, and film reviews are no pairs at all. An activation beyond all that was seen is
clipped.

- ``relevant``: the 50 first pairs of the shipped German set in the order of their grades, and 50
  random pairs;
- ``random``: 100 random pairs, a query each with a passage of another one;
- ``reviews``: short English sentences about films, each alone and padded to 384 tokens. So does
  sentence-transformers for any model unless it is told otherwise, with those of SST-2
  (``export_static_quantized_openvino_model``); these are ours (``data/calibration``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from analysis.forwardformats import ForwardFormat
from analysis.places import CALIBRATION
from analysis.readers import load_german
from analysis.rerankers import Inputs, Reranker
from analysis.runtimes.exporting import exported
from analysis.runtimes.extras import needed, quiet, versions
from analysis.runtimes.keeping import digest, kept

FILE = "model.xml"
N_PAIRS = 100
REVIEWS = CALIBRATION / "film_reviews.txt"
REVIEW_WIDTH = 384

OPTIONS: dict[str, Any] = {"model_type": "TRANSFORMER", "preset": "MIXED", "target_device": "CPU"}
"""Arguments of ``nncf.quantize``: symmetric weights, asymmetric activations."""

Pair = tuple[str, str]


def network_file(reranker: Reranker, forward_format: ForwardFormat) -> Path:
    """Return the static 8-bit network of a format; one made before is found.

    Raises :class:`InputError` where the extra ``runtimes`` is missing.
    """
    source = exported(reranker)
    inputs = calibration_inputs(reranker, forward_format.calibration)
    with _alone():
        needed("nncf")
    key = {
        "source": digest(source),
        "options": OPTIONS,
        "head": forward_format.head,
        "calibration": _sha256(inputs),
        "libraries": versions("nncf", "openvino"),
    }
    return kept(key, FILE, lambda file: _quantise(source, file, forward_format.head, inputs))


def calibration_inputs(reranker: Reranker, name: str) -> list[Inputs]:
    """What the network is given to find scales on, by the name of a calibration; always the same.

    Each is a batch of one: pairs without padding, reviews padded.
    """
    if name == "reviews":
        return [_review_inputs(reranker, review) for review in reviews()]
    return [_pair_inputs(reranker, *pair) for pair in calibration_pairs(name)]


def reviews() -> list[str]:
    """The shipped sentences about films."""
    return REVIEWS.read_text("utf-8").splitlines()


def calibration_pairs(name: str) -> list[Pair]:
    """The pairs (query, passage) that go by this name, ``relevant`` or ``random``."""
    pairs = load_german().pairs
    if name == "random":
        return _random_pairs(pairs["query"].tolist(), pairs["passage"].tolist(), N_PAIRS)
    best = pairs.sort_values("grade", ascending=False, kind="stable").head(N_PAIRS // 2)
    right = list(zip(best["query"], best["passage"], strict=True))
    return right + calibration_pairs("random")[: N_PAIRS - len(right)]


def _random_pairs(queries: list[str], passages: list[str], number: int) -> list[Pair]:
    """So many queries, each with a passage that is no candidate of it."""
    rng = np.random.default_rng(0)
    drawn: list[Pair] = []
    while len(drawn) < number:
        one, other = rng.integers(len(queries), size=2)
        if queries[one] != queries[other]:
            drawn.append((queries[one], passages[other]))
    return drawn


def _pair_inputs(reranker: Reranker, query: str, passage: str) -> Inputs:
    """One pair as the network is given it when it scores."""
    return reranker.batch(reranker.tokens([query], [passage], reranker.length))


def _review_inputs(reranker: Reranker, review: str) -> Inputs:
    """One sentence, which is no pair, padded as far as the network goes."""
    width = min(REVIEW_WIDTH, reranker.length)
    encoded = reranker.tokenizer(
        review, truncation=True, max_length=width, return_attention_mask=False
    )
    tokens = {name: [np.array(row, dtype=np.int64)] for name, row in encoded.items()}
    return reranker.batch(tokens, width)


def _sha256(batches: list[Inputs]) -> str:
    """Hash of all that the network is given."""
    found = hashlib.sha256()
    for inputs in batches:
        for name, values in inputs.items():
            found.update(f"{name}{values.shape}".encode())
            found.update(values.astype("<i8").tobytes())
    return found.hexdigest()


def _quantise(source: Path, file: Path, head: str, inputs: list[Inputs]) -> None:
    """Calibrate a network and write it."""
    openvino = needed("openvino")
    with _alone(), quiet():
        nncf = needed("nncf")
        model = openvino.Core().read_model(source)
        kept_wide = _head(model) if head == "float32" else []
        quantised = nncf.quantize(
            model,
            nncf.Dataset(inputs),
            model_type=nncf.ModelType[OPTIONS["model_type"]],
            preset=nncf.QuantizationPreset[OPTIONS["preset"]],
            target_device=nncf.TargetDevice[OPTIONS["target_device"]],
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=kept_wide) if kept_wide else None,
        )
        openvino.save_model(quantised, file, compress_to_fp16=False)


def _head(model: Any) -> list[str]:  # noqa: ANN401
    """Names of the matrix products of the head: those over one vector of each pair."""
    products = [one for one in model.get_ordered_ops() if one.get_type_name() == "MatMul"]
    return [
        one.get_friendly_name()
        for one in products
        if one.input(0).get_partial_shape().rank.get_length() == 2
    ]


@contextmanager
def _alone() -> Iterator[None]:
    """Keep nncf from reporting its use to its makers (when imported), and from drawing bars."""
    from rich import get_console

    console, quiet_before = get_console(), get_console().quiet
    jupyter_before = console.is_jupyter  # a quiet console still shows widgets in a notebook
    ci_before = os.environ.get("NNCF_CI")
    console.quiet, console.is_jupyter, os.environ["NNCF_CI"] = True, False, "1"
    try:
        yield
    finally:
        console.quiet, console.is_jupyter = quiet_before, jupyter_before
        del os.environ["NNCF_CI"]
        if ci_before is not None:
            os.environ["NNCF_CI"] = ci_before
