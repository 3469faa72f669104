"""What notebook 10 shows: answers about recordings and holdouts."""

import numpy as np
import pandas as pd
import pytest

from analysis.recordings import changes, runs
from analysis.studies import two_engines as study


def test_a_few_recordings_beside_one_another(monkeypatch):
    few = runs().iloc[[0, 1, 6, 7]]
    monkeypatch.setattr(study, "runs", lambda: few)
    answers = study.answers_of_recordings()
    assert answers["pairs"].sum() == 6
    assert (answers[["dtypes", "answer"]].duplicated()).sum() == 0
    assert set(answers["dtypes"]) == {
        " and ".join(sorted({one, other}))
        for place, one in enumerate(few["forward_dtype"])
        for other in few["forward_dtype"].iloc[place + 1 :]
    }


@pytest.fixture(scope="module")
def compared():
    return study.compared_holdouts()


def test_every_holdout_is_compared(compared):
    assert list(compared) == [name for name in changes() if name != study.AS_IT_IS]
    table = study.holdout_table(compared)
    assert table["changed"].tolist() == [changes()[name] for name in compared]
    order = table.set_index(pd.Index(list(compared)))
    assert order.loc["batch", "moved"] == 0
    assert order.loc["one off", "nDCG@10 lost"] > 0.1
    assert np.isnan(order.loc["twice", "largest difference"])


def test_differences_are_those_of_the_logits():
    first = pd.DataFrame({"query_id": "q", "passage_id": ["a", "b"], "logit": [1.0, 2.0]})
    second = first.iloc[::-1].assign(logit=[5.0, 1.5])
    assert study.differences(first, second).to_dict("list") == {
        "logit": [1.0, 2.0],
        "difference": [0.5, 3.0],
    }
    panels = study.shown_differences()
    assert [len(panel) for panel in panels.values()] == [945] * 3 + [235] * 3
