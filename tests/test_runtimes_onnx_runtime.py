"""ONNX Runtime: the exported network, and the recipes that quantise it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_networks import graph, kept_in, logits_in
from tiny_checkpoints import tiny_set, write_checkpoint

from analysis.forwardformats import RUN_HERE, as_format
from analysis.models import load
from analysis.runtimes import exporting, identity, quantising
from analysis.runtimes.keeping import digest
from analysis.scoring import score
from analysis.store import Store

onnx = pytest.importorskip("onnx", reason="the extra runtimes is not installed")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

FLOAT32, INT8, W8, W4 = (f"onnxruntime:{name}" for name in ("float32", "int8-dynamic", "w8", "w4"))
FORMATS = [text for text in RUN_HERE if text.startswith("onnxruntime:")]


@pytest.fixture(scope="module")
def reranker(tmp_path_factory, tiny_checkpoint):
    with pytest.MonkeyPatch.context() as patch:
        kept_in(patch, tmp_path_factory.mktemp("kept"))
        yield load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def pairs():
    return tiny_set()


@pytest.fixture(scope="module")
def logits(reranker, pairs) -> dict[str, np.ndarray]:
    return {text: logits_in(pairs, reranker, text) for text in ["float32", *FORMATS]}


def test_the_exported_network_gives_torchs_logits(logits):
    # another library's float32 sums, over random weights far larger than a trained network's
    np.testing.assert_allclose(logits[FLOAT32], logits["float32"], rtol=0, atol=5e-5)
    assert (logits[FLOAT32] == logits[FLOAT32].astype(np.float32)).all()


@pytest.mark.parametrize(("text", "damage"), [(FLOAT32, "cut short"), (INT8, "exchanged")])
def test_a_kept_file_that_was_changed_is_not_served(logits, reranker, pairs, text, damage):
    forward_format, other = as_format(text), as_format(W8)
    file = quantising.network_file(reranker, forward_format)
    whole, another = (one.read_bytes() for one in (file, quantising.network_file(reranker, other)))
    file.write_bytes(another if damage == "exchanged" else whole[: len(whole) // 2])
    assert logits_in(pairs, reranker, text).tolist() == logits[text].tolist()
    assert file.read_bytes() == whole


def test_two_labels_are_two_logits(tmp_path, pairs, reranker):
    two = load(write_checkpoint(tmp_path / "two", num_labels=2), device="cpu")
    found = score(pairs, two, ["float32", FLOAT32], progress=False)
    halves = [rows.reset_index(drop=True) for _, rows in found.groupby("forward_format")]
    for name in ("logit", "logit_no", "logit_yes"):
        np.testing.assert_allclose(halves[0][name], halves[1][name], rtol=0, atol=5e-5)


def test_an_export_has_the_same_bytes_again_and_no_path_of_this_machine(
    reranker, tmp_path, monkeypatch
):
    first = exporting.exported(reranker)
    kept_in(monkeypatch, tmp_path)
    again = exporting.exported(reranker)
    assert first != again
    assert first.read_bytes() == again.read_bytes()
    assert str(Path(torch.__file__).parent).encode() not in first.read_bytes()


def test_large_weights_stand_in_a_file_of_their_own(reranker, pairs, logits, tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)
    monkeypatch.setattr(exporting, "LARGE", 1)
    assert exporting.is_large(exporting.exported(reranker))
    for text in FORMATS:
        np.testing.assert_array_equal(logits_in(pairs, reranker, text), logits[text])


def test_int8_dynamic_is_what_sentence_transformers_makes(reranker, tmp_path):
    """optimum-onnx 0.1.0 calls the quantiser itself; this is its call, with avx512_vnni's values.

    ``optimum/onnxruntime/quantization.py``, ``ORTQuantizer.quantize``; what is for QDQ alone is
    left out.
    """
    from onnxruntime.quantization import QuantizationMode, QuantType
    from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
    from onnxruntime.quantization.registry import IntegerOpsRegistry

    quantizer = ONNXQuantizer(
        model=onnx.load(exporting.exported(reranker)),
        static=False,
        per_channel=True,
        mode=QuantizationMode.IntegerOps,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        reduce_range=False,
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(IntegerOpsRegistry),
        extra_options={
            "WeightSymmetric": True,
            "ActivationSymmetric": False,
            "EnableSubgraph": False,
            "ForceSymmetric": False,
        },
    )
    quantizer.quantize_model()
    quantizer.model.save_model_to_file(str(tmp_path / "theirs.onnx"), False)
    theirs = graph(tmp_path / "theirs.onnx")
    assert graph(quantising.network_file(reranker, as_format(INT8))) == theirs


def test_every_product_of_int8_dynamic_is_of_integers(reranker):
    nodes, _ = graph(quantising.network_file(reranker, as_format(INT8)))
    kinds = {node[0] for node in nodes}
    assert "MatMulInteger" in kinds
    assert not kinds & {"MatMul", "Gemm"}


@pytest.mark.parametrize(("text", "bits"), [(W8, 8), (W4, 4)])
def test_weights_stand_in_blocks_and_the_head_stays(reranker, text, bits):
    nodes, _ = graph(quantising.network_file(reranker, as_format(text)))
    products = [attributes for kind, *_, attributes in nodes if kind == "MatMulNBits"]
    assert len(products) == 12
    for attributes in products:
        said = "".join(attributes)
        assert f'name: "bits"\ni: {bits}\n' in said
        assert 'name: "accuracy_level"\ni: 4\n' in said
    assert [node[0] for node in nodes if node[0] == "Gemm"] == ["Gemm"] * 2  # pooler, classifier


def test_fewer_bits_move_logits_further(logits):
    moved = {text: np.abs(logits[text] - logits["float32"]).mean() for text in FORMATS}
    assert moved[FLOAT32] < 1e-5 < moved[W8] < moved[W4]
    assert moved[FLOAT32] < 1e-5 < moved[INT8]


def test_a_scale_of_the_whole_batch_moves_logits_with_it(reranker, pairs, logits):
    # in blocks, 8 bits amplify the last bits of other shapes, by how much depends on the kernels
    for text in (FLOAT32, INT8):
        alone = logits_in(pairs, reranker, text, batch_tokens=1)
        moved = np.abs(alone - logits[text]).max()
        assert (moved > 1e-2) == as_format(text).depends_on_batch, text


def test_the_same_again_is_the_same(reranker, pairs, logits):
    for text in FORMATS:
        np.testing.assert_array_equal(logits_in(pairs, reranker, text), logits[text])


def test_the_identity_has_the_format_the_file_and_the_machine(reranker):
    found = identity(reranker, as_format(INT8))
    assert found["forward_format"]["activation_scale"] == "tensor"
    file = quantising.network_file(reranker, as_format(INT8))
    assert found["network"]["sha256"] == digest(file)
    assert found["network"]["made_of"]["options"] == quantising.INT8_DYNAMIC
    assert found["network"]["made_of"]["source"] == digest(exporting.exported(reranker))
    assert found["runtime"].keys() == {"providers", "onnxruntime"}
    assert isinstance(found["cpu_flags"], list)
    networks = {identity(reranker, as_format(text))["network"]["sha256"] for text in FORMATS}
    assert len(networks) == len(FORMATS)


def test_logits_are_kept_apart_by_format(reranker, pairs, logits, tmp_path):
    store = Store(tmp_path)
    for _ in range(2):
        found = score(pairs, reranker, ["float32", *FORMATS], store=store, progress=False)
        by_format = dict(list(found.groupby("forward_format")["logit"]))
        assert set(found["forward_dtype"]) == {"float32"}
        for text in FORMATS:
            np.testing.assert_array_equal(by_format[text], logits[text])
    assert len(list(tmp_path.iterdir())) == 1 + len(FORMATS)
    np.testing.assert_array_equal(by_format["torch:float32"], logits["float32"])


def test_quantising_leaves_the_root_logger_alone(reranker, tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)
    before = list(logging.getLogger().handlers)
    quantising.network_file(reranker, as_format(INT8))
    assert logging.getLogger().handlers == before
    assert logging.root.manager.disable == logging.NOTSET
