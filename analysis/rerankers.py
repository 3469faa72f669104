"""The reranker: a model that was found and checked, its network, and what that is given.

Three kinds of network give one logit, or two that mean (no, yes): a classifier, and a language
model that is asked and whose logits of two tokens are kept (:mod:`analysis.prompts`), with an
encoder or without.
"""

from __future__ import annotations

import inspect
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

from analysis.checkpoints import ADAPTER_FILES, TOKENIZER_FILES, called, check_used, sha256_of
from analysis.errors import InputError
from analysis.formats import NETWORK_DTYPES
from analysis.heads import TWO_LOGITS
from analysis.prompts import YesNo
from analysis.tokenizing import MAX_LENGTH, least_tokens, most_tokens

Tokens = dict[str, list[NDArray[np.int64]]]
Inputs = dict[str, NDArray[np.int64]]
Forward = Callable[[Inputs], NDArray[np.float64]]
"""What takes a batch and gives its logits, shape (n_pairs, 1 or 2)."""

_TOKENISING = threading.Lock()  # a tokeniser that another thread uses cannot be told a length


@dataclass(frozen=True, eq=False)
class Reranker:
    """A reranker, found and checked by :func:`analysis.models.load`, not yet in memory.

    ``name`` is what it was loaded by. ``checkpoint_dtype`` is the dtype of the stored
    weights; it is recorded and decides nothing. ``attention`` is ``"sdpa"``, or ``"eager"`` for
    the architectures without it. ``revision`` is the commit of a Hub model. ``adapter`` is the
    folder of a LoRA adapter to be merged into the weights. ``weights_dtype`` names a dtype that the
    weights are rounded to before they take the forward dtype: its weights without its arithmetic.
    ``max_length`` is how many tokens of a pair are asked for, special ones and a prompt's included.
    ``yes_no`` says how a yes/no language model is asked; a cross-encoder has none.
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
    yes_no: YesNo | None = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """What the network gives for a pair: ``logit``, or ``logit_no`` and ``logit_yes``."""
        number = len(self.yes_no.labels) if self.yes_no else self.config.num_labels
        return ("logit",) if number == 1 else TWO_LOGITS

    @property
    def length(self) -> int:
        """Longest pair in tokens: as asked for, or what the model takes if that is less."""
        return min(self.max_length, self.max_tokens or self.max_length)

    @property
    def max_tokens(self) -> int | None:
        """Longest input in tokens, special ones included; None if there is no limit."""
        return most_tokens(self.config, self.tokenizer)

    @property
    def least_tokens(self) -> int:
        """Tokens of the shortest pair: one of each text, and what always stands around them."""
        return least_tokens(self.tokenizer, self.yes_no)

    def tokens(self, queries: Sequence[str], passages: Sequence[str], length: int) -> Tokens:
        """Token ids (and type ids, where the model has them) of each pair, cut to a length.

        ``length`` is :attr:`least_tokens` or more. The longer text gives way until a pair fits; of
        a prompt the passage does (:meth:`.YesNo.tokens`).
        """
        with _TOKENISING:
            return self._tokens(queries, passages, length)

    def _tokens(self, queries: Sequence[str], passages: Sequence[str], length: int) -> Tokens:
        if self.yes_no:
            ids = self.yes_no.tokens(self.tokenizer, queries, passages, length)
            return {"input_ids": ids}
        names = [name for name in self.tokenizer.model_input_names if name != "attention_mask"]
        if not queries:
            return {name: [] for name in names}
        encoded = self.tokenizer(
            list(queries),
            list(passages),
            truncation="longest_first",
            max_length=length,
            return_attention_mask=False,
        )
        return {name: [np.array(row, dtype=np.int64) for row in encoded[name]] for name in names}

    def batch(self, tokens: Tokens, least_width: int = 1) -> Inputs:
        """Pad pairs to the longest of them, or further; each array has the shape (n, width)."""
        fill = {
            "input_ids": self.tokenizer.pad_token_id,
            "token_type_ids": self.tokenizer.pad_token_type_id,
        }
        padded = {
            name: self._padded(rows, fill.get(name, 0), least_width)
            for name, rows in tokens.items()
        }
        ones = [np.ones_like(row) for row in tokens["input_ids"]]
        return padded | {"attention_mask": self._padded(ones, 0, least_width)}

    def _padded(
        self, rows: list[NDArray[np.int64]], fill: int, least_width: int
    ) -> NDArray[np.int64]:
        """Stack rows of tokens, with ``fill`` on the side where the tokeniser pads."""
        width = max(least_width, *map(len, rows))
        left = self.tokenizer.padding_side == "left"
        padded = np.full((len(rows), width), fill, dtype=np.int64)
        for place, row in zip(padded, rows, strict=True):
            start = width - len(row) if left else 0
            place[start : start + len(row)] = row
        return padded

    def identity(self) -> dict[str, Any]:
        """Everything about the model that can change a logit, ready for JSON.

        SHA-256 of the weight files, of ``config.json``, of the adapter and of the checkpoint's
        own code (if trusted); the revision; the attention implementation; the dtype that the
        weights are rounded to, if any; the tokens that a language model answers with. The tokeniser
        and the prompt show in the batches they make.
        """
        files = [*self.weights, self.folder / "config.json"]
        files += sorted(self.folder.glob("*.py")) if self.trust_remote_code else []
        adapter = [self.adapter / name for name in ADAPTER_FILES] if self.adapter else []
        rounded = {"weights_dtype": self.weights_dtype} if self.weights_dtype else {}
        answers = {"answers": self.yes_no.labels} if self.yes_no else {}
        return {
            "weights": {file.name: sha256_of(file) for file in files},
            "adapter": {file.name: sha256_of(file) for file in adapter},
            "revision": self.revision,
            "attention": self.attention,
            **rounded,
            **answers,
        }

    def network(self, forward_dtype: str) -> torch.nn.Module:
        """Load the network in exactly one dtype, on the device, in eval mode.

        Its outputs hold ``logits``, shape (n_pairs, 1 or 2). An adapter is merged in float32 and
        the sum cast. Raises :class:`InputError` for a dtype
        that networks do not run in, for weights that do not load, where the checkpoint lacks
        weights (a classification head most often), which transformers would fill at random, and
        where it has more blocks than the network.
        """
        network = self._network(forward_dtype)
        return _Answers(network, self.yes_no.labels) if self.yes_no else network

    def _network(self, forward_dtype: str) -> torch.nn.Module:
        """The network as transformers has it, a language model with all its logits."""
        dtype = self._torch_dtype(forward_dtype)
        rounded = self._torch_dtype(self.weights_dtype or forward_dtype)
        with _quiet():
            network = self._merged().to(dtype) if self.adapter else self._pretrained(dtype)
        for name, parameter in network.named_parameters():
            if parameter.is_floating_point() and parameter.dtype != dtype:
                raise InputError(
                    f"{name} stays {parameter.dtype} in a {forward_dtype} network",
                    "this architecture or its quantisation fixes that; take another dtype, or a "
                    "plain checkpoint",
                    file=self.folder,
                )
            # Weights mapped from a file lie where its header ends, and float32 kernels round
            # differently by alignment. torch's own memory makes logits depend on values alone.
            parameter.data = parameter.data.clone()
            if self.weights_dtype and parameter.is_floating_point():
                parameter.data = parameter.data.to(rounded).to(dtype)
        return network.to(self.device).eval().requires_grad_(False)

    def logits(self, outputs: object) -> NDArray[np.float64]:
        """Logits of a network's outputs, exactly what it returned: one, or (no, yes).

        Shape (n_pairs, 1 or 2), columns as :attr:`label_names` has them.
        """
        return outputs.logits.detach().cpu().double().numpy()

    def save_merged(self, folder: str | Path) -> Path:
        """Write the reranker as an ordinary checkpoint that any engine serves; returns its folder.

        The weights are in ``checkpoint_dtype``, the adapter merged. The tokeniser's files are
        copied, because transformers 4 does not read those that transformers 5 writes. How a
        language model is asked is not written.
        """
        folder = Path(folder)
        with _quiet():
            self._network(self.checkpoint_dtype).save_pretrained(folder)
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
            raise InputError("mps has no float64", "use the device cpu", field="forward_dtype")
        return getattr(torch, forward_dtype)

    def _pretrained(self, dtype: torch.dtype) -> torch.nn.Module:
        """Load the checkpoint's network; each weight must come from it or from the adapter."""
        network, report = called(
            network_class(self.config, self.yes_no).from_pretrained,
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
                "use a checkpoint trained as a reranker; random weights would take their place "
                "here",
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


class _Answers(torch.nn.Module):
    """A language model, of which the logits of two tokens are kept: those that come next.

    Nothing comes after the last place, so that tokens pad on the left; an encoder's decoder begins
    there, with its start token.
    """

    def __init__(self, network: torch.nn.Module, labels: list[int]) -> None:
        super().__init__()
        self.network, self.labels = network, labels
        self.known = inspect.signature(network.forward).parameters.keys()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> SequenceClassifierOutput:
        """Logits of the labels, shape (n_pairs, 1 or 2)."""
        asked = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
        if self.network.config.is_encoder_decoder:
            start = self.network.config.decoder_start_token_id
            asked["decoder_input_ids"] = torch.full_like(input_ids[:, :1], start)
        else:
            # the first token of a text has the place 0, however many pad it
            places = (attention_mask.cumsum(-1) - 1).clamp(min=0)
            options = {"position_ids": places, "logits_to_keep": 1}
            asked |= {name: value for name, value in options.items() if name in self.known}
        logits = self.network(**asked).logits
        return SequenceClassifierOutput(logits=logits[:, -1, self.labels])


def network_class(config: PreTrainedConfig, yes_no: YesNo | None) -> type:
    """The class of transformers that loads a checkpoint's network."""
    if yes_no is None:
        return AutoModelForSequenceClassification
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


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
