"""Pages from templates: whatever a template is given goes through the sink for HTML."""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis import sinks


def environment(*folders: Path) -> jinja2.Environment:
    """An environment for the templates of these folders; only :class:`Markup` stays as it is."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )


def _shown(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(sinks.html(value))
