"""The recordings of real engines: every run follows its catalogue path, bit for bit."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.checkpoints import sha256_of
from analysis.engines import find_engine, path_of, run_engines
from analysis.errors import InputError
from analysis.models import load
from analysis.readers import load_german
from analysis.recordings import (
    COLUMNS,
    FOLDER,
    JSON_NUMBER,
    RUN_COLUMNS,
    about,
    disable_half,
    evaluated,
    recorded_path,
    recording,
    recordings,
    runs,
    trust_remote_code,
    unprinted,
)
from analysis.scorepath import ScorePath
from analysis.steps import saturation
from analysis.ties import ranks

RUNS = [tuple(run[name] for name in RUN_COLUMNS) for run in about()["runs"]]
NAMES = [" ".join(run) for run in RUNS]
# float32 has no one exp: NumPy's and torch's SIMD kernels differ between kinds of CPU, and torch
# hands arrays shorter than a SIMD block, as the candidates of one query are, to yet another one
# than the long arrays on which a path is evaluated. All lie within two units in the last place;
# the sum and the quotient round once more each.
SAME_KERNELS = torch.backends.cpu.get_cpu_capability() == about()["cpu_capability"]
OTHER_EXP_ULP = 4

every_run = pytest.mark.parametrize("run", RUNS, ids=NAMES)


def of(run: tuple[str, str, str, str]) -> tuple[pd.DataFrame, ScorePath]:
    """A run's rows, as the server held them, and its path in the catalogue."""
    engine, version, api, dtype = run
    recorded = unprinted(recording(engine, version, dtype, api=api))
    return recorded, recorded_path(engine, version, dtype)


def ulp_apart(one: np.ndarray, other: np.ndarray, dtype: str) -> int:
    """Largest distance of two arrays of scores, in units in the last place of a wide dtype."""
    one, other = one.astype(dtype), other.astype(dtype)
    return int(np.max(np.abs(one - other) / np.spacing(np.maximum(one, other))))


@every_run
def test_scores_of_half_types_and_of_numpy_follow_bitwise(run):
    recorded, path = of(run)
    scores = path.scores(recorded["logit"])
    returned = recorded["score"].to_numpy()
    numpy_here_as_there = path.formula == "stepwise" and SAME_KERNELS
    if path.activation_dtype != "float32" or numpy_here_as_there:
        assert returned.tolist() == scores.tolist()
    else:
        assert ulp_apart(returned, scores, "float32") <= OTHER_EXP_ULP


FUSED = [run for run in RUNS if of(run)[1].formula == "fused"]


@pytest.mark.parametrize("run", FUSED, ids=" ".join)
def test_evaluated_is_what_torch_gives_for_one_query_at_a_time(run):
    recorded, path = of(run)
    dtype = getattr(torch, path.activation_dtype)
    scores = recorded.groupby("query_id", sort=False)["logit"].transform(
        lambda logits: torch.sigmoid(torch.tensor(logits.to_numpy(), dtype=dtype)).double().numpy()
    )
    assert evaluated(recorded, path).tolist() == scores.tolist()


def test_every_query_is_short_enough_for_torchs_scalar_routine():
    """What :func:`evaluated` assumes: fewer than 32 candidates, in the recordings as in the set."""
    assert load_german().pairs["query_id"].value_counts().max() < 32
    assert recordings().groupby([*RUN_COLUMNS, "query_id"]).size().max() < 32


@pytest.mark.parametrize("run", FUSED, ids=" ".join)
def test_torchs_sigmoid_gives_the_returned_scores_bitwise(run):
    recorded, path = of(run)
    returned, scores = recorded["score"].to_numpy(), evaluated(recorded, path)
    if SAME_KERNELS or path.activation_dtype != "float32":
        assert returned.tolist() == scores.tolist()
    else:
        assert ulp_apart(returned, scores, "float32") <= OTHER_EXP_ULP


@every_run
def test_logits_are_values_of_the_forward_dtype(run):
    recorded, path = of(run)
    assert path.logits(recorded["logit"]).tolist() == recorded["logit"].tolist()
    assert set(recorded["logit_dtype"]) <= {path.forward_dtype, JSON_NUMBER}


