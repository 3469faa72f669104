"""Photograph the view, the first page and the sheet of a finished report for the documentation.

    python tools/pictures.py [REPORT]

``REPORT`` is a report's folder, ``report/`` if it is not given. Writes ``docs/pictures``: each of
the three in light, in dark and as wide as a phone.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from browsers import CHROMIUM, FLAGS

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
QUALITY = 80
"""Of WebP; text keeps its edges from about here on."""
MARGIN = 12
DESK, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESK, "device_scale_factor": 1.5},
    "dark": {"viewport": DESK, "device_scale_factor": 1.5, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "device_scale_factor": 2},
}


class Subject(NamedTuple):
    """What is photographed: a page, from some element of it on, so many pixels high at most."""

    page: str
    element: str
    ready: str
    height: int


SUBJECTS = {
    "index": Subject("index.html", "body", ".row", 1000),
    "view": Subject("index.html", "[data-rerank-view]", ".row", 1035),
    "sheet": Subject("review.html", "main", "dl.numbers", 1300),
}


def photograph(page: Page, subject: Subject) -> bytes:
    """Return a PNG of what a subject shows on a page that is there already."""
    page.locator(subject.ready).first.wait_for()
    box = page.locator(subject.element).bounding_box()
    left, top = max(box["x"] - MARGIN, 0), max(box["y"] - MARGIN, 0)
    width = min(box["width"] + 2 * MARGIN, page.viewport_size["width"] - left)
    height = min(box["height"] + 2 * MARGIN, subject.height)
    clip = {"x": left, "y": top, "width": width, "height": height}
    return page.screenshot(full_page=True, clip=clip, animations="disabled")


def main(report: Path) -> None:
    """Write the nine pictures of a report."""
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for screen, options in SCREENS.items():
            page = browser.new_context(offline=True, **options).new_page()
            for name, subject in SUBJECTS.items():
                page.goto((report / subject.page).resolve().as_uri())
                image = Image.open(io.BytesIO(photograph(page, subject)))
                image.save(PICTURES / f"{name}-{screen}.webp", quality=QUALITY, method=6)
        browser.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "report"
    if not (folder / "index.html").exists():
        sys.exit(f"{folder} has no report: make report, or name another folder")
    main(folder)
