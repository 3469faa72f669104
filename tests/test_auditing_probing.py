"""The batch probe: a passage in other company."""

from __future__ import annotations

import pytest
from reranking_server import Asked, Reply, drifting, infinity, reply, serving

from analysis.auditing import sources
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import findings
from analysis.auditing.transport import Limits
from analysis.errors import InputError
from analysis.scorepath import ScorePath

QUICK = Limits(answer_seconds=20, attempts=2, first_wait=0.001, longest_wait=0.01)


def asked_of(answer, pairs):
    with serving(answer) as running:
        return sources.from_server(running.url, pairs, limits=QUICK)


def test_a_score_of_its_own_pair_does_not_move(tiny_pairs):
    scored = asked_of(infinity(ScorePath()), tiny_pairs)
    assert scored.batch_shift == 0
    assert scored.details["batch shift"] == "0 logits"
    assert not findings(scored).holds("batch-shift>0.01")


@pytest.mark.parametrize("shift", [0.005, 0.3])
def test_what_moves_alone_is_told_in_logits(tiny_pairs, shift):
    scored = asked_of(drifting(shift), tiny_pairs)
    assert scored.batch_shift == pytest.approx(shift)
    assert findings(scored).holds("batch-shift>0.01") == (shift > 0.01)


def test_a_server_that_refuses_the_long_companion_is_asked_about_one_alone(tiny_pairs):
    def answer(asked: Asked) -> Reply:
        if any(len(text) > 1_000 for text in asked.payload.get("documents", [])):
            return Reply(status=413)
        return drifting(0.2)(asked)

    assert asked_of(answer, tiny_pairs).batch_shift == pytest.approx(0.2)


def test_constants_have_no_shift(tiny_pairs):
    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank" or "documents" not in asked.payload:
            return Reply(status=404)
        return reply(
            {
                "results": [
                    {"index": i, "score": 1.0} for i in range(len(asked.payload["documents"]))
                ]
            }
        )

    scored = asked_of(answer, tiny_pairs)
    assert scored.batch_shift is None
    with pytest.raises(InputError, match="no batch shift was measured"):
        findings(scored).value("batch-shift>0")


def test_the_condition_has_decimals():
    condition = Condition.of_text("batch-shift>0.01")
    assert (condition.bound, str(condition)) == (0.01, "batch-shift>0.01")
    assert str(Condition.of_text("saturated>0")) == "saturated>0"
