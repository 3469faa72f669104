"""Record what a reranker returns when something other than rounding is changed.

    python tools/record_holdouts.py [--queries N] [--out data/holdouts]

The demo reranker scores the first queries of the German set, a quarter of whose passages are joined
with those after them so that some pairs are long, as it is and with one thing changed. Writes
``holdouts.parquet`` (a row per holdout and pair) and ``holdouts.json`` (what each is). Minutes on
two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.datasets import RerankingSet, from_pairs
from analysis.models import Reranker, load
from analysis.places import HOLDOUTS
from analysis.readers import load_german
from analysis.scorepath import ScorePath
from analysis.scoring import score

EVERY, JOINED = 4, 4  # one in so many passage is joined with those after it, so many together
SHORT = 256
SEED = 7
SCORE = ScorePath()

Texts = Callable[[pd.DataFrame], pd.DataFrame]


@dataclasses.dataclass(frozen=True, eq=False)
class Changed(Reranker):
    """A reranker whose network is changed once it is loaded."""

    change: Callable[[torch.nn.Module], torch.nn.Module] = lambda network: network

    def network(self, forward_dtype: str) -> torch.nn.Module:
        """The network as it is loaded, then changed."""
        return self.change(super().network(forward_dtype)).eval().requires_grad_(False)


class TokenTypes(torch.nn.Module):
    """Type 1 for the passage: what a tokeniser of another version gives, and engines drop."""

    def __init__(self, network: torch.nn.Module, separator: int) -> None:
        super().__init__()
        self.inner, self.separator = network, separator

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
        """Count the separators before each token."""
        before = (input_ids == self.separator).int().cumsum(1) - (input_ids == self.separator).int()
        types = (before >= 2).long() * attention_mask
        return self.inner(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=types)


class DynamicInt8(torch.nn.Module):
    """A linear layer in int8: weights by tensor, activations by the batch that comes."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.weight, self.scale = _int8(layer.weight.data)
        self.bias = layer.bias.data

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Round to 255 levels of the largest, multiply whole numbers, scale back."""
        levels, scale = _int8(values)
        return levels @ self.weight.T * (scale * self.scale) + self.bias


def _int8(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers from -127 to 127, and what one of them stands for."""
    scale = values.abs().max() / 127
    return (values / scale).round(), scale


def in_int8(network: torch.nn.Module) -> torch.nn.Module:
    """Put every linear layer below the head in dynamic int8."""
    for name, module in list(network.bert.encoder.named_modules()):
        if isinstance(module, torch.nn.Linear):
            parent, _, last = name.rpartition(".")
            setattr(network.bert.encoder.get_submodule(parent), last, DynamicInt8(module))
    return network


def untrained_head(network: torch.nn.Module) -> torch.nn.Module:
    """Fill pooler and classifier as transformers fills what a checkpoint lacks."""
    generator = torch.Generator().manual_seed(SEED)
    for layer in (network.bert.pooler.dense, network.classifier):
        layer.weight.data.normal_(0, network.config.initializer_range, generator=generator)
        layer.bias.data.zero_()
    return network


def long_set(queries: int) -> RerankingSet:
    """The first queries of the German set, every fourth passage joined with those after it."""
    pairs = load_german().pairs
    kept = pairs[pairs["query_id"].isin(pairs["query_id"].unique()[:queries])].copy()
    texts = kept["passage"].tolist()
    for row in range(0, len(texts), EVERY):
        kept.iloc[row, kept.columns.get_loc("passage")] = " ".join(texts[row : row + JOINED])
    return from_pairs("holdouts", kept)


def template(pairs: pd.DataFrame) -> pd.DataFrame:
    """Another prompt around query and passage."""
    query = "<Instruct>: Beantwortet der Text die Frage? <Query>: " + pairs["query"]
    return pairs.assign(query=query, passage="<Document>: " + pairs["passage"])


def prefix(pairs: pd.DataFrame) -> pd.DataFrame:
    """The prefixes of e5, which one side has and the other has not."""
    return pairs.assign(query="query: " + pairs["query"], passage="passage: " + pairs["passage"])


