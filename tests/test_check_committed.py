"""The comparison of committed notebooks and figures with a fresh run fires, and only then."""

from __future__ import annotations

import importlib
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from analysis.notebooks import VALUES_MIME

TOOLS = Path(__file__).parent.parent / "tools"


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("check_committed")


@pytest.fixture
def expectations(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("expectations")


def display(**data) -> NotebookNode:
    mime = {"html": "text/html", "markdown": "text/markdown", "values": VALUES_MIME}
    return new_output("display_data", data={mime[name]: value for name, value in data.items()})


def named(value: float, within: float = 0.0, name: str = "lost") -> NotebookNode:
    return display(values={"values": {name: value}, "within": within}, markdown="- lost")


def notebook(*outputs: NotebookNode, measured: bool = False) -> NotebookNode:
    tags = {"tags": ["measured"]} if measured else {}
    cell = new_code_cell("show()", outputs=list(outputs), metadata=tags)
    return new_notebook(cells=[new_markdown_cell("# A"), cell])


IMG = '<figure><img alt="a" src="data:image/png;base64,{}"><figcaption>c</figcaption></figure>'


@pytest.mark.parametrize("measured", [False, True])
def test_silent_when_nothing_differs(check, measured):
    outputs = [display(markdown="**3**"), named(3), display(html="<table></table>")]
    outputs.append(new_output("stream", text="x"))
    same = [notebook(*outputs, measured=measured) for _ in range(2)]
    assert list(check.differences(*same)) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (display(markdown="**3**"), display(markdown="**4**")),
        (display(html="<table>3</table>"), display(html="<table>4</table>")),
        (new_output("stream", text="3"), new_output("stream", text="4")),
        (display(markdown="**3**"), new_output("stream", text="**3**")),
    ],
)
def test_changed_outputs_fire_unless_they_are_measured(check, ours, theirs):
    changed = list(check.differences(notebook(ours), notebook(theirs)))
    assert changed == ["cell 1: the outputs differ"]
    pair = notebook(ours, measured=True), notebook(theirs, measured=True)
    assert list(check.differences(*pair)) == []


def test_a_missing_output_or_cell_fires(check):
    full = notebook(display(markdown="**3**"))
    assert list(check.differences(full, notebook())) == ["cell 1: the outputs differ"]
    shorter = new_notebook(cells=full.cells[:1])
    assert list(check.differences(full, shorter)) == ["the number of cells differs"]


def test_pictures_inside_notebooks_are_left_to_the_comparison_of_images(check):
    pair = [notebook(display(html=IMG.format(data))) for data in ("AAAA", "BBBB")]
    assert list(check.differences(*pair)) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "within", "fires"),
    [
        (3, 3, 0, False),
        (3, 4, 0, True),
        (3, 4, 1, False),
        (3, 1.9, 1, True),
        (3, -4, 1, True),
        (3, float("nan"), 1, True),
        (float("nan"), 3, 1, True),
    ],
)
def test_named_values_hold_within_the_committed_tolerance(check, ours, theirs, within, fires):
    committed = notebook(named(ours, within), measured=True)
    fresh = notebook(named(theirs, within=99), measured=True)  # a fresh run cannot widen it
    found = list(check.differences(committed, fresh))
    assert bool(found) == fires
    if fires:
        assert found == [f"cell 1: lost is {theirs:g}, committed {ours:g} (± {within:g})"]


def test_named_values_that_one_side_lacks_fire(check):
    committed = notebook(named(3, 1), measured=True)
    fresh = notebook(named(3, 1, name="won"), measured=True)
    assert list(check.differences(committed, fresh)) == [
        "cell 1: won is missing from the committed run",
        "cell 1: lost is missing from the fresh run",
    ]
    assert list(check.differences(notebook(measured=True), fresh)) == [
        "cell 1: won is missing from the committed run"
    ]


# Expectations


def test_a_broken_expectation_fires_and_a_missing_value_too(expectations, monkeypatch):
    stems = {"01_x": lambda values: {"few are lost": values["lost"] < 3}}
    monkeypatch.setattr(expectations, "EXPECTATIONS", stems)
    assert list(expectations.broken("01_x", {"lost": 2})) == []
    assert list(expectations.broken("01_x", {"lost": 3})) == ["expected: few are lost"]
    assert list(expectations.broken("01_x", {"won": 3})) == ["no value 'lost' was recorded"]
    assert list(expectations.broken("02_y", {})) == []


def test_every_expectation_belongs_to_a_notebook(check, expectations):
    assert expectations.EXPECTATIONS.keys() <= {path.stem for path in check.notebooks()}


def test_expectations_are_asked_of_every_recorded_value(check):
    both = notebook(named(3, name="lost"), named(4, name="won"))
    assert check.all_values(both) == {"lost": 3, "won": 4}


# Figures


def draw(file: Path, *, dot: float = 1.0, bar: float = 1.0, size: float = 8.0) -> None:
    figure, ax = plt.subplots(figsize=(size, 4))
    ax.bar([0, 1], [bar, 1], color="black")
    ax.plot([2], [dot], marker="o", color="black")
    ax.set_ylim(0, 10)
    figure.savefig(file)
    plt.close(figure)


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    for name in ("committed", "fresh"):
        (tmp_path / name).mkdir()
        draw(tmp_path / name / "01_a.png")
        (tmp_path / name / "01_a.svg").write_text("<svg/>")
    return tmp_path / "committed", tmp_path / "fresh"


@pytest.mark.parametrize("measured", [set(), {"01_a"}])
def test_equal_figures_are_silent(check, folders, measured):
    assert list(check.figure_differences(*folders, measured, set())) == []
    assert sorted(f.name for f in folders[0].iterdir()) == ["01_a.png", "01_a.svg"]