@every_run
def test_the_engines_order_is_by_score_and_ties_keep_the_input_order(run):
    recorded, path = of(run)
    engine, version = run[:2]
    if (engine, version) == ("infinity", "0.0.32"):  # to 0.0.61 scores come back unordered
        assert recorded["rank"].isna().all()
    else:
        assert recorded["rank"].tolist() == ranks(recorded, path.tie_rule).tolist()


@every_run
def test_every_run_has_every_pair_of_its_queries_in_the_sets_order(run):
    recorded, _ = of(run)
    pairs = load_german().pairs
    first = pairs["query_id"].unique()[: about()["data"]["queries"]]
    pairs = pairs[pairs["query_id"].isin(first)]
    assert len(recorded) == len(pairs) == 945
    for column in ("query_id", "passage_id"):
        assert recorded[column].tolist() == pairs[column].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_infinitys_server_returns_what_the_engine_returns_in_process(dtype):
    served = unprinted(recording("infinity", "0.0.78", dtype, api="http"))
    columns = ["query_id", "passage_id", "logit", "score", "rank"]
    pd.testing.assert_frame_equal(
        served[columns], recording("infinity", "0.0.78", dtype)[columns], check_exact=True
    )


# The same transformers (4.57), so the same network on the same batches.
SAME_NETWORK = [
    ("infinity", "0.0.68"),
    ("infinity", "0.0.69"),
    ("haystack", "2.31.0"),
    ("sentence-transformers", "3.4.1"),
    ("sentence-transformers", "5.1.2"),
]
# transformers 4.39 computes attention eagerly, newer ones by SDPA, and padding of a batch may
# differ; what that moves a logit by was measured to be less than this.
OTHER_NETWORK = [("infinity", "0.0.32"), ("haystack", "2.0.1"), ("sentence-transformers", "6.2.0")]
MOVED = {"float32": 1e-4, "float16": 0.2, "bfloat16": 1.0}


