"""Hold the committed notebooks and figures against a fresh run.

Exactly, where nothing depends on the CPU. Cells tagged ``measured`` show logits, whose last bits
are a property of the CPU that computed them: of these, the named values must agree within the
tolerance that the notebook states beside them. Figures are compared as images; those of cells
tagged ``clock`` as well show timings, and are not committed. What a fresh run's values must say in
any case stands in ``expectations.py``.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from expectations import broken
from matplotlib.testing.compare import compare_images
from matplotlib.testing.exceptions import ImageComparisonFailure
from nbformat import NotebookNode
from PIL import Image

from analysis.notebooks import VALUES_MIME
from analysis.places import CHECKOUT
from analysis.reporting.captions import CAPTIONS
from analysis.reporting.running import (
    Run,
    check_all_ran,
    normalised,
    notebooks,
    run_notebooks,
)

IMAGE_TOLERANCE = 12.0
"""Root mean square over 0–255: a few moved dots pass, another picture does not."""


def differences(committed: NotebookNode, fresh: NotebookNode) -> Iterator[str]:
    """Yield what differs between a committed notebook and its re-run, one line each."""
    if len(committed.cells) != len(fresh.cells):
        yield "the number of cells differs"
        return
    for number, (ours, theirs) in enumerate(zip(committed.cells, fresh.cells, strict=True)):
        yield from named_value_differences(number, ours, theirs)
        measured = "measured" in ours.metadata.get("tags", [])
        if not measured and without_images(ours) != without_images(theirs):
            yield f"cell {number}: the outputs differ"


def named_value_differences(number: int, ours: NotebookNode, theirs: NotebookNode) -> Iterator[str]:
    """Yield each named value that one side lacks or that is outside its stated tolerance."""
    fresh = {name: value for name, value, _ in named_values(theirs)}
    for name in sorted(fresh.keys() - {name for name, _, _ in named_values(ours)}):
        yield f"cell {number}: {name} is missing from the committed run"
    for name, value, within in named_values(ours):
        if name not in fresh:
            yield f"cell {number}: {name} is missing from the fresh run"
        elif not abs(fresh[name] - value) <= within:  # NaN is within nothing
            yield f"cell {number}: {name} is {fresh[name]:g}, committed {value:g} (± {within:g})"


def named_values(cell: NotebookNode) -> Iterator[tuple[str, float, float]]:
    """Yield name, value and tolerance of what a cell recorded."""
    for output in cell.get("outputs", []):
        payload = output.get("data", {}).get(VALUES_MIME, {})
        for name, value in payload.get("values", {}).items():
            yield name, value, payload["within"]


def all_values(notebook: NotebookNode) -> dict[str, float]:
    """Return every value that a notebook recorded, by name."""
    return {name: value for cell in notebook.cells for name, value, _ in named_values(cell)}


def without_images(cell: NotebookNode) -> list:
    """Outputs of a cell but for its figures, which are compared as images."""
    outputs = []
    for output in cell.get("outputs", []):
        data = dict(output.get("data", {}))
        if "<img " in str(data.get("text/html", "")):
            data.pop("text/html")
        outputs.append((output.output_type, data, output.get("text")))
    return outputs


def figure_differences(
    committed: Path, fresh: Path, measured: set[str], clock: set[str], *, looks: bool = True
) -> Iterator[str]:
    """Yield each figure that is missing on one side or differs.

    ``measured`` names those that logits enter: they are compared as images and by their words, the
    others exactly. Without ``looks`` the images must have the same size only: other half logits
    draw another picture.
    ``clock`` names those that show timings: they must not be committed. The captions are made of
    the figures' words, and tests hold them to these.
    """
    ours = {file.name for file in committed.glob("*") if file.name != CAPTIONS}
    theirs = {file.name for file in fresh.glob("*") if file.stem not in clock}
    yield from (f"figures/{name} is on one side only" for name in sorted(ours ^ theirs))
    for name in sorted(ours & theirs):
        if Path(name).stem not in measured:
            if (committed / name).read_bytes() != (fresh / name).read_bytes():
                yield f"figures/{name} differs"
        elif name.endswith(".svg"):
            if words_of(committed / name) != words_of(fresh / name):
                yield f"figures/{name} has other words"
        elif name.endswith(".png"):
            alike = look_alike if looks else same_size
            if not alike(committed / name, fresh / name):
                yield f"figures/{name} looks different"


def words_of(svg: Path) -> list[str]:
    """What an SVG says without numbers, sorted: Matplotlib notes each text in a comment."""
    said = re.findall(r"<!-- (.*?) -->", svg.read_text(encoding="utf-8"))
    return sorted(text for text in said if not re.search(r"\d", text))


def same_size(ours: Path, theirs: Path) -> bool:
    """Whether two PNGs have the same size."""
    with Image.open(ours) as one, Image.open(theirs) as other:
        return one.size == other.size


def look_alike(ours: Path, theirs: Path) -> bool:
    """Whether two PNGs have the same size and nearly the same pixels."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / theirs.name  # the comparison writes its picture beside this one
        copy.write_bytes(theirs.read_bytes())
        try:
            return compare_images(str(ours), str(copy), IMAGE_TOLERANCE) is None
        except ImageComparisonFailure:
            return False


def measured_values(notebook: NotebookNode) -> list[tuple[str, float, float]]:
    """What the cells tagged ``measured`` recorded: equal where the logits are, to the last bit."""
    measured = [c for c in notebook.cells if "measured" in c.metadata.get("tags", [])]
    return [value for cell in measured for value in named_values(cell)]


def tagged_figures(notebook: NotebookNode, tag: str) -> set[str]:
    """Names of the figures that cells with a tag show."""
    sources = [c.source for c in notebook.cells if tag in c.metadata.get("tags", [])]
    return {name for source in sources for name in re.findall(r'"(\d\d_\w+)"', source)}


def main() -> int:
    """Run the notebooks into a scratch folder and print every difference."""
    found: list[str] = []
    measured: set[str] = set()
    clock: set[str] = set()
    same_logits = True
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(Path(scratch))
        check_all_ran(run_notebooks(run))
        for notebook in notebooks():
            committed = nbformat.read(notebook, as_version=4)
            fresh = normalised(nbformat.read(run.executed / notebook.name, as_version=4))
            measured |= tagged_figures(committed, "measured")
            clock |= tagged_figures(committed, "clock")
            same_logits &= measured_values(committed) == measured_values(fresh)
            lines = [*differences(committed, fresh), *broken(notebook.stem, all_values(fresh))]
            found += [f"{notebook.name}: {line}" for line in lines]
        folders = CHECKOUT / "figures", run.figures
        found += figure_differences(*folders, measured, clock, looks=same_logits)
    if not same_logits:
        print("logits have other last bits here: the looks of measured figures are not compared")
    print("\n".join([*found, f"committed notebooks and figures: {len(found)} differences"]))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
