"""Count wrong verdicts of the fingerprint over simulated score lists, and time it.

    python tools/simulate.py [LISTS]

For every way to make scores that ``tests/score_lists.py`` names: LISTS lists (10,000 unless said
otherwise) of 10 to 1,000 scores, log-uniform, of realistic reranker logits, each with its own
seed. Writes the table of ``docs/fingerprint.md``: the share of wrong verdicts and of decided ones,
from 100 scores on as well; prints the seconds that 1,000,000 scores take. Exit status 1 where more
than one in a thousand verdicts is wrong.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from score_lists import Source, is_settled, is_wrong, queries_of, reranker_logits, sources

from analysis.fingerprinting import fingerprint
from analysis.scorepath import ScorePath

SMALLEST, LARGEST, ENOUGH = 10, 1_000, 100
PROMISED = 0.001
PAGE = Path(__file__).parent.parent / "docs" / "fingerprint.md"
BEGIN, END = "<!-- made by tools/simulate.py -->\n", "<!-- end -->\n"


def simulate(source: Source, lists: int) -> dict[str, float]:
    """Judge simulated lists of one source; returns shares of wrong and of decided verdicts."""
    wrong, decided, decided_long, long = 0, 0, 0, 0
    for seed in range(lists):
        rng = np.random.default_rng(seed)
        n = int(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        verdict = fingerprint(source.scores(reranker_logits(n, rng)), queries=queries_of(n))
        settled = is_settled(verdict, source)
        wrong += is_wrong(verdict, source)
        decided += settled
        long += n >= ENOUGH
        decided_long += settled and n >= ENOUGH
    return {
        "wrong": wrong / lists,
        "decided": decided / lists,
        f"decided from {ENOUGH}": decided_long / max(1, long),
    }


def seconds_for_a_million(path: ScorePath) -> float:
    """Time one verdict on a million scores."""
    scores = path.scores(reranker_logits(1_000_000, np.random.default_rng(0)))
    started = time.perf_counter()
    fingerprint(scores)
    return time.perf_counter() - started


def table(shares: dict[str, dict[str, float]], lists: int) -> str:
    """Make the page's table; ``shares`` are those of :func:`simulate` by the source's name."""
    columns = next(iter(shares.values()))
    rows = [
        f"{lists:,} lists of {SMALLEST} to {LARGEST:,} scores from each of {len(shares)} sources\n",
        f"| scores | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    rows += [
        f"| {name} | {' | '.join(f'{share:.2%}' for share in found.values())} |"
        for name, found in shares.items()
    ]
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write the table; exit status 1 where the share of wrong verdicts exceeds the promise."""
    lists = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    paths = (ScorePath(), ScorePath("float16", "stepwise", "float32", "float32"))
    for state in ("sets built on the way", "sets built before"):
        for path in paths:
            print(f"1,000,000 scores, {state}: {seconds_for_a_million(path):.2f} s ({path})")
    shares = {}
    for source in sources():
        shares[source.name] = simulate(source, lists)
        print(source.name, shares[source.name], flush=True)
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + table(shares, lists) + END + rest.split(END)[1], "utf-8")
    sys.exit(max(found["wrong"] for found in shares.values()) > PROMISED)


if __name__ == "__main__":
    main()
