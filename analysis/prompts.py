"""Prompts: what yes/no language models are asked about a pair, and the tokens they answer with.

A repository says it itself (:mod:`analysis.logitscores`), or it is one of these, known by its name
and architecture:

===================== ================ ============= ==============================================
model                 asked            no, yes       source
===================== ================ ============= ==============================================
Qwen3-Reranker        chat, with an    no, yes       README.md of QwenLM/Qwen3-Embedding at f4ad0c4
                      instruction
mxbai-rerank v2       chat             0, 1          mxbai_rerank/mxbai_rerank_v2.py at 8e709dc
bge-reranker-v2-gemma plain            Yes alone     inference/reranker/decoder_only/base.py of
                                                     FlagEmbedding at 7ed43d6
monoT5                plain, to an     false, true   pygaggle/model/tokenize.py (T5BatchTokenizer)
                      encoder                        and pygaggle/rerank/transformer.py
                                                     (prediction_tokens) at 08339dd
mMARCO's mT5          the same         no, yes       the same
ptt5                  the same         não, sim      the same
===================== ================ ============= ==============================================

The parts of a prompt are turned into tokens each by itself, as those sources do it. Like them (none
sets ``split_special_tokens``) and like sentence-transformers, a marker that stands in a query or a
passage, such as ``<|im_end|>``, becomes the marker's token: a text can end its own message and
speak for the assistant. That is kept, since a score here is to be the one those engines return.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from packaging.version import Version

from analysis.errors import InputError, quoted
from analysis.logitscores import LogitScore, logit_score

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

Ask = Callable[[str, str], Sequence[str]]
"""The parts of a prompt about a query and a passage."""


@dataclass(frozen=True)
class Family:
    """Models that are asked alike: names they go by, their architecture, prompt and answers.

    ``parts`` are filled in with ``{query}`` and ``{passage}``. ``no`` and ``yes`` are tokens as the
    vocabulary spells them; without ``no`` the logit of ``yes`` alone is the model's.
    """

    name: str
    pattern: str
    model_type: str
    parts: tuple[str, ...]
    yes: str
    no: str | None = None

    def ask(self, query: str, passage: str) -> Sequence[str]:
        """Fill the prompt in."""
        return [part.format(query=query, passage=passage) for part in self.parts]


_MONO_T5 = ("Query: {query} Document: {passage} Relevant:", "</s>")
FAMILIES = (
    Family(
        "Qwen3-Reranker",
        "qwen3-reranker",
        "qwen3",
        (
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the "
            "Query and the Instruct provided. Note that the answer can only be "
            '"yes" or "no".<|im_end|>\n<|im_start|>user\n',
            "<Instruct>: Given a web search query, retrieve relevant passages that answer the "
            "query\n<Query>: {query}\n<Document>: {passage}",
            "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        yes="yes",
        no="no",
    ),
    Family(
        "mxbai-rerank-v2",
        "mxbai-rerank-(base|large)-v2",
        "qwen2",
        (
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
            "assistant.<|im_end|>\n<|im_start|>user\n",
            "query: {query}",
            "\n",
            "document: {passage}",
            "\n",
            "You are a search relevance expert who evaluates how well documents match search "
            "queries. For each query-document pair, carefully analyze the semantic relationship "
            "between them, then provide your binary relevance judgment (0 for not relevant, 1 for "
            "relevant).\nRelevance:",
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
        yes="1",
        no="0",
    ),
    Family(
        "bge-reranker-v2-gemma",
        "bge-reranker-v2-gemma",
        "gemma",
        (
            "<bos>",
            "A: {query}",
            "\n",
            "B: {passage}",
            "\n",
            "Given a query A and a passage B, determine whether the passage contains an answer to "
            "the query by providing a prediction of either 'Yes' or 'No'.",
        ),
        yes="Yes",
    ),
    Family("monoT5", "monot5", "t5", _MONO_T5, yes="▁true", no="▁false"),
    Family("mt5-base-…-msmarco", "mt5-base-.*ms?marco", "mt5", _MONO_T5, yes="▁yes", no="▁no"),
    Family("ptt5-base-…-msmarco", "ptt5-base-.*msmarco", "t5", _MONO_T5, yes="▁sim", no="▁não"),
)


@dataclass(frozen=True, eq=False)
class YesNo:
    """How a language model is asked about a pair, and the ids of the tokens it answers with.

    Without ``no`` the logit of ``yes`` alone is the model's.
    """

    ask: Ask = field(repr=False)
    yes: int
    no: int | None = None

    @property
    def labels(self) -> list[int]:
        """The tokens whose logits are kept: (no, yes), or yes alone."""
        return [self.yes] if self.no is None else [self.no, self.yes]

    def least_tokens(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """Tokens of a prompt with room for one of the query and one of the passage."""
        return len(self._row(tokenizer, "", "")) + 2

    def tokens(
        self,
        tokenizer: PreTrainedTokenizerBase,
        queries: Sequence[str],
        passages: Sequence[str],
        length: int,
    ) -> list[NDArray[np.int64]]:
        """Token ids of the prompt about each pair, at most ``length`` of them.

        A prompt that is longer has its passage cut, and before that a query that alone takes more
        than three quarters of the room; what stands around them stays whole. ``length`` is
        :meth:`least_tokens` or more.
        """
        asked = [self.ask(*pair) for pair in zip(queries, passages, strict=True)]
        known = _encoded(tokenizer, chain.from_iterable(asked))
        rows = [[*chain.from_iterable(known[part] for part in parts)] for parts in asked]
        for number, row in enumerate(rows):
            if len(row) > length:
                pair = queries[number], passages[number]
                rows[number] = self._cut(tokenizer, *pair, length=length)
        return [np.array(row, dtype=np.int64) for row in rows]

    def _row(self, tokenizer: PreTrainedTokenizerBase, query: str, passage: str) -> list[int]:
        parts = self.ask(query, passage)
        known = _encoded(tokenizer, parts)
        return [*chain.from_iterable(known[part] for part in parts)]

    def _cut(
        self, tokenizer: PreTrainedTokenizerBase, query: str, passage: str, *, length: int
    ) -> list[int]:
        room = length - len(self._row(tokenizer, "", ""))
        query = _shorter(tokenizer, query, len(_encoded(tokenizer, [query])[query]) - room * 3 // 4)
        while len(row := self._row(tokenizer, query, passage)) > length:
            if passage:
                passage = _shorter(tokenizer, passage, len(row) - length)
            else:
                query = _shorter(tokenizer, query, len(row) - length)
        return row


def yes_no(
    folder: Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, name: str
) -> YesNo:
    """Find out how a language model is asked and answers, by its repository or its name.

    ``name`` is what it was loaded by. Raises :class:`InputError` where nothing tells it, for a chat
    template that passes a query or a passage over, and for tokens that the model does not have.
    """
    score, family = logit_score(folder), _family(config, _called(name), _called(folder))
    if score is not None:
        found = YesNo(_asking(folder, tokenizer, score, family), score.yes, score.no)
    elif family is not None:
        yes, no = (_token(family, token, tokenizer, folder) for token in (family.yes, family.no))
        found = YesNo(family.ask, yes, no)
    else:
        raise InputError(
            f"this is a {(config.architectures or ['language model'])[0]}, and nothing tells which "
            "tokens it answers yes and no with",
            "use a cross-encoder; or add modules.json and 1_LogitScore/config.json with "
            "true_token_id and false_token_id, as sentence-transformers writes them, and a chat "
            "template with the roles query and document; or call the folder after the model it "
            f"comes from ({', '.join(family.name for family in FAMILIES)})",
            file=folder,
        )
    _check_known(found, config, folder)
    return found


def _called(model: str | Path) -> str:
    """What a model is called: its id's or folder's last part; of a snapshot, the model's."""
    path = Path(model)
    is_snapshot = path.parent.name == "snapshots"
    return (path.parent.parent if is_snapshot else path).name.lower()


