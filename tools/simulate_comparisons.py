"""Count false alarms and misses of ``compare`` over simulated pairs of engines.

    python tools/simulate_comparisons.py [TIMES]

For every case that ``tests/compared_sides.py`` names: TIMES comparisons (200 unless said otherwise)
of 10 to 1,000 pairs, log-uniform, each with its own seed. Writes the table of ``docs/compare.md``.
Exit status 1 where more than one in a thousand comparisons of rounding alone is called more than
rounding.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from compared_sides import Case, cases
from share_tables import write_table

SMALLEST, LARGEST = 10, 1_000
PROMISED = 0.001
PAGE = Path(__file__).parent.parent / "docs" / "compare.md"
BEGIN = "<!-- made by tools/simulate_comparisons.py -->\n"


def simulate(case: Case, times: int) -> dict[str, float]:
    """Compare simulated sides of one case; returns the shares of wrong answers and of decided."""
    found = []
    for seed in range(times):
        n = int(np.exp(np.random.default_rng(seed).uniform(np.log(SMALLEST), np.log(LARGEST))))
        found.append(case.finding(n, seed))
    return {
        "false alarms": float(np.mean([case.is_false_alarm(one) for one in found])),
        "misses": float(np.mean([case.is_miss(one) for one in found])),
        "wrong shape": float(np.mean([case.is_wrong_shape(one) for one in found])),
        "right shape": float(
            np.mean([one.shape is not None and not case.is_wrong_shape(one) for one in found])
        ),
        "decided": float(np.mean([case.is_decided(one) for one in found])),
    }


def main() -> None:
    """Write the table; exit status 1 where the share of false alarms exceeds the promise."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    shares = {}
    for case in cases():
        shares[case.name] = simulate(case, times)
        print(case.name, shares[case.name], flush=True)
    of = f"{SMALLEST} to {LARGEST:,} pairs in each of {len(shares)} cases"
    write_table(PAGE, BEGIN, f"{times:,} comparisons of {of}", "case", shares)
    alarms = [shares[case.name]["false alarms"] for case in cases() if case.is_rounding]
    sys.exit(float(np.mean(alarms)) > PROMISED)


if __name__ == "__main__":
    main()
