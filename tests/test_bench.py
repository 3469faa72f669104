"""The bench's own parts: the table, the limit, who may be compared, and how peers are asked."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from analysis.models import load
from bench import batches, lines, rounds
from bench.asking import RUNNERS, Running, Scored, disagreement
from bench.limit import Network, limit_seconds
from bench.lines import Line, Part
from bench.machines import machine
from bench.pairs import CANDIDATES, mixed_pairs, stretches
from bench.rounds import Spread, in_turn, ratios
from bench.scoring import against_limit, against_peers
from bench.table import BEGIN, END, table, write

ONE = Spread.of([1.0])


def line(**fields):
    return Line(**{"what": "ours", "ours": ONE, **fields})


def beside(ratio, goal, note=""):
    spread = Spread.of(ratio)
    return line(rival="peer", theirs=spread, ratio=spread, goal=goal, note=note)


def test_a_table_takes_the_place_of_the_last_one(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n", encoding="utf-8")
    for name in ("first", "second"):
        measured = Part("a machine", [beside([1.9, 2.0, 2.5], 1.4)])
        write({name: measured, "not run": None}, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "| ours | 1 s | peer | 2 s | 2 (1.9–2.5) | ≥ 1.4 | as held to |" in text
    assert "### second\n\na machine\n\n|" in text
    assert not any(word in text for word in ("old", "first", "not run"))


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="unpack"):
        write({}, page)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (beside([2.0], 1.4), "as held to"),
        (beside([1.4], 1.4), "as held to"),
        (beside([1.3], 1.4, "attention"), "below, because attention"),
        (beside([1.3], 1.4), "below, because no reason was found"),
        (beside([1.3], None), ""),
        (line(goal=2.0), "as held to"),
        (line(goal=0.5, note="big"), "below, because big"),
        (line(rival="peer", goal=1.4, note="other logits"), "other logits"),
    ],
)
def test_a_line_says_whether_it_is_held(made, verdict):
    assert made.verdict == verdict
    assert verdict in table([made])


def test_lines_are_kept_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "KEPT", tmp_path)
    made = [beside([1.0, 2.0, 0.1 + 0.2], 1.4), line(goal=2.0, unit="ms")]
    lines.keep("part", made)
    assert lines.kept("part") == Part(machine(), made)
    assert lines.kept("another") is None


def test_multiply_adds_are_those_counted_by_hand():
    network = Network(layers=1, width=4, inner=8, labels=1)
    assert network.multiply_adds(np.array([2, 3])) == {
        (4, 4): 4 * 4 * 4 * 5,  # query, key, value and output, over five tokens
        (4, 8): 4 * 8 * 5,
        (8, 4): 8 * 4 * 5,
        "attention": 2 * 4 * (2 * 2 + 3 * 3),
        "head": 2 * (4 * 4 + 4 * 1),
    }


def test_multiply_adds_are_those_that_torch_counts(tiny_checkpoint):
    # of fused attention torch counts nothing
    reranker = replace(load(tiny_checkpoint, device="cpu"), attention="eager")
    network = reranker.network("float32")
    tokens = 17
    ids = torch.ones(1, tokens, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(input_ids=ids, attention_mask=ids)
    counted = Network.of(reranker.config).multiply_adds(np.array([tokens]))
    assert counter.get_total_flops() == 2 * sum(counted.values())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_limit_grows_with_the_pairs(dtype, monkeypatch):
    monkeypatch.setattr("bench.limit._speed", lambda shape, dtype: 1e9)
    network = Network(layers=2, width=8, inner=16, labels=1)
    one, two = (limit_seconds(network, np.full(n, 10), dtype) for n in (1, 2))
    assert two == pytest.approx(2 * one, rel=1e-12)
    assert one == pytest.approx(sum(network.multiply_adds(np.array([10])).values()) / 1e9)


def test_other_logits_are_told_and_not_compared():
    reference = np.array([1.0, 2.0])
    assert disagreement(reference + 1e-5, reference, "float32") == ""
    assert "0.5 away" in disagreement(reference + 0.5, reference, "bfloat16")
    assert "nan away" in disagreement(reference * np.nan, reference, "float32")
    assert "1 logits for 2 pairs" in disagreement(reference[:1], reference, "float32")

    seconds = {"fast": [1.0, 1.0], "slow": [2.0, 3.0], "good": [3.0, 3.0], "bad": [0.1, 0.1]}
    told = {"fast": "", "slow": "", "good": "", "bad": "other logits: not compared"}
    found = against_peers("float32", seconds, told, {"fast", "slow"}, "attention")
    compared = {(one.what, one.rival): one.ratio for one in found if one.rival}
    assert compared == {
        ("float32: fast", "good"): Spread(3.0, 3.0, 3.0),
        ("float32: slow", "good"): ratios([3.0, 3.0], [2.0, 3.0]),
    }
    assert [one.verdict for one in found if one.what == "float32: bad"] == [told["bad"]]


def test_every_budget_stands_beside_the_default(monkeypatch):
    class Made:
        """Twice the budget takes half the time; one budget gives other logits."""

        def __init__(self, reranker, text, budget):
            self.name, self.budget = f"`{text}`, {budget}", budget

        def score(self, dataset) -> Scored:
            wrong = float(self.budget == 1024)
            return Scored(1000 / self.budget, np.full(dataset.n_pairs, wrong))

    monkeypatch.setattr(batches, "Ours", Made)
    monkeypatch.setattr(batches, "BUDGETS", [1024, 2048, batches.DEFAULT])
    found = batches.lines_of("float32", mixed_pairs(100), None, rounds=2)
    assert [one.what for one in found] == [f"float32: `torch:float32`, {n}" for n in (1024, 2048)]
    assert {one.rival for one in found} == {f"the default, {batches.DEFAULT:,} tokens a batch"}
    assert [one.ratio.middle for one in found] == [n / batches.DEFAULT for n in (1024, 2048)]
    assert ["not compared" in one.note for one in found] == [True, False]


def test_a_peer_counts_in_its_fastest_batches():
    seconds = {"ours": [1.0], "peer, batches of 16": [2.0], "peer, batches of 64": [1.2]}
    told = dict.fromkeys(seconds, "")
    (found,) = against_peers("float32", seconds, told, {"ours"}, "attention")
    assert (found.rival, found.ratio.middle) == ("peer, batches of 64", 1.2)
    assert found.verdict == "below, because attention"
    assert against_limit("float32", seconds, told, {"ours"}, 0.9, "").held


def test_tasks_have_their_turns():
    called = []
    tasks = {name: lambda number, name=name: called.append((name, number)) for name in "ab"}
    in_turn(tasks, 2)
    assert called == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert rounds.seconds_of(lambda: None) >= 0


def test_pairs_are_the_same_each_time_and_stretches_have_all_of_them():
    dataset = mixed_pairs(3 * CANDIDATES)
    assert dataset.n_pairs == 3 * CANDIDATES
    assert dataset.sha256 == mixed_pairs(3 * CANDIDATES).sha256
    parts = stretches(dataset, 2)
    joined = [text for part in parts for text in part.pairs["passage"]]
    assert joined == dataset.pairs["passage"].tolist()


def peer(folder: Path, body: str) -> list[str]:
    """A command that runs a peer of these lines."""
    file = folder / "run_fake.py"
    file.write_text(f"import sys\nsys.path.insert(0, {str(RUNNERS)!r})\n{body}", encoding="utf-8")
    return [sys.executable, str(file), "model", "float32"]


def test_a_peer_answers_whatever_it_prints(tmp_path, tiny_pairs):
    body = """
from serving import arguments, serve
print("noise")
def score(queries, batch_size):
    print("more noise")
    return [len(passage) + batch_size for _, passages in queries for passage in passages]
assert arguments() == ("model", "float32")
serve(score, "numpy")
"""
    started = Running(peer(tmp_path, body))
    scored = started.score(tiny_pairs, 2)
    started.end()
    assert started.version == np.__version__
    assert scored.logits.tolist() == [len(text) + 2 for text in tiny_pairs.pairs["passage"]]
    assert scored.seconds >= 0


def test_a_peer_that_ends_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="ended with no answer"):
        Running(peer(tmp_path, "raise SystemExit(1)"))


def test_the_profiler_names_what_takes_time():
    def slow():
        return sum(number * number for number in range(200_000))

    assert "builtins.sum" in rounds.where_time_goes(slow)