def test_a_figure_on_one_side_only_fires(check, folders):
    (folders[1] / "01_a.svg").unlink()
    (folders[1] / "02_b.svg").write_text("<svg/>")
    assert list(check.figure_differences(*folders, {"01_a"}, set())) == [
        "figures/01_a.svg is on one side only",
        "figures/02_b.svg is on one side only",
    ]


def test_figures_without_logits_must_be_the_same_bytes(check, folders):
    (folders[1] / "01_a.svg").write_text("<svg />")
    assert list(check.figure_differences(*folders, set(), set())) == ["figures/01_a.svg differs"]
    assert list(check.figure_differences(*folders, {"01_a"}, set())) == []


@pytest.mark.parametrize(
    ("change", "fires"), [({"dot": 5}, False), ({"bar": 9}, True), ({"size": 9}, True)]
)
def test_figures_with_logits_must_look_alike(check, folders, change, fires):
    draw(folders[1] / "01_a.png", **change)
    assert (folders[0] / "01_a.png").read_bytes() != (folders[1] / "01_a.png").read_bytes()
    expected = ["figures/01_a.png looks different"] if fires else []
    assert list(check.figure_differences(*folders, {"01_a"}, set())) == expected
    assert list(check.figure_differences(*folders, set(), set())) == ["figures/01_a.png differs"]


def test_measured_figures_are_found_in_the_shipped_notebooks(check):
    found = set()
    for path in check.notebooks():
        found |= check.tagged_figures(check.nbformat.read(path, as_version=4), "measured")
    assert {"01_logits", "02_staircases", "03_rerank"} <= found
    assert not {"01_scores_left", "01_hidden_logits", "02_ruler", "02_rounding_bins"} & found


def test_figures_that_show_timings_are_not_committed(check, folders):
    (folders[1] / "01_time.svg").write_text("<svg/>")
    assert list(check.figure_differences(*folders, {"01_time"}, {"01_time"})) == []
    (folders[0] / "01_time.svg").write_text("<svg/>")
    assert list(check.figure_differences(*folders, {"01_time"}, {"01_time"})) == [
        "figures/01_time.svg is on one side only"
    ]


def test_main_says_what_differs_and_fails(check, monkeypatch, tmp_path, capsys):
    (tmp_path / "figures").mkdir()
    monkeypatch.setattr(check, "CHECKOUT", tmp_path)
    monkeypatch.setattr(check, "notebooks", list)
    monkeypatch.setattr(check, "run_notebooks", lambda run: run.figures.mkdir() or [])
    assert check.main() == 0
    assert capsys.readouterr().out == "committed notebooks and figures: 0 differences\n"
    (tmp_path / "figures" / "01_old.svg").write_text("<svg/>")
    assert check.main() == 1
    assert "figures/01_old.svg is on one side only\n" in capsys.readouterr().out


def test_looks_of_other_logits_are_not_compared_but_their_size_is(check, folders):
    draw(folders[1] / "01_a.png", bar=9)
    assert list(check.figure_differences(*folders, {"01_a"}, set(), looks=False)) == []
    draw(folders[1] / "01_a.png", size=9)
    found = list(check.figure_differences(*folders, {"01_a"}, set(), looks=False))
    assert found == ["figures/01_a.png looks different"]


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize(
    ("said", "fires"), [("<!-- 5 logits --><!-- score -->", False), ("<!-- scores -->", True)]
)
def test_words_of_a_measured_figure_must_be_the_same_for_any_logits(
    check, folders, looks, said, fires
):
    (folders[0] / "01_a.svg").write_text("<!-- score --><!-- 4 logits -->")
    (folders[1] / "01_a.svg").write_text(said)
    expected = ["figures/01_a.svg has other words"] if fires else []
    assert list(check.figure_differences(*folders, {"01_a"}, set(), looks=looks)) == expected


def test_measured_values_are_those_that_logits_enter(check):
    assert check.measured_values(notebook(named(1.0))) == []
    ours, theirs = (notebook(named(value, 0.1), measured=True) for value in (0.5, 0.5000001))
    assert check.measured_values(ours) == [("lost", 0.5, 0.1)]
    assert check.measured_values(ours) != check.measured_values(theirs)


@pytest.mark.parametrize(("value", "found"), [(0.5, 1), (0.5000001, 0)])
def test_main_compares_looks_where_the_logits_are_the_same(
    check, monkeypatch, tmp_path, folders, capsys, value, found
):
    """Two CPUs of one name may compute other logits: the values tell, not the name."""

    def outputs(value: float) -> NotebookNode:
        cells = notebook(named(value, 0.1), measured=True)
        cells.cells[1].source = 'show("01_a")'
        return cells

    def run_notebooks(run) -> list:
        run.executed.mkdir()
        check.nbformat.write(outputs(value), run.executed / "01_a.ipynb")
        folders[1].rename(run.figures)
        return []

    draw(folders[1] / "01_a.png", bar=9)
    check.nbformat.write(outputs(0.5), tmp_path / "01_a.ipynb")
    folders[0].rename(tmp_path / "figures")
    monkeypatch.setattr(check, "CHECKOUT", tmp_path)
    monkeypatch.setattr(check, "notebooks", lambda: [tmp_path / "01_a.ipynb"])
    monkeypatch.setattr(check, "run_notebooks", run_notebooks)
    monkeypatch.setattr(check, "broken", lambda name, values: [])
    assert check.main() == found
    said = capsys.readouterr().out
    assert ("01_a.png looks different" in said) == bool(found)
    assert ("last bits" in said) != bool(found)
