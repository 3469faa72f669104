"""Run a notebook's cells in this process, on other data, and render its page."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_output
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from analysis.reporting.pages import body_html
from analysis.reporting.running import Chapter


def page_of(notebook: Path, parameters: Mapping[str, object], folder: Path) -> str:
    """The report page of one notebook under other parameters; a failing cell raises."""
    executed = parameterize_notebook(load_notebook_node(str(notebook)), dict(parameters))
    shell = InteractiveShell.instance()
    try:
        for cell in executed.cells:
            if cell.cell_type == "code":
                cell.outputs = _outputs(shell, cell.source)
    finally:
        shell.reset()
        InteractiveShell.clear_instance()
    path = folder / notebook.name
    nbformat.write(executed, path)
    return str(body_html(Chapter(path)))


def _outputs(shell: InteractiveShell, source: str) -> list:
    with capture_output() as captured:
        shell.run_cell(source).raise_error()
    return [new_output("display_data", data=dict(shown.data)) for shown in captured.outputs]


class Page(HTMLParser):
    """Tags of a page with their attributes, and the text outside them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def attributes(self, tag: str) -> list[dict]:
        return [attrs for found, attrs in self.tags if found == tag]
