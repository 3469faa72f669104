"""Rerankers that are language models: the logits of two tokens, and a path's head over them."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from reader_files import refused
from tiny_language_models import add_logit_score
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GPTNeoConfig,
    GPTNeoForCausalLM,
)

from analysis import scoring
from analysis.auditing import sources
from analysis.auditing.findings import findings
from analysis.budgets.noise import noise_floor
from analysis.datasets import from_pairs
from analysis.engines import path_of
from analysis.heads import TWO_LOGITS, Head
from analysis.models import load
from analysis.rerankers import Reranker
from analysis.scorepath import ScorePath
from analysis.scoring import score
from analysis.store import Store
from analysis.ties import apply
from analysis.timing import seconds_per_pair

PROMPTS = {  # as one text each; the prompts themselves are tested token by token elsewhere
    "qwen3": (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        'and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n<Instruct>: Given a web search query, retrieve relevant passages that "
        "answer the query\n<Query>: {}\n<Document>: {}<|im_end|>\n<|im_start|>assistant\n<think>"
        "\n\n</think>\n\n"
    ),
    "gemma": (
        "<bos>A: {}\nB: {}\nGiven a query A and a passage B, determine whether the passage "
        "contains an answer to the query by providing a prediction of either 'Yes' or 'No'."
    ),
    "t5": "Query: {} Document: {} Relevant:</s>",
}
ANSWERS = {"qwen3": ["no", "yes"], "gemma": ["Yes"], "t5": ["▁false", "▁true"]}


@pytest.fixture(scope="module")
def rerankers(language_models) -> dict[str, Reranker]:
    return {kind: load(folder, device="cpu") for kind, folder in language_models.items()}


@pytest.fixture(scope="module")
def scored(rerankers, tiny_pairs) -> pd.DataFrame:
    """Logits of the Qwen3 model in three dtypes."""
    dtypes = ("float32", "float16", "bfloat16")
    return score(tiny_pairs, rerankers["qwen3"], dtypes, progress=False)


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """Collect the dtypes of all networks that are loaded."""
    dtypes, real = [], Reranker.network
    monkeypatch.setattr(Reranker, "network", lambda self, d: dtypes.append(d) or real(self, d))
    return dtypes


def alone(folder: Path, kind: str, dtype: str, pairs: pd.DataFrame) -> np.ndarray:
    """Logits of the answers by a plain loop over the pairs, one after the other."""
    loader = AutoModelForSeq2SeqLM if kind == "t5" else AutoModelForCausalLM
    network = loader.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    network = copy.deepcopy(network)  # out of the mapped file: kernels round by alignment
    tokenizer = AutoTokenizer.from_pretrained(folder)
    answers = [tokenizer.get_vocab()[token] for token in ANSWERS[kind]]
    rows = []
    for query, passage in zip(pairs["query"], pairs["passage"], strict=True):
        text = PROMPTS[kind].format(query, passage)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        # one place alone is multiplied by the head, as everywhere that is fast
        last = {"decoder_input_ids": torch.tensor([[0]])} if kind == "t5" else {"logits_to_keep": 1}
        with torch.inference_mode():
            rows.append(network(ids, **last).logits[0, -1, answers].double().numpy())
    return np.array(rows)


@pytest.mark.parametrize("kind", PROMPTS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_logits_are_those_of_a_plain_loop_bit_for_bit(
    language_models, rerankers, tiny_pairs, kind, dtype
):
    reranker = rerankers[kind]
    frame = score(tiny_pairs, reranker, [dtype], batch_tokens=1, progress=False)
    expected = alone(language_models[kind], kind, dtype, tiny_pairs.pairs)
    assert np.array_equal(frame[list(reranker.label_names)].to_numpy(), expected)
    assert frame["logit"].tolist() == (expected @ ([-1, 1][-expected.shape[1] :])).tolist()
    assert frame["logit"].nunique() > 15
    batches = score(tiny_pairs, reranker, [dtype], progress=False)["logit"]
    # batches pad, which moves last bits and no more: float32 has 24, bfloat16 8
    near = 1e-4 if dtype == "float32" else 0.5
    assert np.allclose(batches, frame["logit"], atol=near)


def test_a_frame_has_the_pair_beside_its_difference(scored, tiny_pairs):
    assert tuple(scored.columns) == (*scoring.COLUMNS, *TWO_LOGITS)
    assert (scored["logit"] == scored["logit_yes"] - scored["logit_no"]).all()
    for dtype, rows in scored.groupby("forward_dtype"):
        for name in TWO_LOGITS:
            assert (ScorePath(dtype).logits(rows[name]) == rows[name]).all()
    assert len(scored) == 3 * tiny_pairs.n_pairs


def test_a_model_of_one_token_gives_one_logit(rerankers, tiny_pairs):
    frame = score(tiny_pairs, rerankers["gemma"], ["float32"], progress=False)
    assert tuple(frame.columns) == scoring.COLUMNS


def test_padding_stands_on_the_left_and_moves_last_bits_alone(rerankers, tiny_pairs, scored):
    reranker = rerankers["qwen3"]
    wide = score(tiny_pairs, reranker, ["float32"], least_width=500, progress=False)
    float32 = scored[scored["forward_dtype"] == "float32"]
    assert np.allclose(wide["logit"], float32["logit"], atol=1e-4)
    batch = reranker.batch(reranker.tokens(["wie", "wie neu"], ["der", "pass und rad"], 500))
    assert batch["attention_mask"][:, -1].all()
    assert not batch["attention_mask"][0, 0]
    assert reranker.length == 512


def test_a_network_with_a_table_of_places_is_told_them(language_models, tiny_pairs, tmp_path):
    """Rotary places are relative; GPT-Neo's are counted from the first token, padding or not."""
    sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "intermediate_size": 64}
    config = GPTNeoConfig(
        **sizes, vocab_size=420, attention_types=[[["global"], 2]], initializer_range=0.5
    )
    folder = Path(shutil.copytree(language_models["qwen3"], tmp_path / "model"))
    GPTNeoForCausalLM(config).save_pretrained(folder)
    neo = load(add_logit_score(folder, 296, 283), device="cpu")
    options = {"formats": ["float32"], "progress": False}
    plain, wide = (score(tiny_pairs, neo, least_width=n, **options)["logit"] for n in (1, 400))
    assert np.allclose(plain, wide, atol=1e-3)
    assert plain.std() > 0.1


