"""Servers, files and models as sources of an audit; what happens after an interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
from itertools import count

import numpy as np
import pandas as pd
import pytest
from reranking_server import FLOAT16_INFINITY, Reply, infinity, logit, serving

from analysis import scoring
from analysis.auditing import sources
from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.auditing.transport import Limits, ServerError
from analysis.checkpoints import own_activation
from analysis.datasets import from_pairs
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.forwardformats import as_format, in_format
from analysis.scorepath import ScorePath

QUICK = Limits(answer_seconds=20, attempts=1)


@pytest.fixture(autouse=True)
def audits(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    return tmp_path / "audits"


def ask(url, dataset, **options):
    return sources.from_server(url, dataset, limits=QUICK, **options)


def asked_for(running, dataset):
    """Query ids of the requests for scores that came after the detection, in order."""
    ids = dict(zip(dataset.pairs["query"], dataset.pairs["query_id"], strict=True))
    return [
        ids[asked.payload["query"]]
        for asked in running.asked
        if len(asked.payload["documents"]) > 1 and "raw_scores" not in asked.payload
    ]


def kept(folder):
    """What is kept in a folder, line by line."""
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines if line]


def stops_after(n_queries):
    """Infinity that breaks down after so many queries, each asked twice, after two for the API."""
    answered = iter(range(2 + 2 * n_queries))
    return lambda asked: (
        infinity()(asked) if next(answered, None) is not None else Reply(status=500)
    )


def test_a_server_gives_scores_and_logits_in_the_order_of_the_set(tiny_pairs):
    with serving(infinity()) as running:
        scored = ask(running.url, tiny_pairs)
    logits = FLOAT16_INFINITY.logits([logit(text) for text in tiny_pairs.pairs["passage"]])
    assert scored.frame["passage_id"].tolist() == tiny_pairs.pairs["passage_id"].tolist()
    np.testing.assert_array_equal(scored.frame["logit"], logits)
    np.testing.assert_array_equal(scored.frame["score"], FLOAT16_INFINITY.scores(logits))
    assert (scored.kind, scored.name, scored.has_logits) == ("url", running.url, True)


def test_rows_of_a_query_that_do_not_stand_together_get_their_own_scores(tiny_pairs):
    mixed = from_pairs("mixed", tiny_pairs.pairs.sample(frac=1, random_state=1))
    with serving(infinity()) as running:
        frame = ask(running.url, mixed).frame
    logits = FLOAT16_INFINITY.logits([logit(text) for text in mixed.pairs["passage"]])
    np.testing.assert_array_equal(frame["logit"], logits)
    np.testing.assert_array_equal(frame["score"], FLOAT16_INFINITY.scores(logits))


def test_an_interrupted_audit_goes_on_and_a_complete_one_leaves_nothing(tiny_pairs, audits, capsys):
    with serving(stops_after(2)) as running:
        with pytest.raises(ServerError, match="HTTP status 500"):
            ask(running.url, tiny_pairs)
        assert [record["query_id"] for record in kept(audits)] == ["q0", "q1"]
        assert "der" not in "".join(file.read_text() for file in audits.iterdir())
        running.answer, running.asked[:] = infinity(), []
        resumed = ask(running.url, tiny_pairs)
        assert asked_for(running, tiny_pairs) == ["q0", "q2", "q3"]  # q0 to see if it still holds
        assert "resuming after 2 of 4 queries" in capsys.readouterr().err
        assert list(audits.iterdir()) == []
        running.asked[:] = []
        anew = ask(running.url, tiny_pairs)
        assert asked_for(running, tiny_pairs) == ["q0", "q1", "q2", "q3"]
    assert resumed.frame.equals(anew.frame)


@pytest.mark.usefixtures("interruptible")
def test_the_users_interruption_leaves_whole_answers(tiny_pairs, audits):
    n_asked = count()

    def answer(asked):
        if next(n_asked) == 2 + 2 * 2:  # the third query, after two requests for the API
            os.kill(os.getpid(), signal.SIGINT)
        return infinity()(asked)

    with serving(answer) as running:
        with pytest.raises(KeyboardInterrupt):
            ask(running.url, tiny_pairs)
        # The answer under way may or may not have come in when the signal was seen.
        ids = [record["query_id"] for record in kept(audits)]
        assert ids in (["q0", "q1"], ["q0", "q1", "q2"])
        assert ask(running.url, tiny_pairs).has_logits


def test_a_server_started_anew_in_another_dtype_is_asked_everything(tiny_pairs, capsys):
    path = path_of("infinity", "0.0.78", "bfloat16")
    with serving(stops_after(3)) as running:
        with pytest.raises(ServerError):
            ask(running.url, tiny_pairs)
        running.answer = infinity(path)
        scored = ask(running.url, tiny_pairs)
    assert "answers differently" in capsys.readouterr().err
    logits = path.logits([logit(text) for text in tiny_pairs.pairs["passage"]])
    np.testing.assert_array_equal(scored.frame["score"], path.scores(logits))


def test_other_data_or_another_model_shares_no_answers(tiny_pairs, audits):
    with serving(stops_after(2)) as running:
        with pytest.raises(ServerError):
            ask(running.url, tiny_pairs)
        running.answer, running.asked[:] = infinity(), []
        ask(running.url, tiny_pairs, model="another")
        assert asked_for(running, tiny_pairs) == ["q0", "q1", "q2", "q3"]
    assert len(kept(audits)) == 2


def test_two_audits_of_one_server_at_once_do_each_other_no_harm(tiny_pairs, audits):
    other = []

    def answer(asked):
        if len(running.asked) == 2 + 2 * 2:  # in the middle of the first audit
            other.append(ask(running.url, tiny_pairs))
        return infinity()(asked)

    with serving(answer) as running:
        scored = ask(running.url, tiny_pairs)
    assert scored.frame.equals(other[0].frame)
    logits = FLOAT16_INFINITY.logits([logit(text) for text in tiny_pairs.pairs["passage"]])
    np.testing.assert_array_equal(scored.frame["logit"], logits)
    assert kept(audits) == []


def test_a_folder_that_cannot_be_made_is_named(tiny_pairs, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    with (
        serving(infinity()) as running,
        pytest.raises(InputError, match=f"it cannot be written .*{FOLDER_VARIABLE}"),
    ):
        ask(running.url, tiny_pairs)


FITTING = {"query_id": "q1", "scores": [0.5] * 6, "logits": [0.0] * 6}
UNFIT = {
    "empty": "",
    "cut off": '{"query_id": "q1", "sco',
    "of another form": '{"query_id": "q1"}',
    "a list": "[]",
    "without end": "[" * 100_000,
    "not text": "\udc80",
    "of an unknown query": json.dumps(FITTING | {"query_id": "q9"}),
    "of a query named by a list": json.dumps(FITTING | {"query_id": ["q1"]}),
    "one score short": json.dumps(FITTING | {"scores": [0.5] * 5}),
    "one logit over": json.dumps(FITTING | {"logits": [0.0] * 7}),
    "without logits": json.dumps(FITTING | {"logits": None}),
    "with a NaN": json.dumps(FITTING | {"scores": [0.5] * 5 + [float("nan")]}),
    "with an infinite logit": json.dumps(FITTING | {"logits": [0.0] * 5 + [float("inf")]}),
    "with a text": json.dumps(FITTING | {"scores": [0.5] * 5 + ["0.5"]}),
    "with scores that are a text": json.dumps(FITTING | {"scores": "abcdef"}),
}


def resumed_with(line, tiny_pairs, audits):
    """Interrupt an audit after one query, keep one line more, resume: (asked for, its frame)."""
    with serving(stops_after(1)) as running:
        with pytest.raises(ServerError):
            ask(running.url, tiny_pairs)
        (file,) = audits.iterdir()
        with file.open("a", encoding="utf-8", errors="surrogateescape") as opened:
            opened.write(f"\n{line}")
        running.answer, running.asked[:] = infinity(), []
        frame = ask(running.url, tiny_pairs).frame
        return asked_for(running, tiny_pairs), frame


def test_a_kept_answer_that_fits_is_not_asked_for_again(tiny_pairs, audits):
    asked, frame = resumed_with(json.dumps(FITTING), tiny_pairs, audits)
    assert asked == ["q0", "q2", "q3"]  # q0 to see if it still holds
    assert frame.loc[frame["query_id"] == "q1", "score"].tolist() == FITTING["scores"]


@pytest.mark.parametrize("line", UNFIT.values(), ids=UNFIT)
def test_a_kept_answer_that_does_not_fit_is_asked_for_again(tiny_pairs, audits, line):
    asked, frame = resumed_with(line, tiny_pairs, audits)
    assert asked == ["q0", "q1", "q2", "q3"]
    logits = FLOAT16_INFINITY.logits([logit(text) for text in tiny_pairs.pairs["passage"]])
    np.testing.assert_array_equal(frame["logit"], logits)


def test_kept_numbers_read_back_exactly(tiny_pairs, audits):
    with serving(stops_after(1)) as running, pytest.raises(ServerError):
        ask(running.url, tiny_pairs)
    (answer,) = kept(audits)
    passages = tiny_pairs.pairs.loc[tiny_pairs.pairs["query_id"] == "q0", "passage"]
    logits = FLOAT16_INFINITY.logits([logit(text) for text in passages]).tolist()
    assert answer["logits"] == logits
    assert answer["scores"] == FLOAT16_INFINITY.scores(logits).tolist()


def test_a_model_through_an_engines_path(tiny_checkpoint, tiny_pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    path = path_of("infinity", "0.0.32", "float16")
    scored = sources.from_model(str(tiny_checkpoint), tiny_pairs, path)
    assert scored.path == path
    np.testing.assert_array_equal(scored.frame["score"], scored.path.scores(scored.frame["logit"]))
    assert len(scored.float32_logits) == len(scored.frame) == tiny_pairs.n_pairs
    reference = sources.from_model(str(tiny_checkpoint), tiny_pairs, ScorePath())
    np.testing.assert_array_equal(reference.frame["logit"], scored.float32_logits)
    assert str(reference.path).startswith("float32 logits → fused sigmoid in float32")


def test_a_model_runs_in_a_forward_format(tiny_checkpoint, tiny_pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    model = str(tiny_checkpoint)
    scored = sources.from_model(model, tiny_pairs, format="torch:float16")
    assert scored.path.forward_dtype == "float16"
    assert (scored.forward_format, scored.batch_shift) == (as_format("float16"), None)
    with pytest.raises(InputError, match="takes float16 logits, and those of openvino:f32 are"):
        sources.from_model(model, tiny_pairs, scored.path, format="openvino:f32")
    with pytest.raises(InputError, match="Leave one of the two out"):
        sources.one_format("float16", "openvino:f32")


def test_a_model_of_another_runtime_is_scored_alone_as_well(
    tiny_checkpoint, tiny_pairs, monkeypatch
):
    asked = []

    def score(dataset, reranker, formats, *, batch_tokens=8192, **options):
        """Logits of a network whose activations share one scale in a batch."""
        asked.append((dataset.n_pairs, batch_tokens))
        frames = [
            in_format(dataset.pairs.assign(logit=0.5 * (batch_tokens == 1)), one) for one in formats
        ]
        return pd.concat(frames, ignore_index=True)

    monkeypatch.setattr(scoring, "score", score)
    int8 = "onnxruntime:int8-dynamic"
    scored = sources.from_model(str(tiny_checkpoint), tiny_pairs, format=int8)
    n_first = (tiny_pairs.pairs["query_id"] == tiny_pairs.pairs["query_id"].iloc[0]).sum()
    assert asked == [(tiny_pairs.n_pairs, 8192), (n_first, 1)]
    assert scored.batch_shift == 0.5
    assert scored.details["batch shift"] == "0.5 logits"
    assert scored.details["forward format"].startswith(f"{int8}: int8 weights")


@pytest.mark.parametrize(
    ("file", "said", "formula"),
    [
        ("config_sentence_transformers.json", "torch.nn.modules.linear.Identity", "none"),
        ("config_sentence_transformers.json", "torch.nn.modules.activation.Sigmoid", "fused"),
        (None, None, "fused"),
    ],
)
def test_a_checkpoints_own_activation_decides(
    tiny_checkpoint, tiny_pairs, tmp_path, monkeypatch, file, said, formula
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint")
    if file:
        (folder / file).write_text(json.dumps({"activation_fn": said}), encoding="utf-8")
    assert sources.from_model(str(folder), tiny_pairs).path == ScorePath(formula=formula)


@pytest.mark.parametrize(
    "config",
    [
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
        {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
    ],
)
def test_the_activation_stands_in_config_json_too(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert own_activation(tmp_path) == "Identity"