def same_dtype(engines: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Recorded in-process runs of these engines, as (engine, version, dtype)."""
    return [(e, v, d) for e, v, api, d in RUNS if (e, v) in engines and api == "in-process"]


@pytest.mark.parametrize("run", same_dtype(SAME_NETWORK), ids=" ".join)
def test_engines_on_the_same_libraries_return_the_same_logits(run):
    logits = recording("infinity", "0.0.78", run[2])["logit"]
    assert recording(*run)["logit"].tolist() == logits.tolist()


@pytest.mark.parametrize("run", same_dtype(OTHER_NETWORK), ids=" ".join)
def test_other_attention_and_libraries_move_logits_a_little(run):
    logits = recording("infinity", "0.0.78", run[2])["logit"]
    assert (recording(*run)["logit"] - logits).abs().max() <= MOVED[run[2]]


def test_in_float32_numpys_and_torchs_scores_differ_by_a_few_units_in_the_last_place():
    """They have two exponentials; in float32 NumPy's formula is no cause of anything."""
    infinity = recording("infinity", "0.0.78", "float32")["score"].to_numpy()
    for engine, version in [("haystack", "2.31.0"), ("sentence-transformers", "3.4.1")]:
        torchs = recording(engine, version, "float32")["score"].to_numpy()
        assert ulp_apart(infinity, torchs, "float32") <= OTHER_EXP_ULP


@pytest.mark.parametrize(("engine", "version"), [("infinity", "0.0.69"), ("infinity", "0.0.78")])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_infinity_since_0_0_69_returns_wider_scores_than_haystack_from_half_logits(
    engine, version, dtype
):
    scores = recording(engine, version, dtype)["score"]
    haystack = recording("haystack", "2.31.0", dtype)["score"]
    assert scores.nunique() > haystack.nunique()


def test_the_old_formula_has_no_score_between_the_last_two_below_one():
    """What the report saw: 0.998, 0.999 and 1.0, and nothing between them."""
    recorded = recording("infinity", "0.0.32", "float16")
    scores = recorded["score"]
    assert set(scores[scores > 0.9975].map("{:.3f}".format)) <= {"0.998", "0.999", "1.000"}
    one_from = saturation(path_of("infinity", "0.0.32", "float16")).one_from
    assert ((scores == 1.0) == (recorded["logit"] >= one_from)).all()


def test_every_engine_that_the_catalogue_calls_run_is_recorded_in_both_its_ends():
    recorded = {find_engine(engine, version).name for engine, version, *_ in RUNS}
    assert recorded == {entry.name for entry in run_engines()}
    assert {version for engine, version, *_ in RUNS if engine == "infinity"} >= {"0.0.68", "0.0.69"}


def test_the_recording_is_of_the_shipped_reranker_and_set():
    adapter = load("demo", device="cpu").adapter
    for name, digest in about()["adapter"].items():
        assert sha256_of(adapter / name) == digest
    assert about()["data"]["sha256"] == load_german().sha256


def test_columns_and_runs():
    everything = recordings()
    assert tuple(everything) == COLUMNS
    assert not everything.drop(columns="rank").isna().any(axis=None)
    listed = everything[list(RUN_COLUMNS)].drop_duplicates()
    assert listed.to_numpy().tolist() == runs()[list(RUN_COLUMNS)].to_numpy().tolist()
    for run in runs().itertuples():
        assert {"torch", "transformers", "numpy"} <= set(run.versions)


def test_recordings_are_small_enough_for_git():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 2_000_000


def test_the_card_lists_every_run():
    card = (FOLDER / "README.md").read_text("utf-8")
    for engine, version, api, dtype in RUNS:
        assert f"| {engine} {version} | {api} | {dtype} |" in card


def test_an_unknown_recording_is_answered_with_those_there_are():
    with pytest.raises(InputError, match=r"infinity@0.0.77:float32.*infinity@0.0.78:float16:http"):
        recording("infinity", "0.0.77", "float32")


def test_recordings_that_are_not_there_are_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.recordings.FOLDER", tmp_path)
    for read, name in [(recordings, "engines.parquet"), (about, "runs.json")]:
        with pytest.raises(
            InputError, match=f"{name}: there are no recordings here. Run `make engines`"
        ):
            read()


def test_unprinting_rounds_json_numbers_to_float32_and_leaves_others():
    value = float(np.float32(0.1))
    frame = pd.DataFrame(
        {
            "logit": [float(json.loads(str(np.float32(0.1)))), 0.1],
            "logit_dtype": [JSON_NUMBER, "float64"],
            "score": [0.1, 0.1],
            "score_dtype": [JSON_NUMBER, "float64"],
        }
    )
    restored = unprinted(frame)
    assert restored["logit"].tolist() == restored["score"].tolist() == [value, 0.1]
    assert frame["logit"].tolist() == [0.1, 0.1]


def test_disable_half_worked_was_then_only_advertised_and_is_gone():
    found = disable_half().set_index("version")
    assert found.index[found["works"]].tolist() == ["0.0.13", "0.0.20", "0.0.26"]
    # 0.0.12 reads it behind a comparison of a device with a string, which is never true.
    assert found.index[found["read"] & ~found["works"]].tolist() == ["0.0.12"]
    advertised = found.index[found["advertised"] & ~found["read"]].tolist()
    assert (advertised[0], advertised[-1]) == ("0.0.27", "0.0.45")
    assert found.index[~found["advertised"]].tolist()[:2] == ["0.0.11", "0.0.46"]
    patches = [int(version.rpartition(".")[2]) for version in found.index]
    assert all(one < other for one, other in pairwise(patches))


def test_trust_remote_code_passed_twice_fails_for_true_and_false_alike():
    found = trust_remote_code()
    failed = found[~found["loads"]]
    assert set(failed["infinity"]) == {"0.0.32"}
    assert set(failed["sentence_transformers"]) == {"2.7.0"}
    assert sorted(failed["trust_remote_code"]) == [False, True]
    for error in failed["error"]:
        assert error.startswith("TypeError: ")
        assert "multiple values for keyword argument 'trust_remote_code'" in error
    mended = found[found["loads"]]
    assert set(zip(mended["infinity"], mended["sentence_transformers"], strict=True)) == {
        ("0.0.32", "2.6.1"),
        ("0.0.33", "2.7.0"),
    }


def test_infinity_before_the_change_saturates_where_the_catalogue_says():
    recorded = recording("infinity", "0.0.68", "float16")
    path = path_of("infinity", "0.0.68", "float16")
    assert (recorded["score"] == 1.0).sum() == (path.scores(recorded["logit"]) == 1.0).sum()