def test_the_pair_is_stored_and_resumed(rerankers, tiny_pairs, scored, tmp_path, loaded):
    store, float16 = Store(tmp_path), scored[scored["forward_dtype"] == "float16"]
    for _ in range(2):
        frame = score(tiny_pairs, rerankers["qwen3"], ["float16"], store=store, progress=False)
        pd.testing.assert_frame_equal(frame, float16.reset_index(drop=True), check_exact=True)
    assert loaded == ["float16"]


def test_other_answers_are_another_model(rerankers):
    reranker = rerankers["qwen3"]
    other = replace(reranker, yes_no=replace(reranker.yes_no, yes=reranker.yes_no.no))
    assert reranker.identity() != other.identity()


def test_a_prompt_without_room_for_a_pair_is_refused(rerankers, tiny_pairs):
    least = rerankers["gemma"].least_tokens
    error = refused(score, tiny_pairs, rerankers["gemma"], ["float32"], max_length=least - 1)
    assert error.remedy == f"give {least} or more"


def test_weights_that_t5_keeps_in_float32_are_named(rerankers):
    assert (
        "stays torch.float32 in a float16 network"
        in refused(rerankers["t5"].network, "float16").problem
    )


@pytest.mark.parametrize("kind", ["qwen3", "t5"])
def test_a_pass_can_be_timed(rerankers, tiny_pairs, kind):
    assert seconds_per_pair(tiny_pairs, rerankers[kind], "float32", n_pairs=2, repeats=1) > 0


def test_what_moves_a_logit_can_be_measured(rerankers, tiny_pairs):
    few = from_pairs("few", tiny_pairs.pairs.iloc[:3])
    found = noise_floor(few, rerankers["qwen3"], ["float32"], n_pairs=3, progress=False)
    assert found["circumstance"].iloc[0] == "alone"
    assert found["largest"].max() < 1e-3


@pytest.mark.parametrize("length", [500, 135])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sentence_transformers_has_the_same_tokens_and_bits(
    language_models, tiny_pairs, tmp_path, dtype, length
):
    """Where it is installed, in 5.4 or later; of 135 tokens some prompts have more."""
    library = pytest.importorskip("sentence_transformers.cross_encoder")
    pytest.importorskip("sentence_transformers.cross_encoder.modules.logit_score")
    folder = Path(shutil.copytree(language_models["qwen3"], tmp_path / "model"))
    reranker = load(add_logit_score(folder, 296, 283), device="cpu")
    theirs = library.CrossEncoder(
        str(folder), max_length=length, device="cpu", model_kwargs={"dtype": getattr(torch, dtype)}
    )
    pairs = [*zip(tiny_pairs.pairs["query"], tiny_pairs.pairs["passage"], strict=True)]
    rows = reranker.tokens(*zip(*pairs, strict=True), length)["input_ids"]
    prompt = theirs.prompts[theirs.default_prompt_name]
    for pair, row in zip(pairs, rows, strict=True):
        ids = theirs.preprocess([pair], prompt=prompt)["input_ids"]
        assert ids[0].tolist() == row.tolist()
    assert (max(map(len, rows)) == length) == (length == 135)
    path = ScorePath(dtype, "none", head=f"difference:{dtype}")
    options = {"max_length": length, "batch_tokens": 1, "progress": False}
    ours = apply(score(tiny_pairs, reranker, [dtype], **options), path)["score"]
    assert ours.tolist() == [float(theirs.predict([pair])[0]) for pair in pairs]


# A path's head, over the pair


