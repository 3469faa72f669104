"""How Sphinx makes the documentation; ``make docs`` runs it with warnings as errors."""

from importlib.metadata import version as version_of

from docutils.nodes import Element, reference
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

project = "rerank-precision"
author = copyright = "The rerank-precision authors"
version = release = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = project
html_static_path = ["style"]
html_css_files = ["docs.css"]
html_copy_source = html_show_sourcelink = False
html_show_search_summary = False  # it is fetched, which a page opened from disk may not do


def by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element
) -> reference | None:
    """Lead a docstring's ``analysis.ties.apply`` to where ``analysis.apply`` is described."""
    if node.get("refdomain") != "py":
        return None
    python, last = env.domains.python_domain, node["reftarget"].rpartition(".")[2]
    found = dict(python.find_obj(env, None, None, last, None, 1))
    top = f"analysis.{last}"
    if top not in found and len(found) != 1:
        return None
    target = found.get(top) or next(iter(found.values()))
    return make_refnode(app.builder, node["refdoc"], target.docname, target.node_id, content)


def setup(app: Sphinx) -> None:
    """Ask for unknown names a second time."""
    app.connect("missing-reference", by_last_name)
