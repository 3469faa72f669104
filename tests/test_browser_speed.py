"""What the view costs; `make bench` keeps the numbers.

Held to is CPU time, a toggle's on the browser's main thread: how long a reader waits on a busy
machine says little about the view.
"""

from __future__ import annotations

from statistics import median

import pytest
from browsers import NEEDS_BROWSER, opened
from made_logits import many_pairs
from playwright.sync_api import Browser, CDPSession, Page

from analysis.engines import path_of
from analysis.viewing import view

pytestmark = [*NEEDS_BROWSER, pytest.mark.alone]

OLD = path_of("infinity", "0.0.68", "float16")
TOGGLES = [
    ("activation", "float32"),
    ("activation", "bfloat16"),
    ("sigmoid", "fused"),
    ("forward", "bfloat16"),
    ("activation", "float16"),
    ("stored", "bfloat16"),
    ("forward", "float32"),
    ("sigmoid", "stepwise"),
    ("stored", "float16"),
]
"""From OLD on, each leads to scores that the page has not shown before."""
GLIDING_MS = 260


LIMITS = {(1, 15): 25, (1, 1_000): 50, (1, 10_000): 50, (1_000, 100): 50}
"""Milliseconds of a toggle by queries and candidates of each."""
OPENING_MS = 3_000
"""Milliseconds of opening a page of 100,000 pairs, of all threads."""
PLAIN_ROWS, PLAIN_MS = 1_000, 100
"""A plain table of so many rows is drawn in so many milliseconds where the limits hold as they are;
a machine that takes longer for it may take longer for the view."""


@pytest.mark.parametrize("candidates", [15, 1_000, 10_000])
def test_a_toggle_costs_little(browser, tmp_path, candidates):
    file = view(*many_pairs(1, candidates), path=OLD).save(tmp_path / "page.html")
    with opened(browser, file) as page:
        cost = toggle_ms(page)
    assert cost < LIMITS[1, candidates] * slowness(browser)


def test_a_page_of_100_000_pairs_opens_soon(browser, tmp_path):
    file = view(*many_pairs(1_000, 100), path=OLD).save(tmp_path / "page.html")
    before = renderers_ms(browser)
    with opened(browser, file) as page:
        opening = renderers_ms(browser) - before
        toggle = toggle_ms(page)
    slower = slowness(browser)
    assert opening < OPENING_MS * slower
    assert toggle < LIMITS[1_000, 100] * slower


def slowness(browser: Browser) -> float:
    """How many times as long as meant a plain table takes here; 1 where it takes less."""
    return max(1.0, plain_table_ms(browser) / PLAIN_MS)


def plain_table_ms(browser: Browser) -> float:
    """CPU time of the main thread until a plain table is drawn: the median of several."""
    page = browser.new_page()
    session = clock(page)
    costs = []
    for number in range(9):
        before = spent_ms(session)
        page.evaluate(
            """async ([rows, number]) => {
                const cells = (row) => [1, 2, 3, 4, 5].map((n) => `<td>${row * n + number}</td>`);
                const line = (_, row) => `<tr>${cells(row).join("")}</tr>`;
                const lines = Array.from({length: rows}, line);
                document.body.innerHTML = `<table>${lines.join("")}</table>`;
                await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
            }""",
            [PLAIN_ROWS, number],
        )
        costs.append(spent_ms(session) - before)
    page.close()
    return median(costs)


def renderers_ms(browser: Browser) -> float:
    """CPU time of the processes that show pages, of all their threads."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(one["cpuTime"] for one in processes if one["type"] == "renderer") * 1000


def clock(page: Page) -> CDPSession:
    """What tells the CPU time of a page's main thread."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def spent_ms(session: CDPSession) -> float:
    """CPU time that the main thread has spent on tasks, layout and paint among them."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration") * 1000


def toggle_ms(page: Page) -> float:
    """CPU time of a toggle until it is drawn: the median of several."""
    session = clock(page)
    costs = []
    for stage, value in TOGGLES:
        before = spent_ms(session)
        page.evaluate(
            """async ([stage, value]) => {
                const root = document.querySelector("[data-rerank-view]").shadowRoot;
                root.querySelector(`.${stage} input[value=${value}]`).click();
                await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
            }""",
            [stage, value],
        )
        costs.append(spent_ms(session) - before)
        page.wait_for_timeout(GLIDING_MS)
    return median(costs)
