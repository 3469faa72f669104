"""Forward formats: their texts, what they predict, and frames that hold several."""

import pandas as pd
import pytest
from reader_files import refused

from analysis.counting import effects
from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.forwardformats import (
    CALIBRATIONS,
    FORWARD_FORMATS,
    RUN_HERE,
    ForwardFormat,
    as_format,
    by_format,
    format_texts,
    formats_to_run,
    in_format,
    of_format,
)
from analysis.scorepath import ScorePath
from analysis.ties import apply
from analysis.verifying import query_errors

INT8 = "onnxruntime:int8-dynamic"


@pytest.mark.parametrize("text", FORWARD_FORMATS)
def test_a_text_is_read_back(text):
    found = ForwardFormat.of_text(text)
    assert found.text == text
    assert as_format(found) is found
    assert str(found).startswith(f"{text}: ")
    assert found.forward_dtype in FORMATS


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_dtype_is_torchs(dtype):
    found = as_format(dtype)
    assert found == as_format(f"torch:{dtype}")
    assert (found.name, found.forward_dtype, found.is_torch) == (dtype, dtype, True)


def test_runtimes_of_exported_networks_give_float32():
    networks = ("torch", "onednn")
    others = [one for one in FORWARD_FORMATS.values() if one.runtime not in networks]
    assert {one.forward_dtype for one in others} == {"float32"}
    assert all(one.name == one.text for one in others)


def test_only_a_scale_of_the_batch_predicts_that_logits_depend_on_it():
    found = [one.text for one in FORWARD_FORMATS.values() if one.depends_on_batch]
    assert found == [INT8]
    assert "one scale for the whole batch" in str(as_format(INT8))


def test_a_static_scale_and_no_other_has_its_calibration():
    for one in FORWARD_FORMATS.values():
        assert (one.activation_scale == "static") == (one.calibration in CALIBRATIONS)
    reviews = as_format("openvino:int8-static-head-f32@reviews")
    assert "a scale fixed before on film reviews" in str(reviews)
    assert reviews.head == "float32"


@pytest.mark.parametrize("given", ["half", "openvino:int8-static", "torch:", "", 8, None, b"x"])
def test_what_is_no_format_is_refused(given):
    assert refused(as_format, given).field == "forward_format"


def test_an_unknown_activation_scale_is_refused():
    with pytest.raises(InputError, match="activation_scale: unknown activation scale 'row'"):
        ForwardFormat(runtime="mine", recipe="int8", activation_scale="row")


@pytest.mark.parametrize(
    "given", [(), "float32", ["half"], ["llama.cpp:q8_0"], ["float32", "torch:float32"]]
)
def test_what_cannot_be_run_is_refused(given):
    assert refused(formats_to_run, given, "mine").field == "mine"


def test_all_that_is_run_here_can_be_asked_for():
    assert formats_to_run(list(RUN_HERE)) == tuple(RUN_HERE.values())


def two_formats() -> pd.DataFrame:
    """Three candidates in torch's float32, and in a format that turns two of them round."""
    one = pd.DataFrame({"query_id": "q", "passage_id": list("abc"), "grade": [2, 1, 0]})
    frames = [
        in_format(one.assign(logit=logits), text)
        for text, logits in (("float32", [20.0, 18.0, 1.0]), (INT8, [2.0, 3.0, 1.0]))
    ]
    mixed = pd.concat(frames, ignore_index=True)
    return mixed.iloc[[0, 3, 1, 4, 5, 2]]


def test_a_frame_without_the_column_is_torchs():
    plain = two_formats().drop(columns="forward_format")
    assert format_texts(plain).unique().tolist() == ["torch:float32"]
    assert of_format(two_formats(), INT8)["logit"].tolist() == [2.0, 3.0, 1.0]
    assert [len(rows) for rows in by_format(two_formats())] == [3, 3]
    assert [len(rows) for rows in by_format(plain.iloc[:0])] == [0]


def test_each_format_is_ranked_by_itself():
    scored = apply(two_formats(), ScorePath("float32"))
    assert scored.index.tolist() == two_formats().index.tolist()
    assert scored["rank"].tolist() == [1, 2, 2, 1, 3, 3]
    assert scored["tie_group"].tolist() == [1, 2, 1, 1, 3, 2]
    assert scored["tie_size"].tolist() == [2, 1, 2, 1, 1, 1]
    for text in ("torch:float32", INT8):
        alone = apply(of_format(two_formats(), text), ScorePath("float32"))
        pd.testing.assert_frame_equal(of_format(scored, text), alone)


def test_a_pair_that_stands_twice_in_one_format_is_refused():
    again = pd.concat([two_formats(), two_formats().iloc[:1]])
    assert refused(apply, again, ScorePath("float32")).field == "passage_id"


def test_effects_have_a_row_for_each_format_against_torchs_float32():
    found = effects(two_formats(), ScorePath("float32").raw()).set_index("forward_format")
    assert found.index.tolist() == ["torch:float32", INT8]
    assert found["moved"].tolist() == [0, 2]
    assert found["first_lost"].tolist() == [0, 1]
    without = effects(of_format(two_formats(), INT8), ScorePath("float32"))
    assert without[["moved", "first_lost", "reordered"]].isna().all(axis=None)


def test_errors_of_a_format_are_held_against_torchs_float32():
    w8 = "onnxruntime:w8"
    logits = two_formats()
    other = in_format(of_format(logits, INT8), w8)
    assert query_errors(pd.concat([logits, other]), w8).tolist() == [18.0]
