"""Servers, files and models as sources of an audit; what happens after an interruption."""

from __future__ import annotations

import json
import os
import signal
from itertools import count

import numpy as np
import pytest
from filelock import FileLock
from reranking_server import FLOAT16_INFINITY, Reply, infinity, logit, serving

from analysis.auditing import sources
from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.auditing.transport import Limits, ServerError
from analysis.datasets import from_pairs
from analysis.engines import ENGINES, INFINITY_FROM_0_0_69, engine_path
from analysis.errors import InputError

QUICK = Limits(answer_seconds=20, attempts=1)


@pytest.fixture(autouse=True)
def audits(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    return tmp_path / "audits"


def ask(url, dataset, **options):
    return sources.from_server(url, dataset, limits=QUICK, progress=False, **options)


def asked_for(running, dataset):
    """Query ids of the requests for scores that came after the detection, in order."""
    ids = dict(zip(dataset.pairs["query"], dataset.pairs["query_id"], strict=True))
    return [
        ids[asked.payload["query"]]
        for asked in running.asked
        if len(asked.payload["documents"]) > 1 and "raw_scores" not in asked.payload
    ]


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
        assert len(list(audits.rglob("*.json"))) == 2
        assert "der" not in "".join(file.read_text() for file in audits.rglob("*.json"))
        running.answer, running.asked[:] = infinity(), []
        resumed = ask(running.url, tiny_pairs)
        assert asked_for(running, tiny_pairs) == ["q0", "q2", "q3"]  # q0 to see if it still holds
        assert "going on after 2 of 4 queries" in capsys.readouterr().err
        assert list(audits.rglob("*.json")) == []
        running.asked[:] = []
        anew = ask(running.url, tiny_pairs)
        assert asked_for(running, tiny_pairs) == ["q0", "q1", "q2", "q3"]
    assert resumed.frame.equals(anew.frame)


@pytest.fixture
def interruptible():
    """Ctrl-C as at a terminal; a shell starts what runs in its background deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
        kept = [json.loads(file.read_text())["query_id"] for file in sorted(audits.rglob("*.json"))]
        # The answer under way may or may not have come in when the signal was seen.
        assert kept in (["q0", "q1"], ["q0", "q1", "q2"])
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
    assert len(list(audits.rglob("*.json"))) == 2


def test_two_audits_of_one_server_at_once_are_refused(tiny_pairs, audits):
    with serving(stops_after(1)) as running:
        with pytest.raises(ServerError):
            ask(running.url, tiny_pairs)
        running.answer = infinity()
        (folder,) = (path for path in audits.iterdir() if path.is_dir())
        with (
            FileLock(folder.with_suffix(".lock")),
            pytest.raises(InputError, match="another process is auditing"),
        ):
            ask(running.url, tiny_pairs)


def test_a_folder_that_cannot_be_made_is_named(tiny_pairs, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    with (
        serving(infinity()) as running,
        pytest.raises(InputError, match=f"answers cannot be kept .*{FOLDER_VARIABLE}"),
    ):
        ask(running.url, tiny_pairs)


@pytest.mark.parametrize("damaged", ["", '{"query_id": "q1", "sco', '{"query_id": "q1"}', "[]"])
def test_a_damaged_answer_is_asked_for_again(tiny_pairs, audits, damaged):
    with serving(stops_after(3)) as running:
        with pytest.raises(ServerError):
            ask(running.url, tiny_pairs)
        last = sorted(audits.rglob("*.json"))[-1]
        last.write_text(damaged, encoding="utf-8")
        running.answer = infinity()
        resumed = ask(running.url, tiny_pairs)
        assert resumed.frame.equals(ask(running.url, tiny_pairs).frame)


def test_kept_numbers_read_back_exactly(tiny_pairs, audits):
    with serving(stops_after(1)) as running, pytest.raises(ServerError):
        ask(running.url, tiny_pairs)
    (file,) = audits.rglob("*.json")
    passages = tiny_pairs.pairs.loc[tiny_pairs.pairs["query_id"] == "q0", "passage"]
    logits = FLOAT16_INFINITY.logits([logit(text) for text in passages]).tolist()
    kept = json.loads(file.read_text())
    assert kept["logits"] == logits
    assert kept["scores"] == FLOAT16_INFINITY.scores(logits).tolist()


def test_progress_is_shown_on_standard_error_without_texts(tiny_pairs, capsys):
    with serving(infinity()) as running:
        sources.from_server(running.url, tiny_pairs, limits=QUICK)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "4/4" in shown.err
    assert "der" not in shown.err


def test_a_model_through_an_engines_path(tiny_checkpoint, tiny_pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    engine = next(name for name, paths in ENGINES.items() if "float16" in paths)
    scored = sources.from_model(str(tiny_checkpoint), tiny_pairs, "float16", engine=engine)
    assert scored.path == engine_path(engine, "float16")
    np.testing.assert_array_equal(scored.frame["score"], scored.path.scores(scored.frame["logit"]))
    assert len(scored.float32_logits) == len(scored.frame) == tiny_pairs.n_pairs
    reference = sources.from_model(str(tiny_checkpoint), tiny_pairs, "float32")
    np.testing.assert_array_equal(reference.frame["logit"], scored.float32_logits)
    assert str(reference.path).startswith("float32 logits → fused sigmoid in float32")


def test_an_engine_that_is_not_known_is_refused_before_anything_is_loaded(tiny_pairs):
    with pytest.raises(InputError, match="unknown engine 'Nix'"):
        sources.from_model("nowhere", tiny_pairs, "float16", engine="Nix")
