"""Count wrong verdicts of the fingerprint over simulated score lists, and time it.

    python tools/simulate.py [LISTS]

For every way to make scores that ``tests/score_lists.py`` names: LISTS lists (10,000 unless said
otherwise) of 10 to 1,000 scores, log-uniform, of realistic reranker logits, each with its own
seed. Writes the table of ``docs/fingerprint.md``: the share of wrong verdicts and of decided ones,
from 100 scores on as well; prints the seconds that 1,000,000 scores take. Exit status 1 where more
than one in a thousand verdicts is wrong.

As many sources at a time as there are cores; hours. Finished sources are kept beside the data, for
the code that judged them, so that a run which was cut goes on where it was, on any machine.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from score_lists import Source, is_settled, is_wrong, queries_of, reranker_logits, sources
from share_tables import write_table

from analysis.fingerprinting import fingerprint
from analysis.scorepath import ScorePath

SMALLEST, LARGEST, ENOUGH = 10, 1_000, 100
PROMISED = 0.001
ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "fingerprint.md"
KEPT = ROOT / "data" / "simulated" / "fingerprint.json"
BEGIN = "<!-- made by tools/simulate.py -->\n"


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


def simulate_named(name: str, lists: int) -> dict[str, float]:
    """Judge the source of a name: a source itself cannot be sent to another process."""
    return simulate(next(one for one in sources() if one.name == name), lists)


def simulate_all(lists: int) -> dict[str, dict[str, float]]:
    """Judge every source that is not kept yet; returns the shares of all by name."""
    judged_by = {"lists": lists, "code": code_digest()}
    shares = kept_shares(judged_by)
    names = [one.name for one in sources()]
    for name, found in judged([name for name in names if name not in shares], lists):
        shares[name] = found
        keep({**judged_by, "shares": shares})
        print(f"{len(shares)} of {len(names)}: {name} {found}", flush=True)
    return {name: shares[name] for name in names}


def kept_shares(judged_by: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What was judged by the same code in as many lists of each source, by name."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return kept["shares"] if judged_by.items() <= kept.items() else {}


def judged(names: list[str], lists: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Judge sources on all cores; yields each as it is finished."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=fresh) as pool:
        running = {pool.submit(simulate_named, name, lists): name for name in names}
        for done in as_completed(running):
            yield running[done], done.result()


def keep(counted: dict[str, Any]) -> None:
    """Write what is finished beside and rename it: a run may be cut at any moment."""
    KEPT.parent.mkdir(exist_ok=True)
    beside = KEPT.with_suffix(".part")
    beside.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")
    beside.replace(KEPT)


def code_digest() -> str:
    """Digest of all code that makes and judges the lists: verdicts of other code are not kept."""
    files = {
        Path(module.__file__)
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("analysis", "score_lists") and module.__file__
    }
    texts = (file.read_bytes() for file in sorted(files))
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def seconds_for_a_million(path: ScorePath) -> float:
    """CPU time of one verdict on a million scores of many queries."""
    scores = path.scores(reranker_logits(1_000_000, np.random.default_rng(0)))
    queries = queries_of(scores.size)
    started = time.process_time()
    fingerprint(scores, queries=queries)
    return time.process_time() - started


def main() -> None:
    """Write the table; exit status 1 where the share of wrong verdicts exceeds the promise."""
    lists = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    paths = (ScorePath(), ScorePath("float16", "stepwise", "float32", "float32"))
    for state in ("sets built on the way", "sets built before"):
        for path in paths:
            print(f"1,000,000 scores, {state}: {seconds_for_a_million(path):.2f} s ({path})")
    shares = simulate_all(lists)
    of = f"{SMALLEST} to {LARGEST:,} scores from each of {len(shares)} sources"
    write_table(PAGE, BEGIN, f"{lists:,} lists of {of}", "scores", shares)
    sys.exit(max(found["wrong"] for found in shares.values()) > PROMISED)


if __name__ == "__main__":
    main()
