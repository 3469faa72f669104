"""Score paths: stages applied in order, engines as their values."""

import numpy as np
import pytest
import torch

from analysis.engines import (
    ENGINES,
    FLOAT32_REFERENCE,
    HAYSTACK_2,
    INFINITY_FROM_0_0_69,
    INFINITY_TO_0_0_68,
    SENTENCE_TRANSFORMERS_FROM_6,
    SENTENCE_TRANSFORMERS_TO_5,
    engine_path,
)
from analysis.errors import InputError
from analysis.scorepath import ScorePath

LOGITS = np.linspace(-12, 12, 4001)


def test_a_path_reads_as_a_sentence():
    assert str(path_of("infinity", "0.0.68", "float16")) == (
        "Infinity 0.0.13–0.0.68, float16: float16 logits → stepwise sigmoid in float16 → "
        "stored as float16 → ties by input order"
    )
    assert "no sigmoid" in str(ScorePath(formula="none"))


def test_infinity_before_the_change_is_numpys_float16():
    logits = LOGITS.astype(np.float16)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-logits))
    scores = path_of("infinity", "0.0.68", "float16").scores(logits)
    assert scores.tolist() == expected.astype(np.float64).tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_infinity_today_is_numpys_float32_of_half_logits(dtype):
    logits = torch.from_numpy(LOGITS).to(getattr(torch, dtype)).float().numpy()
    expected = 1 / (1 + np.exp(-logits))
    scores = path_of("infinity", "0.0.78", dtype).scores(logits)
    assert scores.tolist() == expected.astype(np.float64).tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("engine", [HAYSTACK_2, SENTENCE_TRANSFORMERS_TO_5])
def test_haystack_and_older_sentence_transformers_are_torchs_half_sigmoid(engine, dtype):
    logits = torch.from_numpy(LOGITS).to(getattr(torch, dtype))
    expected = torch.sigmoid(logits).double().numpy()
    assert engine[dtype].scores(logits.double().numpy()).tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_newer_sentence_transformers_never_saturate_before_float32(dtype):
    path = path_of("sentence-transformers", "6.2.0", dtype)
    assert path.scores([8.5])[0] < 1
    assert path.scores([16.75])[0] == 1


def test_all_engines_agree_in_float32_to_a_few_units_in_the_last_place():
    """NumPy's and torch's exp differ by a unit; the sum and the quotient round once more each."""
    reference = FLOAT32_REFERENCE.scores(LOGITS).astype(np.float32)
    for paths in ENGINES.values():
        scores = paths["float32"].scores(LOGITS).astype(np.float32)
        assert np.all(np.abs(scores - reference) <= 4 * np.spacing(reference))


def test_without_a_sigmoid_the_scores_are_the_logits():
    path = ScorePath(forward_dtype="bfloat16", formula="none", stored_dtype="float32")
    assert path.scores([1.001, -3.0]).tolist() == [1.0, -3.0]


def test_stored_dtype_rounds_last():
    path = ScorePath(stored_dtype="float16")
    assert path.scores([8.5]).tolist() == [1.0]


def test_names_do_not_make_paths_different():
    assert ScorePath(name="one") == ScorePath(name="another")
    assert len({ScorePath(name="one"), ScorePath(name="another")}) == 1


def test_nan_stays_nan_and_shapes_are_kept():
    assert np.isnan(FLOAT32_REFERENCE.scores([np.nan])).all()
    assert FLOAT32_REFERENCE.scores(np.zeros((2, 2))).shape == (2, 2)


@pytest.mark.parametrize(
    ("stage", "value"),
    [
        ("forward_dtype", "half"),
        ("activation_dtype", "float8"),
        ("stored_dtype", "double"),
        ("formula", "softmax"),
        ("tie_rule", "random"),
    ],
)
def test_unknown_stages_are_refused(stage, value):
    with pytest.raises(InputError, match=f"{value}.*choose one of"):
        ScorePath(**{stage: value})


def test_unknown_engines_and_dtypes_are_refused():
    with pytest.raises(InputError, match="unknown engine 'Vespa'"):
        engine_path("Vespa", "float32")
    with pytest.raises(InputError, match="does not run in 'bfloat16'"):
        path_of("infinity", "0.0.68", "bfloat16")
    assert path_of("haystack", "2.31.0", "float16") is path_of("haystack", "2.31.0", "float16")
