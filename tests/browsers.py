"""Chromium for the tests that need one, and what they ask it."""

from __future__ import annotations

import base64
import shutil

import pytest
from playwright.sync_api import Page

from analysis.viewing.module import module

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with it, and containers are root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="NO CHROMIUM HERE: nothing in a browser is tested. Install the package 'chromium'.",
    ),
]


def load_module(page: Page, data: bytes) -> None:
    """Load the view's module into an empty page, as ``core``, with a payload read by it."""
    page.evaluate(
        """async ([code, text]) => {
            const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
            window.core = await import(url);
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            window.payload = new core.Payload(bytes);
            window.scores = new core.Scores(payload);
        }""",
        [module(), base64.b64encode(data).decode("ascii")],
    )
