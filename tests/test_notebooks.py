"""The committed notebooks: executed in order, clean, small, and the values that they must show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from analysis.notebooks import VALUES_MIME
from analysis.places import CHECKOUT
from analysis.reporting import normalised, notebooks

PATHS = [pytest.param(path, id=path.stem) for path in notebooks()]
ABSOLUTE = re.compile(r"""(?:^|[\s"'(=])(?:/(?:home|root|tmp|work|Users|usr|opt|var)/|[A-Z]:\\)""")
MEGABYTE = 1_000_000


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def named_values(stem: str) -> dict[str, float]:
    """Everything that one notebook recorded."""
    (path,) = (path for path in notebooks() if path.stem == stem)
    values: dict[str, float] = {}
    for cell in code_cells(path):
        for output in cell.outputs:
            payload = output.get("data", {}).get(VALUES_MIME, {})
            values |= payload.get("values", {})
    assert values, f"{stem} records no values"
    return values


@pytest.mark.parametrize("path", PATHS)
def test_is_valid_and_small(path):
    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))
    assert path.stat().st_size < MEGABYTE


@pytest.mark.parametrize("path", PATHS)
def test_was_executed_in_order_without_errors(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]


@pytest.mark.parametrize("path", PATHS)
def test_is_as_normalised_leaves_it(path):
    """Neither widget state nor timings nor random ids: nothing is left to remove."""
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    assert nbformat.writes(normalised(read(path))) == nbformat.writes(notebook)


@pytest.mark.parametrize("path", PATHS)
def test_has_one_cell_of_parameters(path):
    tagged = [c for c in read(path).cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = re.findall(r"^(\w+) = ", tagged[0].source, re.MULTILINE)
    others = "\n".join(cell.source for cell in code_cells(path) if cell != tagged[0])
    if re.search(r"\b(score|load)\(", others):
        assert names[:3] == ["model", "data", "dtypes"]
    for name in names:
        assert re.search(rf"\b{name}\b", others), f"{name} does nothing"
    assert not [c for c in read(path).cells if "injected-parameters" in c.metadata.get("tags", [])]


@pytest.mark.parametrize("path", PATHS)
def test_cells_are_short_and_define_no_functions(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 20, cell.source
        assert not re.search(r"^\s*(def|class) ", cell.source, re.MULTILINE), cell.source
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), cell.source


@pytest.mark.parametrize("path", PATHS)
def test_names_no_place_of_a_machine(path):
    for cell in read(path).cells:
        assert not ABSOLUTE.search(cell.source), cell.source
        for output in cell.get("outputs", []):
            shown = [output.get("text", ""), *map(str, output.get("data", {}).values())]
            for text in shown:
                text = re.sub(r"base64,[\w+/=]+", "", text)
                assert not ABSOLUTE.search(text), text[:500]


@pytest.mark.parametrize("path", PATHS)
def test_opens_with_question_needs_time_and_outcome(path):
    opening = read(path).cells[0]
    assert opening.cell_type == "markdown"
    assert opening.source.startswith("# ")
    for word in ("**Question.**", "**You need**", "**Time:**", "**You get**"):
        assert opening.source.count(word) == 1


@pytest.mark.parametrize("path", PATHS)
def test_every_figure_has_alt_text_and_its_files(path):
    html = "".join(
        output.get("data", {}).get("text/html", "")
        for cell in code_cells(path)
        for output in cell.outputs
    )
    images = re.findall(r"<img [^>]*>", html)
    alts = [re.search(r'alt="([^"]{20,})"', image) for image in images]
    assert images
    assert all(alts)
    shown = [
        (name, "clock" in cell.metadata.get("tags", []))
        for cell in code_cells(path)
        for name in re.findall(r'"(\d\d_\w+)"', cell.source)
    ]
    assert len(shown) == len(images)
    for name, timed in shown:
        assert name[:2] == path.name[:2]
        files = [CHECKOUT / "figures" / f"{name}.{suffix}" for suffix in ("svg", "png", "json")]
        if timed:  # another run, another picture: it is in the report, and not committed
            assert not any(file.exists() for file in files)
        else:
            assert all(file.stat().st_size > 0 for file in files)


# Named values. Those of formats and formulas are exact on every machine; those of logits are held
# against a fresh run, within their tolerance, by tools/check_committed.py.


def test_scores_left_between_099_and_1():
    values = named_values("01_logit_to_score")
    left = {name: n for name, n in values.items() if name.startswith("scores_left_")}
    assert left["scores_left_stepwise_bfloat16"] <= left["scores_left_fused_bfloat16"]
    assert left["scores_left_stepwise_float16"] < left["scores_left_fused_float16"]
    assert left["scores_left_fused_float16"] < left["scores_left_upcast_float16"]
    # Spacings below 1 are 2**-8 and 2**-11: so many multiples of them, and 1 itself.
    assert left["scores_left_fused_bfloat16"] == int(0.01 * 2**8) + 1
    assert left["scores_left_fused_float16"] == int(0.01 * 2**11) + 1


def test_float16_row_near_one_is_that_of_the_report():
    values = named_values("02_fp16_steps_near_one")
    assert values["float16_stepwise_scores_from_0.998"] == 3
    assert values["float16_fused_scores_from_0.998"] == 5


def test_saturation_is_worst_in_float16_and_bfloat16_and_absent_in_float32():
    values = named_values("01_logit_to_score")
    saturated = {n.removeprefix("saturated: "): v for n, v in values.items() if "saturated" in n}
    assert saturated["float32 reference"] == 0
    assert saturated["Infinity 0.0.13–0.0.68, float16"] >= saturated["Haystack 2.x, float16"] > 0
    assert saturated["Haystack 2.x, bfloat16"] >= saturated["Haystack 2.x, float16"]
    assert saturated["sentence-transformers ≥ 6, float16"] == 0


def test_first_places_are_lost_by_half_dtypes_only():
    values = named_values("03_rerank_dtype_toggle")
    lost = {name.removeprefix("first_lost: "): value for name, value in values.items()}
    assert lost["Infinity 0.0.13–0.0.68, float16"] > 0
    assert all(value == 0 for name, value in lost.items() if name.endswith(", float32"))


def test_the_report_is_reproduced_and_its_remedy_mends_it():
    values = named_values("04_infinity_issue_203")
    assert values["became_exactly_one"] > 0
    assert values["raised_0.998_to_0.999"] > 0
    assert values["first_place_lost"] > 0
    assert values["became_exactly_one_in_float32"] == 0
    ones = {name: n for name, n in values.items() if name.startswith("exactly_one: ")}
    assert ones["exactly_one: stepwise, float16 to float16"] == values["became_exactly_one"]
    assert ones["exactly_one: fused, float16 to float16"] < values["became_exactly_one"]
    wide = [n for name, n in ones.items() if name.endswith("to float32")]
    assert len(wide) == 4
    assert not any(wide)


def test_no_recorded_run_is_misread_and_logits_show_them_all():
    values = named_values("05_read_the_precision")
    assert values["wrong_on_parts"] == 0
    for column in ("outcome", "outcome_with_logits"):
        assert values[f"{column}: wrong"] == 0
    assert values["outcome: right"] > 0
    others = ("several paths left", "cannot tell")
    assert values["outcome_with_logits: right"] > 0
    assert not any(values[f"outcome_with_logits: {name}"] for name in others)
