"""OpenVINO: the precision that is asked for, and networks with calibrated scales."""

from __future__ import annotations

import os

import numpy as np
import pytest
from exported_networks import kept_in, logits_in
from reader_files import refused
from tiny_checkpoints import tiny_set

from analysis.errors import InputError
from analysis.forwardformats import as_format
from analysis.models import load
from analysis.readers import read
from analysis.runtimes import calibrating, identity, open_vino
from analysis.runtimes.exporting import exported
from analysis.scoring import score

openvino = pytest.importorskip("openvino", reason="the extra runtimes is not installed")
pytest.importorskip("onnxscript")

FLOAT32, BFLOAT16, DEFAULT = (as_format(f"openvino:{name}") for name in ("f32", "bf16", "default"))
STATIC = as_format("openvino:int8-static@relevant")
STATIC_HEAD = as_format("openvino:int8-static-head-f32@relevant")


def runs_bfloat16() -> bool:
    """What is compiled tells; the capabilities do not name it where AVX-512 stands in for it."""
    try:
        return open_vino.precision(BFLOAT16) == "bf16"
    except InputError:
        return False


@pytest.fixture(scope="module")
def reranker(tmp_path_factory, tiny_checkpoint):
    with pytest.MonkeyPatch.context() as patch:
        kept_in(patch, tmp_path_factory.mktemp("kept"))
        yield load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def pairs():
    return tiny_set()


@pytest.fixture(scope="module")
def float32(reranker, pairs) -> np.ndarray:
    return logits_in(pairs, reranker, "float32")


def test_f32_gives_torchs_logits(reranker, pairs, float32):
    # another library's float32 sums, over random weights far larger than a trained network's
    found = logits_in(pairs, reranker, FLOAT32.text)
    np.testing.assert_allclose(found, float32, rtol=0, atol=5e-5)
    assert open_vino.precision(FLOAT32) == "f32"


def test_bfloat16_is_run_or_refused(reranker, pairs, float32):
    if not runs_bfloat16():
        found = refused(score, pairs, reranker, [BFLOAT16.text], progress=False)
        assert "OpenVINO runs openvino:bf16 in" in found.problem
        return
    found = logits_in(pairs, reranker, BFLOAT16.text)
    assert np.abs(found - float32).max() > 1e-3
    np.testing.assert_array_equal(found, logits_in(pairs, reranker, BFLOAT16.text))


def test_the_default_is_what_openvino_says_it_is(reranker, pairs):
    named = {"f32": FLOAT32, "bf16": BFLOAT16}
    told = open_vino.precision(DEFAULT)
    assert identity(reranker, DEFAULT)["runtime"]["precision"] == told
    if told not in named:
        pytest.skip(f"this CPU runs {told} by default, which has no name here")
    expected = logits_in(pairs, reranker, named[told].text)
    np.testing.assert_array_equal(logits_in(pairs, reranker, DEFAULT.text), expected)


def test_a_precision_that_openvino_does_not_run_is_refused(monkeypatch):
    monkeypatch.setitem(open_vino._HINTS, "f32", "f64")
    monkeypatch.setattr(open_vino, "_settings", lambda _: {})
    assert "OpenVINO runs openvino:f32 in" in refused(open_vino.precision, FLOAT32).problem


REVIEWS = as_format("openvino:int8-static@reviews")


def test_calibration_pairs_are_what_their_names_say():
    grades = {(row.query, row.passage): row.grade for row in read("german").pairs.itertuples()}
    right, random = map(calibrating.calibration_pairs, ("relevant", "random"))
    assert len(right) == len(random) == calibrating.N_PAIRS
    assert not set(random) & grades.keys()
    assert {grades[pair] for pair in right[:50]} == {max(grades.values())}
    assert right[50:] == random[:50]
    assert random == calibrating.calibration_pairs("random")


def test_reviews_are_sentences_each_alone_and_padded(reranker):
    said = calibrating.reviews()
    assert 100 <= len(said) == len(set(said)) <= 300
    assert all(one == one.strip().lower() and one.isascii() for one in said)
    found = calibrating.calibration_inputs(reranker, "reviews")
    assert len(found) == len(said)
    width = min(calibrating.REVIEW_WIDTH, reranker.length)
    for one, inputs in list(zip(said, found, strict=True))[:5]:
        assert {rows.shape for rows in inputs.values()} == {(1, width)}
        own = inputs["input_ids"][inputs["attention_mask"] == 1].tolist()
        alone = reranker.tokenizer(one, truncation=True, max_length=width)
        assert own == alone["input_ids"]  # one text, not two


def test_pairs_calibrate_as_they_are_scored(reranker):
    found = calibrating.calibration_inputs(reranker, "random")
    query, passage = calibrating.calibration_pairs("random")[0]
    expected = reranker.batch(reranker.tokens([query], [passage], reranker.length))
    for name, rows in expected.items():
        assert found[0][name].tolist() == rows.tolist()


def test_a_network_is_calibrated_on_reviews(reranker, pairs, static, monkeypatch):
    some = calibrating.reviews()[:5]
    monkeypatch.setattr(calibrating, "reviews", lambda: some)
    assert not np.array_equal(logits_in(pairs, reranker, REVIEWS.text), static[STATIC.text])


@pytest.fixture(scope="module")
def static(reranker, pairs) -> dict[str, np.ndarray]:
    """Logits of both static formats, calibrated on few pairs to save time."""
    pytest.importorskip("nncf")
    some = calibrating.calibration_pairs("relevant")[45:55]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrating, "calibration_pairs", lambda _: some)
        return {one.text: logits_in(pairs, reranker, one.text) for one in (STATIC, STATIC_HEAD)}


def test_static_scales_move_logits_and_the_head_adds_to_it(static, float32):
    moved = {text: np.abs(logits - float32).mean() for text, logits in static.items()}
    assert all(1e-3 < one < 3 for one in moved.values())
    assert not np.array_equal(*static.values())


def test_kept_scales_that_were_changed_are_not_served(static, reranker, pairs, monkeypatch):
    some = calibrating.calibration_pairs("relevant")[45:55]
    monkeypatch.setattr(calibrating, "calibration_pairs", lambda _: some)
    one, other = (calibrating.network_file(reranker, each) for each in (STATIC, STATIC_HEAD))
    weights = one.with_suffix(".bin")
    weights.write_bytes(other.with_suffix(".bin").read_bytes()[:-100])
    found = logits_in(pairs, reranker, STATIC.text)
    assert found.tolist() == static[STATIC.text].tolist()


def test_the_identity_has_the_pairs_that_calibrated(static, reranker, monkeypatch):
    some = calibrating.calibration_pairs("relevant")[45:55]
    monkeypatch.setattr(calibrating, "calibration_pairs", lambda _: some)
    found = identity(reranker, STATIC)
    assert len(found["network"]["made_of"]["calibration"]) == 64
    assert found["forward_format"]["calibration"] == "relevant"
    assert found["runtime"]["precision"] == "f32"


def test_a_float32_head_is_found_by_its_products(reranker):
    model = openvino.Core().read_model(exported(reranker))
    assert len(calibrating._head(model)) == 2  # pooler, classifier
    assert "NNCF_CI" not in os.environ
