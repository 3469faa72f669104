"""Rerankers: cross-encoders that give one logit per (query, passage) pair.

:func:`load` finds a checkpoint and checks what can be checked without its weights;
:meth:`Reranker.network` loads them in one forward dtype, which is always named: left to itself,
transformers 5 follows the checkpoint. No default of a library decides anything here that could
change a logit.
"""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from analysis.checkpoints import (
    ADAPTER_FILES,
    TOKENIZER_FILES,
    called,
    check_head,
    check_used,
    download,
    local_folder,
    sha256_of,
    stored_dtype,
    weight_files,
)
from analysis.demo import adapter_of, demo_base
from analysis.devices import pick
from analysis.errors import InputError, checked_name
from analysis.formats import NETWORK_DTYPES
from analysis.tokenizing import MAX_LENGTH, check_length, load_tokenizer, most_tokens


@dataclass(frozen=True, eq=False)
class Reranker:
    """A cross-encoder, found and checked by :func:`load`, not yet in memory.

    ``name`` is what :func:`load` was given. ``checkpoint_dtype`` is the dtype of the stored
    weights; it is recorded and decides nothing. ``attention`` is ``"sdpa"``, or ``"eager"`` for
    the architectures without it. ``revision`` is the commit of a Hub model. ``adapter`` is the
    folder of a LoRA adapter to be merged into the weights. ``weights_dtype`` names a dtype that the
    weights are rounded to before they take the forward dtype: its weights without its arithmetic.
    ``max_length`` is how many tokens of a pair are asked for, special ones included.
    """

    name: str
    folder: Path
    config: PreTrainedConfig = field(repr=False)
    tokenizer: PreTrainedTokenizerBase = field(repr=False)
    weights: tuple[Path, ...]
    checkpoint_dtype: str
    attention: str
    device: torch.device
    revision: str | None = None
    adapter: Path | None = None
    trust_remote_code: bool = False
    weights_dtype: str | None = None
    max_length: int = MAX_LENGTH

    @property
    def length(self) -> int:
        """Longest pair in tokens: as asked for, or what the model takes if that is less."""
        return min(self.max_length, self.max_tokens or self.max_length)

    @property
    def max_tokens(self) -> int | None:
        """Longest input in tokens, special ones included; None if there is no limit."""
        return most_tokens(self.config, self.tokenizer)

    def identity(self) -> dict[str, Any]:
        """Everything about the model that can change a logit, ready for JSON.

        SHA-256 of the weight files, of ``config.json``, of the adapter and of the checkpoint's
        own code (if trusted); the revision; the attention implementation; the dtype that the
        weights are rounded to, if any. The tokeniser shows in the batches it makes.
        """
        files = [*self.weights, self.folder / "config.json"]
        files += sorted(self.folder.glob("*.py")) if self.trust_remote_code else []
        adapter = [self.adapter / name for name in ADAPTER_FILES] if self.adapter else []
        rounded = {"weights_dtype": self.weights_dtype} if self.weights_dtype else {}
        return {
            "weights": {file.name: sha256_of(file) for file in files},
            "adapter": {file.name: sha256_of(file) for file in adapter},
            "revision": self.revision,
            "attention": self.attention,
            **rounded,
        }

    def network(self, forward_dtype: str) -> torch.nn.Module:
        """Load the network in exactly one dtype, on the device, in eval mode.

        An adapter is merged in float32 and the sum cast. Raises :class:`InputError` for a dtype
        that networks do not run in, for weights that do not load, where the checkpoint lacks
        weights (a classification head most often), which transformers would fill at random, and
        where it has more blocks than the network.
        """
        dtype = self._torch_dtype(forward_dtype)
        rounded = self._torch_dtype(self.weights_dtype or forward_dtype)
        with _quiet():
            network = self._merged().to(dtype) if self.adapter else self._pretrained(dtype)
        for name, parameter in network.named_parameters():
            if parameter.is_floating_point() and parameter.dtype != dtype:
                raise InputError(
                    f"{name} stays {parameter.dtype} in a {forward_dtype} network",
                    "this architecture or its quantisation fixes that; use a plain checkpoint",
                    file=self.folder,
                )
            # Weights mapped from a file lie where its header ends, and float32 kernels round
            # differently by alignment. torch's own memory makes logits depend on values alone.
            parameter.data = parameter.data.clone()
            if self.weights_dtype and parameter.is_floating_point():
                parameter.data = parameter.data.to(rounded).to(dtype)
        return network.to(self.device).eval().requires_grad_(False)

    def logits(self, outputs: object) -> NDArray[np.float64]:
        """Logits of a network's outputs, shape (n_pairs,): exactly what it returned.

        Two labels are (no, yes): their logit is yes − no, subtracted in float64.
        """
        labels = outputs.logits.detach().cpu().double().numpy()  # (n_pairs, 1 or 2)
        with np.errstate(invalid="ignore"):  # inf − inf is NaN, which scoring reports
            return labels[:, 0] if labels.shape[1] == 1 else labels[:, 1] - labels[:, 0]

    def save_merged(self, folder: str | Path) -> Path:
        """Write the reranker as an ordinary checkpoint that any engine serves; returns its folder.

        The weights are in ``checkpoint_dtype``, the adapter merged. The tokeniser's files are
        copied, because transformers 4 does not read those that transformers 5 writes.
        """
        folder = Path(folder)
        with _quiet():
            self.network(self.checkpoint_dtype).save_pretrained(folder)
        for pattern in TOKENIZER_FILES:
            for file in self.folder.glob(pattern):
                shutil.copyfile(file, folder / file.name)
        return folder

    def _torch_dtype(self, forward_dtype: str) -> torch.dtype:
        """Torch's dtype of that name, if networks run in it on this device."""
        if forward_dtype not in NETWORK_DTYPES:
            raise InputError(
                f"a network cannot run in {forward_dtype!r}",
                f"choose {', '.join(NETWORK_DTYPES)} (float8 is for storing, not for layers)",
                field="forward_dtype",
            )
        if forward_dtype == "float64" and self.device.type == "mps":
            raise InputError("mps has no float64", 'use device="cpu"', field="forward_dtype")
        return getattr(torch, forward_dtype)

    def _pretrained(self, dtype: torch.dtype) -> torch.nn.Module:
        """Load the checkpoint's network; each weight must come from it or from the adapter."""
        network, report = called(
            AutoModelForSequenceClassification.from_pretrained,
            self.folder,
            self.folder,
            trust_remote_code=self.trust_remote_code,
            config=self.config,
            dtype=dtype,
            attn_implementation=self.attention,
            use_safetensors=self.weights[0].suffix == ".safetensors",
            output_loading_info=True,
        )
        check_used(report["unexpected_keys"], self.folder)
        missing = sorted(set(report["missing_keys"]) - self._adapter_weights())
        if missing:
            raise InputError(
                f"the checkpoint lacks {len(missing)} weights of a "
                f"{type(network).__name__}: {', '.join(missing[:4])}",
                "use a checkpoint trained as a cross-encoder; random weights would take their "
                "place here",
                file=self.folder,
            )
        return network

    def _adapter_weights(self) -> set[str]:
        """Names of the network's weights that the adapter replaces (pooler, classifier)."""
        if self.adapter is None:
            return set()
        with safe_open(self.adapter / "adapter_model.safetensors", framework="numpy") as weights:
            return {name.removeprefix("base_model.model.") for name in weights.keys()}  # noqa: SIM118

    def _merged(self) -> torch.nn.Module:
        """Load the checkpoint's network and merge the adapter into it, in float32."""
        from peft import PeftModel  # slow to import, and only adapters need it

        base = self._pretrained(torch.float32)
        with warnings.catch_warnings():
            # peft 0.21 reads an attribute that transformers 5 renames
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            # LoRA weights that are not in the file would stay at zero
            warnings.filterwarnings("error", "Found missing adapter keys")
            model = called(PeftModel.from_pretrained, self.adapter, base, self.adapter)
        return model.merge_and_unload()


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

    ``"demo-softened"`` is the demo reranker trained out of saturation, on the same base.
    ``revision`` pins a Hub model's commit, tag or branch. ``trust_remote_code`` runs the code
    that some checkpoints bring; ``allow_pickle`` takes pickled weights where there are no
    safetensors, and unpickling can run code. ``device`` is ``"cuda"``, ``"cuda:1"``, ``"mps"``
    or ``"cpu"``; left out, the first of them that is there. A pair of more than ``max_length``
    tokens is cut (:func:`analysis.scoring.score`).

    A reranker has one label, or two that are read as (no, yes). Raises :class:`InputError` for
    other numbers, for checkpoints of another kind, and for what is missing or damaged; whether
    the weights fit the network shows when :meth:`Reranker.network` loads them.
    """
    checked_name(model, 'give "demo", a folder or a Hub id')
    check_length(max_length, "max_length")
    given = {"name": str(model), "device": pick(device), "max_length": max_length}
    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    adapter = adapter_of(model)
    if adapter is not None:
        return _checked(demo_base(), adapter=adapter, **given)
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
    if not adapter:
        check_head(config, folder)
    tokenizer = load_tokenizer(folder, config, trust_remote_code=trust_remote_code)
    return Reranker(
        name=name,
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        weights=weights,
        checkpoint_dtype=stored_dtype(weights) if safe else _pickled_dtype(weights[0]),
        attention=_attention(config, folder, trust_remote_code),
        device=device,
        revision=revision,
        adapter=adapter,
        trust_remote_code=trust_remote_code,
        max_length=max_length,
    )


def _attention(config: PreTrainedConfig, folder: Path, trust_remote_code: bool) -> str:
    """``"sdpa"`` if the architecture has it, else ``"eager"`` (DeBERTa); builds no weights."""
    try:
        with torch.device("meta"):
            called(
                AutoModelForSequenceClassification.from_config,
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing bars and reports: our errors say what is wrong."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
