"""Where things lie: what is shipped, what a checkout has besides, and what is kept between runs.

A wheel holds what is shipped inside the package, in ``shipped``; in a checkout it lies at the
root of the repository. Nothing else in the package asks which of the two it is in.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = Path(str(files("analysis")))
_IN_WHEEL = PACKAGE / "shipped"

CHECKOUT: Path | None = None if _IN_WHEEL.is_dir() else PACKAGE.parent
"""Root of the repository; None where the package was installed from a wheel."""

_DATA = CHECKOUT / "data" if CHECKOUT else _IN_WHEEL
GERMAN = _DATA / "german" / "german.jsonl"
MODELS = _DATA / "models"
ENGINES = _DATA / "engines"
NOTEBOOKS = CHECKOUT / "notebooks" if CHECKOUT else _IN_WHEEL / "notebooks"


def cache_folder() -> Path:
    """Return the folder for what may be deleted at any time; it need not exist yet.

    ``.cache`` beside the code in a checkout, otherwise the user's cache folder.
    """
    return CHECKOUT / ".cache" if CHECKOUT else user_cache_path("rerank-precision")