def edited(pairs: pd.DataFrame) -> pd.DataFrame:
    """The best-graded passage of one query lost: another text stands in its place."""
    first = pairs[pairs["query_id"] == pairs["query_id"].iloc[0]]
    row = first["grade"].astype(float).idxmax()
    return pairs.assign(passage=pairs["passage"].where(pairs.index != row, "Diese Seite ist leer."))


def holdouts(candidates: RerankingSet) -> Iterator[tuple[str, str, NDArray, NDArray]]:
    """Yield each holdout: name, what was changed, logits and scores."""
    demo = load("demo")

    def logits(
        dataset: RerankingSet = candidates, reranker: Reranker = demo, **options: int
    ) -> NDArray:
        found = score(dataset, reranker, ["float32"], progress=False, **options)
        return found["logit"].to_numpy()

    def texts(change: Texts) -> NDArray:
        return logits(from_pairs(change.__name__, change(candidates.pairs)))

    def network(change: Callable[[torch.nn.Module], torch.nn.Module]) -> NDArray:
        fields = {one.name: getattr(demo, one.name) for one in dataclasses.fields(demo)}
        return logits(reranker=Changed(**fields, change=change))

    separator = demo.tokenizer.sep_token_id
    usual = logits()
    changed = {
        "as it is": ("nothing", usual),
        "batch": ("every pair is a batch of its own", logits(batch_tokens=1)),
        "template": ("another prompt around query and passage", texts(template)),
        "prefix": ("'query: ' and 'passage: ' stand before the texts", texts(prefix)),
        "truncation": (f"pairs are cut at {SHORT} tokens", logits(max_length=SHORT)),
        "token types": (
            "the passage's tokens have type 1",
            network(lambda inner: TokenTypes(inner, separator)),
        ),
        "revision": ("the softened version of the model", logits(reranker=load("demo-softened"))),
        "head": ("pooler and classifier are untrained", network(untrained_head)),
        "int8": ("linear layers in dynamic int8, by tensor", network(in_int8)),
        "text": ("one passage has another text", texts(edited)),
        "temperature": ("the logits are divided by 1.25", usual / 1.25),
        "order": ("scores in the order of the ranking, not of the passages", usual),
        "one off": ("each passage has the score of the one before it", usual),
    }
    query = candidates.pairs["query_id"]
    by_query = pd.Series(usual).groupby(query.to_numpy(), sort=False)
    changed["order"] = (
        changed["order"][0],
        by_query.transform(lambda one: np.sort(one.to_numpy())[::-1]).to_numpy(),
    )
    changed["one off"] = (
        changed["one off"][0],
        by_query.transform(lambda one: np.roll(one.to_numpy(), 1)).to_numpy(),
    )
    for name, (what, values) in changed.items():
        yield name, what, values, SCORE.scores(values)
    yield "twice", "a sigmoid of the scores", usual, SCORE.scores(SCORE.scores(usual))


def main() -> None:
    """Score and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--out", type=Path, default=HOLDOUTS)
    args = parser.parse_args()
    candidates = long_set(args.queries)
    tokenizer, pairs = load("demo").tokenizer, candidates.pairs
    encoded = tokenizer(pairs["query"].tolist(), pairs["passage"].tolist())["input_ids"]
    base = pairs[["query_id", "passage_id", "grade"]].assign(tokens=[len(one) for one in encoded])
    frames, about = [], {}
    for name, what, logits, scores in holdouts(candidates):
        print(name, np.abs(logits - (frames[0]["logit"] if frames else logits)).max(), flush=True)
        frames.append(base.assign(logit=logits, score=scores))
        frames[-1].insert(0, "holdout", name)
        about[name] = what
    args.out.mkdir(parents=True, exist_ok=True)
    pd.concat(frames, ignore_index=True).to_parquet(args.out / "holdouts.parquet", index=False)
    text = json.dumps(about, ensure_ascii=False, indent=1)
    (args.out / "holdouts.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
