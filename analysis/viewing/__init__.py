"""The view: every stage of a score path under a reader's fingers, in a notebook or in a page.

- :func:`view` and :class:`RerankToggle`, the widget; :func:`table_html`, one order in a table.
- :mod:`.payload`: what Python computes and the browser looks up; :mod:`.rows` puts it in order.
- :mod:`.pages`: the same view in a page of its own; :mod:`.module`: its code, one ES module.

The browser never evaluates a sigmoid for a score; with the checksums of the payload it proves that
every score is Python's, bit for bit.
"""

from analysis.viewing.tables import table_html
from analysis.viewing.widgets import RerankToggle, view

__all__ = ["RerankToggle", "table_html", "view"]
