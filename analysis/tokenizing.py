"""Tokenisers: how long pairs are, and how long a model takes them. Nothing here loads weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from analysis import progress
from analysis.checkpoints import (
    TOKENIZER_FILES,
    called,
    check_longest,
    download,
    is_language_model,
    local_folder,
)
from analysis.demo import adapter_of, base_of
from analysis.errors import InputError, checked_name
from analysis.prompts import YesNo, yes_no

MAX_LENGTH = 512
"""Tokens of a pair, special ones and a prompt's included, unless others are asked for."""
# Their position embeddings begin after the padding index.
_OFFSET_POSITIONS = ("roberta", "camembert", "xlm-roberta", "xlm-roberta-xl", "mpnet")
_AT_ONCE = 1000


def pair_lengths(
    pairs: pd.DataFrame,
    model: str | Path,
    *,
    max_length: int = MAX_LENGTH,
    trust_remote_code: bool = False,
) -> tuple[NDArray[np.int64], int | None]:
    """Tokens of each (query, passage) before anything is cut, and the most that the model takes.

    The lengths have the shape (n_pairs,) and count special tokens, and the prompt that a yes/no
    language model is given; the most is None where there is no limit. ``max_length`` is where pairs
    will be cut. ``model`` is what :func:`analysis.models.load` takes; of a Hub model only the small
    files are fetched. Raises :class:`InputError` for what is no model or has no tokeniser, and
    where a pair so short has no room for both texts.
    """
    folder = _folder(model, trust_remote_code)
    trust = {"trust_remote_code": trust_remote_code}
    config = called(AutoConfig.from_pretrained, folder, folder, **trust)
    tokenizer = load_tokenizer(folder, config, **trust)
    answers = is_language_model(config, folder)
    asked = yes_no(adapter_of(model) or folder, config, tokenizer, str(model)) if answers else None
    most, least = most_tokens(config, tokenizer), least_tokens(tokenizer, asked)
    check_room(min(max_length, most or max_length), least)
    lengths = np.empty(len(pairs), dtype=np.int64)
    with progress.bar("counting tokens", len(pairs), "pairs") as advance:
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs.iloc[start : start + _AT_ONCE]
            texts = some["query"].tolist(), some["passage"].tolist()
            if asked is None:
                rows = tokenizer(*texts, return_attention_mask=False, verbose=False)["input_ids"]
            else:
                rows = asked.tokens(tokenizer, *texts, length=sys.maxsize)
            lengths[start : start + len(some)] = [len(row) for row in rows]
            advance(len(some))
    return lengths, most


def most_tokens(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Longest input in tokens, special ones included; None if there is no limit."""
    limits = [tokenizer.model_max_length]
    positions = getattr(config, "max_position_embeddings", None) or 0
    if config.model_type in _OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1
    limits += [positions] if positions > 0 else []
    # A tokeniser without a limit says 10**30.
    return int(min(limits)) if min(limits) < 10**9 else None


def least_tokens(tokenizer: PreTrainedTokenizerBase, asked: YesNo | None) -> int:
    """Tokens of the shortest pair: one of each text, and what always stands around them."""
    if asked is not None:
        return asked.least_tokens(tokenizer)
    return tokenizer.num_special_tokens_to_add(pair=True) + 2


def check_room(length: int, least: int) -> None:
    """Raise :class:`InputError` where pairs of a length have no room for both texts."""
    if length < least:
        raise InputError(
            f"{length} tokens leave no room for a query and a passage",
            f"give {least} or more",
            field="max_length",
        )


def load_tokenizer(
    folder: Path, config: PreTrainedConfig, *, trust_remote_code: bool
) -> PreTrainedTokenizerBase:
    """Load a checkpoint's tokeniser; :class:`InputError` if it has none that can be used."""
    if not trust_remote_code and not any(any(folder.glob(files)) for files in TOKENIZER_FILES):
        # transformers would make an empty tokeniser up, to which every word is unknown.
        raise InputError(
            "the folder has no tokeniser",
            "save it beside the weights: tokenizer.save_pretrained(folder)",
            file=folder,
        )
    tokenizer = called(
        AutoTokenizer.from_pretrained,
        folder,
        folder,
        config=config,
        trust_remote_code=trust_remote_code,
    )
    check_longest(tokenizer, folder)
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise InputError(
            "the tokeniser is a slow one or has no padding token",
            "add a tokenizer.json with a padding token to the folder",
            file=folder,
        )
    return tokenizer


def check_length(number: object, field: str) -> None:
    """Raise :class:`InputError` for what is no number of tokens."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InputError(f"{number!r} is no number of tokens", "give 1 or more", field=field)


def _folder(model: str | Path, trust_remote_code: bool) -> Path:
    """Where a model's config and tokeniser are."""
    checked_name(model, 'give "demo", a folder or a Hub id')
    if adapter_of(model) is not None:
        return base_of(model)
    folder = local_folder(model)
    return folder or download(str(model), None, weights=False, code=trust_remote_code)
