"""Notebook 11 on a model of one's own, without the extra: its sentences hold there too."""

import json

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from analysis.places import NOTEBOOKS
from analysis.studies import formats as study

NOTEBOOK = NOTEBOOKS / "11_int8_and_company.ipynb"


@pytest.fixture
def shell(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "has_extra", lambda: False)
    monkeypatch.setattr("analysis.store.cache_folder", lambda: tmp_path)
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def said(shell: InteractiveShell, **parameters: object) -> str:
    """Run the notebook with these parameters; its sentences."""
    texts = []
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        with capture_output() as captured:
            result = shell.run_cell(cell.source)
        result.raise_error()
        texts += [output.data.get("text/markdown", "") for output in captured.outputs]
        if "parameters" in cell.metadata.get("tags", []):
            shell.push(parameters)
    return "\n".join(texts)


@pytest.mark.parametrize("dtypes", [["float32"], ["float32", "bfloat16"]])
def test_it_runs_on_a_model_of_ones_own(shell, tiny_checkpoint, tmp_path, dtypes):
    rows = [
        {
            "query_id": f"q{query}",
            "query": f"zug {query}",
            "candidates": [
                {"passage_id": f"p{query}{grade}", "text": f"der zug {grade}", "grade": grade}
                for grade in range(3)
            ],
        }
        for query in range(3)
    ]
    data = tmp_path / "own.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)) + "\n")
    text = said(shell, model=str(tiny_checkpoint), data=str(data), dtypes=dtypes)
    assert "pip install 'rerank-precision[runtimes]'" in text
    assert f"Scored here: {', '.join(dtypes)}." in text
    assert "these are the recordings of the demo reranker" in text
    assert ("The most orders change in **bfloat16**" in text) == ("bfloat16" in dtypes)
    assert "after an upcast" in text
