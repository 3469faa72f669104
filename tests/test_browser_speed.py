"""What the view costs; `make bench` prints it.

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


@pytest.mark.parametrize(("candidates", "most_ms"), [(15, 25), (1_000, 50), (10_000, 50)])
def test_a_toggle_costs_little(browser, tmp_path, candidates, most_ms):
    file = view(*many_pairs(1, candidates), path=OLD).save(tmp_path / "page.html")
    with opened(browser, file) as page:
        cost = toggle_ms(page)
    print(f"\n  a toggle, {candidates:,} candidates: {cost:.0f} ms (held to {most_ms})")
    assert cost < most_ms


def test_a_page_of_100_000_pairs_opens_soon(browser, tmp_path):
    file = view(*many_pairs(1_000, 100), path=OLD).save(tmp_path / "page.html")
    before = renderers_ms(browser)
    with opened(browser, file) as page:
        opening = renderers_ms(browser) - before
        toggle = toggle_ms(page)
    size = file.stat().st_size / 1e6
    print(f"\n  a page of 100,000 pairs, {size:.0f} MB: {opening:.0f} ms (held to 3,000)")
    print(f"  a toggle in it: {toggle:.0f} ms (held to 50)")
    assert opening < 3_000
    assert toggle < 50


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
