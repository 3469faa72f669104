"""An audit of Parquet in parts against the audit of the same scores in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.auditing import audit, findings
from analysis.auditing.page import page_html
from analysis.auditing.sources import from_file
from analysis.cli import app
from analysis.readers import scorestreams
from analysis.readers.scorestreams import ScoreStream
from analysis.scorepath import ScorePath

PATH = ScorePath("float16", "stepwise", "float16", "float16")
QUERIES, PER_QUERY, SAMPLE = 80, 15, 450
SAID = "450 of 1,200 scores are judged: whole queries, taken evenly by a hash of their ids"


@pytest.fixture
def scores():
    rows = QUERIES * PER_QUERY
    logits = PATH.logits(np.random.default_rng(2).normal(3, 5, rows))
    return pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(QUERIES)], PER_QUERY),
            "passage_id": [f"p{row}" for row in range(rows)],
            "score": PATH.scores(logits),
            "logit": logits,
        }
    )


@pytest.fixture(params=[False, True], ids=["scores", "scores and logits"])
def both(request, scores, tmp_path, monkeypatch):
    """The audit in memory, and that in parts by a sample."""
    file = tmp_path / "scores.parquet"
    (scores if request.param else scores.drop(columns="logit")).to_parquet(file, index=False)
    whole = audit(scores=file)
    monkeypatch.setattr(scorestreams, "JUDGED", SAMPLE)
    scored = from_file(file)
    assert len(scored.frame) == SAMPLE
    assert whole.scored.stream is None
    return whole, findings.findings(replace(scored, stream=ScoreStream(file, rows=100)))


def test_everything_that_is_counted_is_counted_over_all(both):
    whole, parts = both
    pd.testing.assert_frame_equal(parts.effects, whole.effects)
    pd.testing.assert_frame_equal(parts.ties, whole.ties)
    assert parts.saturated == whole.saturated > 0
    for condition in ("top3-ties>0", "top10-ties>0", "tied-first>0", "saturated>0", "ties>0"):
        assert parts.value(condition) == whole.value(condition) > 0


def test_the_path_of_the_sample_is_that_of_all(both):
    whole, parts = both
    assert parts.path == whole.path is not None
    assert parts.verdict.n_scores == SAMPLE
    assert str(parts.recommendation) == str(whole.recommendation)


def test_page_and_details_say_what_was_sampled(both):
    whole, parts = both
    assert parts.scored.details["read"] == SAID
    assert parts.scored.details["counted"] == "all scores"
    page = page_html(parts)
    assert SAID in page
    assert "in the top 10 of the sample" in page
    assert "sample" not in page_html(whole)


def test_only_so_many_tie_groups_are_kept_the_largest_ones(both, monkeypatch):
    whole, parts = both
    monkeypatch.setattr(findings, "MOST_GROUPS", 5)
    few = findings.findings(parts.scored).ties
    pd.testing.assert_frame_equal(few, whole.ties.head(5))


def test_one_score_of_1_in_every_query_may_be_the_best_divided_by_itself(tmp_path):
    rows = QUERIES * PER_QUERY
    frame = pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(QUERIES)], PER_QUERY),
            "passage_id": [f"p{row}" for row in range(rows)],
            "score": np.random.default_rng(1).uniform(0.2, 0.9, rows).round(9),
        }
    )
    frame["score"] /= frame.groupby("query_id")["score"].transform("max")
    file = tmp_path / "scores.parquet"
    frame.to_parquet(file, index=False)
    whole = audit(scores=file)
    stream = ScoreStream(file, rows=100)
    parts = findings.findings(replace(whole.scored, stream=stream))
    assert parts.may_be_list_best == whole.may_be_list_best is True
    frame.loc[frame["query_id"] == "q3", "score"] *= 0.5
    frame.loc[frame.index[frame["query_id"] == "q4"][:2], "score"] = 1.0
    frame.to_parquet(file, index=False)
    assert not findings.findings(replace(whole.scored, stream=stream)).may_be_list_best


def test_the_commands_say_it_too(scores, tmp_path, monkeypatch):
    file = tmp_path / "scores.parquet"
    scores.to_parquet(file, index=False)
    monkeypatch.setattr(scorestreams, "JUDGED", SAMPLE)
    ran = CliRunner().invoke(app, ["audit", "--scores", str(file), "--json", "-"])
    report = json.loads(ran.stdout)
    assert report["source"]["details"]["read"] == SAID
    assert report["effects"][0]["candidates"] == QUERIES * PER_QUERY
    ran = CliRunner().invoke(app, ["fingerprint", str(file)])
    assert SAID in ran.stderr
    assert "float16" in ran.stdout
