"""What a user asked for, as the notebooks take it and as a line that asks for it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.formats import FORWARD_DTYPES
from analysis.places import named_path

# What is shipped under these names comes before a local file or folder of the same name.
_NAMES = ("demo", "demo-softened", "demo-yes-no", "german")
SHIPPED = {"model": "demo", "data": "german", "dtypes": list(FORWARD_DTYPES)}


def loading_options(
    revision: str | None, device: str | None, max_length: int | None, trust_remote_code: bool
) -> dict[str, object]:
    """What :func:`analysis.models.load` is given besides the model: only what was asked for."""
    options = {"revision": revision, "device": device, "max_length": max_length}
    loading: dict[str, object] = {name: it for name, it in options.items() if it is not None}
    return loading | ({"trust_remote_code": True} if trust_remote_code else {})


def notebook_parameters(
    model: str | Path,
    data: str | Path,
    dtypes: Sequence[str],
    path: str | None,
    loading: Mapping[str, object],
) -> dict[str, object]:
    """Parameters of the notebooks that differ from what they have by themselves."""
    chosen = {"model": _absolute(model), "data": _absolute(data), "dtypes": list(dtypes)}
    parameters = {name: value for name, value in chosen.items() if value != SHIPPED[name]}
    parameters |= {"loading": dict(loading)} if loading else {}
    return parameters | ({"your_path": path} if path is not None else {})


def _absolute(source: str | Path) -> str:
    """Path of a local file or folder as seen from anywhere; other names stay as they are."""
    if source in _NAMES or not named_path(source, "give a name, a file or a folder").exists():
        return str(source)
    # not where a link leads to: names say what files are
    return str(Path(source).expanduser().absolute())
