"""Models: which rerankers there are to load, and whether they are what they say.

:func:`load` finds a checkpoint and checks what can be checked without its weights;
:meth:`.Reranker.network` loads them in one forward dtype, which is always named: left to itself,
transformers 5 follows the checkpoint. No default of a library decides anything here that could
change a logit.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedConfig

from analysis.checkpoints import (
    called,
    check_head,
    download,
    is_language_model,
    local_folder,
    stored_dtype,
    weight_files,
)
from analysis.demo import adapter_of, base_of
from analysis.devices import pick
from analysis.errors import InputError, checked_name
from analysis.prompts import YesNo, yes_no
from analysis.rerankers import Reranker, network_class
from analysis.tokenizing import MAX_LENGTH, check_length, load_tokenizer


def load(
    model: str | Path = "demo",
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    device: str | None = None,
    max_length: int = MAX_LENGTH,
) -> Reranker:
    """Find a reranker: ``"demo"``, a local folder or a Hub id, tried in this order.

    ``"demo-softened"`` is the demo reranker trained out of saturation, on the same base;
    ``"demo-yes-no"`` is a language model that answers yes or no.
    ``revision`` pins a Hub model's commit, tag or branch. ``trust_remote_code`` runs the code
    that some checkpoints bring; ``allow_pickle`` takes pickled weights where there are no
    safetensors, and unpickling can run code. ``device`` is ``"cuda"``, ``"cuda:1"``, ``"mps"``
    or ``"cpu"``; left out, the first of them that is there. A pair of more than ``max_length``
    tokens is cut (:func:`analysis.scoring.score`).

    A reranker is a cross-encoder with one label, or with two that are read as (no, yes), or a
    language model that answers yes or no (:mod:`analysis.prompts`). Raises :class:`InputError` for
    other numbers, for checkpoints of another kind, and for what is missing or damaged; whether
    the weights fit the network shows when :meth:`Reranker.network` loads them.
    """
    checked_name(model, 'give "demo", a folder or a Hub id')
    check_length(max_length, "max_length")
    given = {"name": str(model), "device": pick(device), "max_length": max_length}
    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    adapter = adapter_of(model)
    if adapter is not None:
        return _checked(base_of(model), adapter=adapter, **given)
    folder = local_folder(model)
    if folder is not None:
        if revision is not None:
            raise InputError("a folder has no revisions", "leave it out", field="revision")
        return _checked(folder, **trust, **given)
    folder = download(str(model), revision, pickles=allow_pickle, code=trust_remote_code)
    return _checked(folder, revision=folder.name, **trust, **given)


def _checked(
    folder: Path,
    *,
    name: str,
    device: torch.device,
    max_length: int,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    adapter: Path | None = None,
) -> Reranker:
    """Make a reranker of a checkpoint folder, after the checks that need no weights."""
    weights = weight_files(folder, allow_pickle=allow_pickle)
    safe = weights[0].suffix == ".safetensors"
    labels = {"num_labels": 1} if adapter else {}
    trust = {"trust_remote_code": trust_remote_code}
    config = called(AutoConfig.from_pretrained, folder, folder, **trust, **labels)
    answers = is_language_model(config, folder)
    if not adapter and not answers:
        check_head(config, folder)
    tokenizer = load_tokenizer(folder, config, trust_remote_code=trust_remote_code)
    asked = yes_no(adapter or folder, config, tokenizer, name) if answers else None
    if asked and not config.is_encoder_decoder:
        tokenizer.padding_side = "left"  # so that the last place is a token of every text
    return Reranker(
        name=name,
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        weights=weights,
        checkpoint_dtype=stored_dtype(weights) if safe else _pickled_dtype(weights[0]),
        attention=_attention(config, folder, trust_remote_code, asked),
        device=device,
        revision=revision,
        adapter=adapter,
        trust_remote_code=trust_remote_code,
        max_length=max_length,
        yes_no=asked,
    )


def _attention(
    config: PreTrainedConfig, folder: Path, trust_remote_code: bool, asked: YesNo | None
) -> str:
    """``"sdpa"`` if the architecture has it, else ``"eager"`` (DeBERTa); builds no weights."""
    try:
        with torch.device("meta"):
            called(
                network_class(config, asked).from_config,
                folder,
                copy.deepcopy(config),
                trust_remote_code=trust_remote_code,
                attn_implementation="sdpa",
            )
    except InputError as error:
        if "scaled_dot_product_attention" not in str(error.__cause__):
            raise
        return "eager"
    return "sdpa"


def _pickled_dtype(file: Path) -> str:
    """Name the dtype of most of the weights in a pickled file."""
    tensors = called(torch.load, file, file, map_location="meta", weights_only=True).values()
    sizes = {str(t.dtype): sum(o.numel() for o in tensors if o.dtype == t.dtype) for t in tensors}
    return max(sizes, key=sizes.get).removeprefix("torch.")