def _family(config: PreTrainedConfig, *names: str) -> Family | None:
    """The family of an architecture that goes by one of the names."""
    for family in FAMILIES:
        goes_by = any(re.search(family.pattern, name) for name in names)
        if goes_by and family.model_type == config.model_type:
            return family
    return None


def _token(
    family: Family, token: str | None, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> int | None:
    if token is None:
        return None
    number = tokenizer.get_vocab().get(token)
    if number is None:
        raise InputError(
            f"the tokeniser has no token {token!r}, with which {family.name} answers",
            "take the tokeniser that belongs to these weights",
            file=folder,
        )
    return number


def _check_known(found: YesNo, config: PreTrainedConfig, folder: Path) -> None:
    known = getattr(config, "vocab_size", None)
    if known is not None and max(found.labels) >= known:
        raise InputError(
            f"the answer is the token {max(found.labels)}, and the network knows {known}",
            "take the files that belong to these weights",
            file=folder,
        )


def _asking(
    folder: Path, tokenizer: PreTrainedTokenizerBase, score: LogitScore, family: Family | None
) -> Ask:
    """A repository's chat template; its family's prompt where it has none for pairs."""
    try:
        return _chat(folder, tokenizer, score)
    except InputError:
        if family is None:
            raise
        return family.ask


def _chat(folder: Path, tokenizer: PreTrainedTokenizerBase, score: LogitScore) -> Ask:
    """Ask by a repository's chat template, as sentence-transformers does it.

    Each of instruction, query and passage is a message with a role of its own
    (sentence_transformers/base/modality.py at cad2119). transformers fills the template in, in
    Jinja's sandbox. Raises :class:`InputError` if there is none, if query or passage does not show
    in what it makes, and where the sandbox that is installed has holes.
    """
    _check_sandbox()

    def ask(query: str, passage: str) -> Sequence[str]:
        """Fill the template in."""
        said = {"system": score.instruction, "query": query, "document": passage}
        messages = [
            {
                "role": role,
                "content": [{"type": "text", "text": text}] if score.structured else text,
            }
            for role, text in said.items()
            if text is not None
        ]
        try:
            made = tokenizer.apply_chat_template(messages, tokenize=False, **score.variables)
        except Exception as error:  # a template raises what its author likes
            raise InputError(
                f"the chat template fails: {type(error).__name__}: {quoted(str(error))}",
                _TEMPLATE,
                file=folder,
            ) from error
        return [made]

    first = ask("0", "0")
    for role, other in {"query": ask("1", "0"), "document": ask("0", "1")}.items():
        if other == first:
            raise InputError(f"the chat template passes the {role} over", _TEMPLATE, file=folder)
    return ask


SANDBOX = "3.1.6"
"""The first jinja2 whose sandbox holds (CVE-2025-27516): a template is somebody else's program."""


def _check_sandbox() -> None:
    found = version("jinja2")
    if Version(found) < Version(SANDBOX):
        raise InputError(
            f"jinja2 {found} lets a chat template out of its sandbox",
            f'install a newer one: pip install "jinja2>={SANDBOX}"',
        )


_TEMPLATE = "add a chat_template.jinja that shows a message each of the roles query and document"


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> dict[str, list[int]]:
    """Token ids of each text, without special tokens around it."""
    unique = list(dict.fromkeys(texts))
    if not unique:
        return {}
    encoded = tokenizer(
        unique, add_special_tokens=False, return_attention_mask=False, verbose=False
    )
    return dict(zip(unique, encoded["input_ids"], strict=True))


def _shorter(tokenizer: PreTrainedTokenizerBase, text: str, tokens: int) -> str:
    """Cut a text's last tokens off, if any; it gets shorter, if only by a character."""
    if tokens <= 0:
        return text
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    starts = [start for start, _ in encoded["offset_mapping"]]
    return text[: min(starts[-tokens], len(text) - 1)] if tokens < len(starts) else ""
