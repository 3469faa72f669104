"""What notebook 11 gathers and counts of forward formats, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.forwardformats import FORWARD_FORMATS, in_format
from analysis.models import load
from analysis.studies import formats as study

LOGITS = {"q": [3.0, 2.0, 1.0], "r": [3.0, 2.0, 1.0]}
OTHERS = {"q": [3.0, 2.0, 1.0], "r": [2.0, 2.5, 1.25]}


def frame(logits: dict[str, list[float]], text: str) -> pd.DataFrame:
    """Three candidates of each query, the first of them right."""
    rows = [
        {
            "query_id": query,
            "passage_id": f"{query}{place}",
            "grade": 3 * (place == 0),
            "logit": one,
        }
        for query, own in logits.items()
        for place, one in enumerate(own)
    ]
    return in_format(pd.DataFrame(rows), text)


@pytest.fixture
def logits() -> pd.DataFrame:
    frames = [frame(LOGITS, "float32"), frame(OTHERS, "onnxruntime:int8-dynamic")]
    return pd.concat(frames, ignore_index=True)


def test_a_format_beside_float32(logits):
    (row,) = study.side_by_side(logits).to_dict("records")
    assert row["forward_format"] == "onnxruntime:int8-dynamic"
    assert (row["mean_abs"], row["largest"]) == (1.75 / 6, 1.0)
    assert (row["queries"], row["reordered"], row["first_lost"]) == (2, 1, 1)
    second = 1 / np.log2(3)  # the right passage of one query stands second
    assert row["ndcg"] == pytest.approx((1 + second) / 2, abs=1e-12)
    assert row["difference"] == pytest.approx((second - 1) / 2, abs=1e-12)
    assert row["low"] <= row["difference"] <= row["high"] <= 0


def test_gains_and_losses_by_query(logits):
    (row,) = study.gains_and_losses(logits).to_dict("records")
    assert (row["gained"], row["lost"], row["most_gained"]) == (0, 1, 0.0)
    assert row["most_lost"] == pytest.approx(1 - 1 / np.log2(3), abs=1e-12)


@pytest.mark.parametrize("without", ["grades", "queries"])
def test_without_grades_or_with_one_query_there_is_no_test(logits, without):
    if without == "grades":
        logits = logits.assign(grade=pd.array([pd.NA] * len(logits), dtype="Int64"))
    else:
        logits = logits[logits["query_id"] == "r"]
    (row,) = study.side_by_side(logits).to_dict("records")
    assert np.isnan(row["difference"])
    assert row["reordered"] == 1
    assert study.gains_and_losses(logits).empty


def test_float32_alone_has_nothing_beside_it():
    own = frame(LOGITS, "float32")
    assert study.side_by_side(own).empty
    assert study.gains_and_losses(own).empty


def test_moved_counts_against_the_same_pairs():
    before, after = frame(LOGITS, "float32"), frame({"r": OTHERS["r"]}, "float32")
    found = study.moved(before, after.iloc[::-1], 10)
    assert found == {
        "pairs": 3,
        "mean_abs": 1.75 / 3,
        "largest": 1.0,
        "queries": 1,
        "reordered": 1,
        "first_lost": 1,
    }


def test_the_top_that_fixed_scales_cut():
    exact = frame({"q": [float(one) for one in range(10)]}, "float32")
    text = "openvino:int8-static@random"
    cut = in_format(exact.assign(logit=exact["logit"].clip(upper=7.0)), text)
    logits = pd.concat([exact, cut], ignore_index=True)
    (row,) = study.tops(logits).to_dict("records")
    assert (row["calibrated_on"], row["head"]) == ("random pairs", "int8")
    assert (row["largest"], row["float32"]) == (7.0, 9.0)
    assert row["top"] == -2.0
    assert row["scatter"] == 1 / 9  # of nine others one is cut by one


def test_gathered_of_another_reranker_is_scored_alone(tiny_checkpoint, tiny_pairs, monkeypatch):
    monkeypatch.setattr(study, "has_extra", lambda: False)
    found = study.gather(tiny_pairs, load(tiny_checkpoint), ["float16", "openvino:f32"])
    assert found.scored == ("torch:float32", "torch:float16")
    assert (found.recorded, found.missing) == ((), ("openvino:f32",))
    assert found.costs.empty
    assert list(found.logits["forward_format"].unique()) == ["torch:float32", "torch:float16"]


def test_what_is_recorded_stands_beside_what_was_scored(tiny_checkpoint, tiny_pairs, monkeypatch):
    recorded = pd.concat([frame(LOGITS, "llama.cpp:q8_0"), frame(LOGITS, "float32")])
    monkeypatch.setattr(study, "has_extra", lambda: False)
    monkeypatch.setattr(study, "is_recorded", lambda *_: True)
    monkeypatch.setattr(study, "recorded_formats", lambda: recorded)
    found = study.gather(tiny_pairs, load(tiny_checkpoint), ["bfloat16"])
    assert found.recorded == ("llama.cpp:q8_0",)  # torch's is here
    counts = found.logits["forward_format"].value_counts()
    assert counts["torch:float32"] == tiny_pairs.n_pairs
    assert counts["llama.cpp:q8_0"] == 6
    places = found.logits["forward_format"].map(list(FORWARD_FORMATS).index)
    assert places.is_monotonic_increasing
    assert len(found.costs)


def test_the_recording_is_of_the_demo_on_the_german_set_alone(tiny_checkpoint, tiny_pairs):
    assert not study.is_recorded(tiny_pairs, load(tiny_checkpoint))


def test_strips_stand_with_the_widest_first(monkeypatch):
    strips = pd.DataFrame(
        {
            "forward_format": ["torch:float32"] * 2 + ["onnxruntime:int8-dynamic"] * 2,
            "logit": [1.0, 1.25, 1.0, 2.0],
        }
    )
    monkeypatch.setattr(study, "one_passage", lambda: strips)
    found = study.widths(study.strips())
    assert found["forward_format"].tolist() == ["onnxruntime:int8-dynamic", "torch:float32"]
    assert found["width"].tolist() == [1.0, 0.25]
    assert found["median"].tolist() == [1.5, 1.125]
