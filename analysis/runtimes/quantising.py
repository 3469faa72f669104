"""Quantised ONNX networks: the recipes that ONNX Runtime's users follow, by name.

``int8-dynamic`` is what sentence-transformers makes for its CrossEncoder
(``export_dynamic_quantized_onnx_model`` with ``avx512_vnni``, through optimum-onnx): 8-bit weights
with a scale per output channel, 8-bit activations with one scale per tensor, found anew in every
batch; attention's own products too. ``w8`` and ``w4`` keep the weights of every matrix in blocks of
8 or 4 bits (MatMulNBits) and multiply in 8 bits, activations with a scale per block; a head with a
bias, which is no plain matrix product, stays in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.forwardformats import ForwardFormat
from analysis.rerankers import Reranker
from analysis.runtimes.exporting import FILE, exported, is_large
from analysis.runtimes.extras import needed, quiet, versions
from analysis.runtimes.keeping import digest, kept

INT8_DYNAMIC: dict[str, Any] = {
    "weight_type": "QInt8",
    "per_channel": True,
    "reduce_range": False,
    "extra_options": {
        "WeightSymmetric": True,
        "ActivationSymmetric": False,
        "EnableSubgraph": False,
        "ForceSymmetric": False,
        "MatMulConstBOnly": False,  # left out, quantize_dynamic would set it
    },
}
"""Arguments of ``onnxruntime.quantization.quantize_dynamic``, which does what optimum-onnx 0.1.0
does by itself (``optimum/onnxruntime/quantization.py``, ``configuration.py``)."""

WEIGHTS: dict[str, Any] = {"block_size": 128, "is_symmetric": False, "accuracy_level": 4}
"""Options of MatMulNBits beside the bits; accuracy level 4 multiplies in 8 bits."""

_BITS = {"w8": 8, "w4": 4}


def network_file(reranker: Reranker, forward_format: ForwardFormat) -> Path:
    """Return the ONNX file that a format of ONNX Runtime runs; one made before is found.

    Raises :class:`InputError` where the extra ``runtimes`` is missing.
    """
    source, recipe = exported(reranker), forward_format.recipe
    if recipe == "float32":
        return source
    needed("onnxruntime")
    key = {
        "source": digest(source),
        "recipe": recipe,
        "options": INT8_DYNAMIC if recipe == "int8-dynamic" else {**WEIGHTS, "bits": _BITS[recipe]},
        "libraries": versions("onnxruntime", "onnx"),
    }
    if recipe == "int8-dynamic":
        return kept(key, FILE, lambda file: _quantise_dynamically(source, file))
    return kept(key, FILE, lambda file: _quantise_weights(source, file, _BITS[recipe]))


def _quantise_dynamically(source: Path, file: Path) -> None:
    quantization = needed("onnxruntime.quantization")
    options = {**INT8_DYNAMIC, "weight_type": quantization.QuantType[INT8_DYNAMIC["weight_type"]]}
    with quiet():
        quantization.quantize_dynamic(
            source, file, use_external_data_format=is_large(source), **options
        )


def _quantise_weights(source: Path, file: Path, bits: int) -> None:
    onnx = needed("onnx")
    quantizers = needed("onnxruntime.quantization.matmul_nbits_quantizer")
    with quiet():
        quantizer = quantizers.MatMulNBitsQuantizer(
            onnx.load(source),
            algo_config=quantizers.DefaultWeightOnlyQuantConfig(**WEIGHTS, bits=bits),
        )
        quantizer.process()
        quantizer.model.save_model_to_file(str(file), use_external_data_format=is_large(source))