def of_torch(kind: str, head_dtype: str, pair: torch.Tensor) -> torch.Tensor:
    """What a head makes of pairs (n, 2) in torch."""
    pair = pair.to(getattr(torch, head_dtype))
    return {
        "difference": lambda: pair[:, 1] - pair[:, 0],
        "softmax": lambda: torch.softmax(pair, dim=-1)[:, 1],
        "log-softmax": lambda: torch.log_softmax(pair, dim=-1)[:, 1],
        "exp log-softmax": lambda: torch.log_softmax(pair, dim=-1)[:, 1].exp(),
    }[kind]()


@pytest.mark.parametrize("forward", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["difference", "softmax", "log-softmax", "exp log-softmax"])
def test_a_head_makes_of_the_pair_what_torch_does(scored, kind, forward):
    rows = scored[scored["forward_dtype"] == forward]
    pair = torch.from_numpy(rows[list(TWO_LOGITS)].to_numpy()).to(getattr(torch, forward))
    path = ScorePath(forward, "none", forward, forward, head=Head(kind, forward))
    found = apply(scored, path)["score"].to_numpy()
    assert np.array_equal(found, of_torch(kind, forward, pair).double().numpy())


@pytest.mark.parametrize("forward", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["difference", "softmax"])
def test_a_float32_head_does_too(scored, kind, forward):
    rows = scored[scored["forward_dtype"] == forward]
    pair = torch.from_numpy(rows[list(TWO_LOGITS)].to_numpy())
    path = ScorePath(forward, "none", "float32", "float32", head=Head(kind, "float32"))
    found = apply(scored, path)["score"].to_numpy()
    assert np.array_equal(found, of_torch(kind, "float32", pair).double().numpy())


def test_a_sigmoid_follows_the_difference(scored):
    rows = scored[scored["forward_dtype"] == "bfloat16"]
    pair = torch.from_numpy(rows[list(TWO_LOGITS)].to_numpy()).bfloat16()
    found = apply(scored, path_of("sentence-transformers-yes-no", "6.2", "bfloat16"))
    expected = torch.sigmoid((pair[:, 1] - pair[:, 0]).float())
    assert np.array_equal(found["score"], expected.double().numpy())


def test_a_path_of_one_logit_takes_the_difference(scored):
    found = apply(scored, ScorePath("float32"))
    rows = scored[scored["forward_dtype"] == "float32"]
    assert np.array_equal(found["score"], ScorePath("float32").scores(rows["logit"]))


def test_a_path_of_two_logits_over_one_is_refused(scored):
    path = ScorePath("bfloat16", head="softmax:bfloat16")
    error = refused(apply, scored.drop(columns=list(TWO_LOGITS)), path)
    assert error.problem == "the frame of bfloat16 logits has no column logit_no, logit_yes"
    assert error.remedy.startswith("score with a yes/no language model, take a path of one logit")
    known = scored.assign(logit_no=0.0, logit_yes=ScorePath("bfloat16").logits(scored["logit"]))
    assert (apply(known, path)["score"] == path.scores(known["logit_yes"][-24:])).all()


def test_a_pair_without_a_number_is_refused(scored):
    broken = scored.assign(logit_no=scored["logit_no"].where(scored["logit_no"].index != 70))
    error = refused(apply, broken, ScorePath("bfloat16", head="softmax:bfloat16"))
    assert error.field == "logit_no"


@pytest.mark.parametrize("forward", ["float16", "bfloat16"])
def test_rows_that_are_subtracted_first_are_not_made_of_a_rounded_pair(scored, forward):
    error = refused(apply, scored, path_of("vllm-yes-no", None, forward))
    assert f"the frame has two {forward} logits, which were rounded before" in error.problem
    float32 = apply(scored, path_of("vllm-yes-no", None, "float32"))
    assert float32["score"].nunique() > 20


# An audit


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_audit_of_a_repository_with_a_logit_score(
    language_models, tiny_pairs, tmp_path, monkeypatch, dtype
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    folder = Path(shutil.copytree(language_models["qwen3"], tmp_path / "model"))
    add_logit_score(folder, 296, 283)  # with Identity as its activation
    found = sources.from_model(str(folder), tiny_pairs, format=dtype)
    assert (found.path.formula, found.path.head) == ("none", Head("difference", dtype))
    logits = score(tiny_pairs, load(folder), [dtype], progress=False)
    exact = logits["logit_yes"] - logits["logit_no"]
    assert np.array_equal(found.frame["score"], ScorePath(dtype).logits(exact))
    verdict = findings(found).verdict
    assert (verdict.kind, verdict.stage("forward dtype").values) == ("logits", (dtype,))


def test_an_audit_of_a_known_family_takes_a_sigmoid(
    language_models, tiny_pairs, tmp_path, monkeypatch
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    heads = {
        kind: sources.from_model(str(language_models[kind]), tiny_pairs).path
        for kind in ("qwen3", "gemma")
    }
    assert heads["qwen3"] == ScorePath(head="difference:float32")
    assert heads["gemma"] == ScorePath()
