"""What the view costs: CPU time of a toggle until it is drawn, and of opening a large page.

    python bench/toggles.py

``tests/test_browser_speed.py`` measures it and holds it to the same; here the numbers are kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bench.lines import ROOT, Line, keep, show
from bench.rounds import Spread

sys.path.insert(0, str(ROOT / "tests"))

from browsers import CHROMIUM, FLAGS, opened
from made_logits import many_pairs
from test_browser_speed import LIMITS, OLD, OPENING_MS, renderers_ms, toggle_ms

from analysis.viewing import view

PART = "toggles"


def lines_of(browser: Browser, folder: Path) -> Iterator[Line]:
    """Toggle in pages of several sizes, and open the largest."""
    for (queries, candidates), most_ms in LIMITS.items():
        file = view(*many_pairs(queries, candidates), path=OLD).save(folder / "page.html")
        before = renderers_ms(browser)
        with opened(browser, file) as page:
            opening = renderers_ms(browser) - before
            toggle = toggle_ms(page)
        what = f"{queries:,} × {candidates:,} candidates"
        yield Line(f"a toggle, {what}", Spread.of([toggle]), "ms", goal=most_ms)
    yield Line(f"opening a page, {what}", Spread.of([opening]), "ms", goal=OPENING_MS)


def main() -> None:
    """Time the view; keep and print the lines."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if CHROMIUM is None:
        raise SystemExit("NO CHROMIUM HERE: install the package 'chromium'")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        lines = list(lines_of(browser, Path(folder)))
        browser.close()
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
