"""How Sphinx makes the documentation; ``make docs`` runs it with warnings as errors."""

from importlib.metadata import version as version_of

OWNER = "OWNER"
"""Whose repository Binder and Colab open: nobody's yet, so put yours in here."""

project = "rerank-precision"
author = copyright = "The rerank-precision authors"
version = release = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {
    "owner": OWNER,
    "binder": f"https://mybinder.org/v2/gh/{OWNER}/{project}/HEAD?urlpath=lab/tree/notebooks",
    "colab": f"https://colab.research.google.com/github/{OWNER}/{project}",
}

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
