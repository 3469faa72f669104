"""Renew what is committed of a report: the notebooks' outputs, or the figures.

    python tools/renew_committed.py notebooks|figures

Neither holds anything that depends on the clock but outputs of cells tagged ``measured``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nbformat
from check_committed import tagged_figures

from analysis.figures.looks import ON_SCREEN
from analysis.places import CHECKOUT
from analysis.reporting.captions import caption_sections, write_captions
from analysis.reporting.running import (
    Run,
    check_all_ran,
    normalised,
    notebooks,
    run_notebooks,
)


def renew_notebooks(run: Run) -> None:
    """Put the outputs of a report's notebooks into ``notebooks/``, normalised."""
    for path in notebooks():
        executed = nbformat.read(run.executed / path.name, as_version=4)
        nbformat.write(normalised(executed), path)


def renew_figures(run: Run) -> None:
    """Make ``figures/`` a report's figures, without those that show timings."""
    folder = CHECKOUT / "figures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in notebooks():
        notebook = nbformat.read(path, as_version=4)
        clock = tagged_figures(notebook, "clock")
        for file in run.figures.glob(f"{path.stem[:2]}_*"):
            if file.stem not in clock:
                shutil.copyfile(file, folder / file.name)
    write_captions(folder, captions(folder))


def captions(folder: Path) -> dict[str, str]:
    """Sections of ``captions.md`` for the figures in a folder, as the notebooks show them."""
    return caption_sections(folder.glob("*.json"), "svg", {"width": ON_SCREEN.width})


RENEW = {"notebooks": renew_notebooks, "figures": renew_figures}

if __name__ == "__main__":
    what = sys.argv[1] if sys.argv[1:] else ""
    if what not in RENEW:
        sys.exit(__doc__)
    run = Run(CHECKOUT / "report")
    check_all_ran(run_notebooks(run))
    RENEW[what](run)
