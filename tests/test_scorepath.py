"""Score paths: stages applied in order, engines as their values."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from analysis.catalogue import CATALOGUE
from analysis.engines import find_engine, path_of, run_engines
from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.scorepath import FLOAT32_REFERENCE, TIE_RULES, ScorePath

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
@pytest.mark.parametrize(
    "engine", [("haystack", "2.31.0"), ("sentence-transformers", "5.1.2")], ids=str
)
def test_haystack_and_older_sentence_transformers_are_torchs_half_sigmoid(engine, dtype):
    logits = torch.from_numpy(LOGITS).to(getattr(torch, dtype))
    expected = torch.sigmoid(logits).double().numpy()
    scores = path_of(*engine, dtype).scores(logits.double().numpy())
    assert scores.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_newer_sentence_transformers_never_saturate_before_float32(dtype):
    path = path_of("sentence-transformers", "6.2.0", dtype)
    assert path.scores([8.5])[0] < 1
    assert path.scores([16.75])[0] == 1


def test_all_engines_agree_in_float32_to_a_few_units_in_the_last_place():
    """NumPy's and torch's exp differ by a unit; the sum and the quotient round once more each."""
    reference = FLOAT32_REFERENCE.scores(LOGITS).astype(np.float32)
    for engine in run_engines():
        scores = engine.paths["float32"].scores(LOGITS).astype(np.float32)
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
    with pytest.raises(InputError, match=f"{value}.*Choose one of"):
        ScorePath(**{stage: value})


STAGES = [
    ScorePath(forward, formula, activation, stored, tie_rule)
    for forward, formula, activation, stored, tie_rule in product(
        FORMATS, ["fused", "stepwise", "none"], FORMATS, FORMATS, TIE_RULES
    )
]
CATALOGUED = [path for engine in CATALOGUE for path in engine.paths.values()]


def test_the_text_of_every_path_reads_back_as_that_path():
    for path in STAGES + CATALOGUED:
        assert ScorePath.of_text(path.text) == path
        assert path_of(path.text) == path


def test_what_a_text_leaves_out_follows_the_stage_before():
    assert ScorePath.of_text("forward=float16") == path_of("haystack", "2.31.0", "float16")
    assert ScorePath.of_text(" forward = bfloat16 , activation=float32") == path_of(
        "sentence-transformers", "6.2.0", "bfloat16"
    )
    assert ScorePath.of_text("forward=float16,sigmoid=none").scores([1.25]).tolist() == [1.25]


@pytest.mark.parametrize(
    "text",
    [
        "float16",
        "sigmoid=fused",
        "forward=float16,forward=float32",
        "forward=float16,dtype=float32",
        "forward=half",
        "forward=float16,sigmoid=hard",
        "forward=",
        "",
    ],
)
def test_other_texts_are_no_path(text):
    with pytest.raises(InputError):
        ScorePath.of_text(text)


def test_a_path_says_of_itself_what_it_is():
    for path in STAGES + [path for path in CATALOGUED if path.is_plain]:
        assert path.has_sigmoid == (path.formula != "none")
        bits = FORMATS[path.forward_dtype].bits, FORMATS[path.activation_dtype].bits
        assert path.is_hps == (path.has_sigmoid and bits[1] > bits[0])
        assert path.has_narrow_sigmoid == (path.has_sigmoid and bits[1] < 32)
        short = path.formula == "fused" and bits[1] <= 32
        assert path.has_short_routine == short
        assert list(path.stages.values()) == [
            path.forward_dtype,
            path.formula,
            path.activation_dtype,
            path.stored_dtype,
        ]


def test_hps_and_raw_keep_the_network_and_the_tie_rule():
    for path in STAGES:
        hps, raw = path.hps(), path.raw()
        for changed in (hps, raw):
            assert (changed.forward_dtype, changed.tie_rule) == (path.forward_dtype, path.tie_rule)
            assert changed.name == ""
        assert hps.has_sigmoid
        assert not hps.has_narrow_sigmoid
        assert not raw.has_sigmoid
        some = LOGITS[::200]
        logits = path.logits(some)
        assert raw.scores(some).tolist() == pytest.approx(logits.tolist(), abs=0, nan_ok=True)


def test_hps_of_half_logits_is_the_float32_sigmoid_that_newer_engines_evaluate():
    for dtype in ("float16", "bfloat16"):
        old = path_of("haystack", "2.31.0", dtype)
        assert old.hps() == path_of("sentence-transformers", "6.2.0", dtype)
    assert ScorePath("float64").hps().activation_dtype == "float64"


@pytest.mark.parametrize("forward", ["float16", "bfloat16"])
def test_paths_that_reduce_to_one_score_every_logit_alike_and_no_others_do(forward):
    logits = FORMATS[forward].values(-np.inf, np.inf)
    dtypes = ["float64", "float32", "float16", "bfloat16"]
    scores = {}
    for formula, activation, stored in product(["fused", "stepwise", "none"], dtypes, dtypes):
        path = ScorePath(forward, formula, activation, stored, "expected", "an engine's")
        found = scores.setdefault(path.reduced(), path.scores(logits).tobytes())
        assert found == path.scores(logits).tobytes()
        assert (path.reduced().tie_rule, path.reduced().name) == ("expected", "")
    wide = [path for path in scores if path.has_sigmoid and path.activation_dtype == "float64"]
    # The two formulas in float64, stored in 16 bits, differ for none of these logits.
    assert len(set(scores.values())) >= len(scores) - len(wide)


def test_within_changes_the_network_alone():
    path = path_of("infinity", "0.0.68", "float16").within("float32")
    assert path.stages == {
        "forward_dtype": "float32",
        "formula": "stepwise",
        "activation_dtype": "float16",
        "stored_dtype": "float16",
    }


def test_an_engine_has_one_object_for_each_path():
    assert path_of("haystack", "2.31.0", "float16") is path_of("haystack", "2.0.1", "float16")
    assert path_of("haystack@2.31.0:float16") is find_engine("haystack", "2.31.0").paths["float16"]


# head and afterwards

BFLOAT16_PAIR = "forward=bfloat16,sigmoid=fused,activation=float32,stored=float32,ties=input order"
FULL = f"{BFLOAT16_PAIR},head=difference:bfloat16,after=shift:-4.5"


def test_a_path_without_head_and_afterwards_reads_as_before():
    path = ScorePath("bfloat16")
    assert path.text == BFLOAT16_PAIR
    assert (path.is_plain, path.logit_dtype) == (True, "bfloat16")
    assert "head" not in path.stages


def test_head_and_afterwards_go_through_plain_text_and_stages():
    path = ScorePath.of_text(FULL)
    assert path.text == FULL
    assert ScorePath(**path.stages) == path
    assert path != ScorePath("bfloat16")
    assert path.computation == (
        "bfloat16 logits → yes − no in bfloat16 → fused sigmoid in float32 → stored as float32 → "
        "logit shifted by -4.5"
    )


def test_a_softmax_over_two_labels_takes_the_place_of_the_sigmoid():
    path = ScorePath("bfloat16", "none", "float32", "float32", head="softmax:float32")
    assert path.computation == (
        "bfloat16 logits → softmax over (no, yes) in float32 → stored as float32"
    )
    assert (path.has_sigmoid, path.saturates, path.is_hps) == (True, True, True)
    assert path.scores([0.0]) == 0.5
    twice = replace(path, formula="fused")
    assert twice.scores([-40.0, 40.0]).tolist() == [0.5, pytest.approx(0.7310586)]


def test_upcasting_a_pair_subtracts_it_in_float32():
    own = ScorePath("bfloat16", "fused", "bfloat16", "bfloat16", head="difference:bfloat16")
    assert own.hps().head.dtype == "float32"
    assert own.raw().computation == (
        "bfloat16 logits → yes − no in bfloat16 → no sigmoid → stored as bfloat16"
    )
    softmax = ScorePath("float16", "none", "float16", "float16", head="exp log-softmax:float16")
    assert softmax.hps().computation == (
        "float16 logits → exp log-softmax over (no, yes) in float32 → stored as float32"
    )
    assert not softmax.raw().has_sigmoid


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("head", ["softmax", "softmax:float32", "log-softmax", "exp log-softmax"])
def test_only_a_half_log_softmax_turns_logits_round(half, head):
    """That of torch, on a CPU, does: it rounds the sum, its logarithm and the result."""
    head = head if ":" in head else f"{head}:{half}"
    path = ScorePath(half, "none", half, half, head=head)
    scores = path.scores(FORMATS[half].values(-100.0, 100.0))
    assert bool(np.all(np.diff(scores) >= 0)) == path.has_steps == ("log" not in head)


def test_a_pair_has_the_score_of_its_difference():
    path = ScorePath("float16", head="difference:float16")
    no, yes = np.array([24.3, 25.0]), np.array([25.1, 20.0])
    rounded = [np.float16(label).astype(float) for label in (no, yes)]
    difference = np.float16(rounded[1] - rounded[0]).astype(float)
    assert (
        path.scores_of_pairs(no, yes).tolist() == ScorePath("float16").scores(difference).tolist()
    )


@pytest.mark.parametrize("text", ["forward=float16,head=softmax", "forward=float16,after=clip:1"])
def test_a_head_or_an_afterwards_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"head|after"):
        ScorePath.of_text(text)


def test_a_path_without_a_name_is_called_by_its_stages():
    path = ScorePath("bfloat16", "fused", "bfloat16", "bfloat16")
    assert path.named.name == path.computation
    assert replace(path, name="mine").named.name == "mine"
