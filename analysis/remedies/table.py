"""The remedies: what each repairs, what it leaves, what it costs, and the line of code it takes."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Remedy:
    """A change to one stage of the score path.

    The last three are one line each for an engine, ``model`` being a model's name, read in
    Infinity 0.0.78, Haystack 2.31.0 and sentence-transformers 6.2.0; a comment says where another
    version needs another line.
    """

    name: str
    repairs: str
    leaves: str
    time: str
    memory: str
    infinity: str
    haystack: str
    sentence_transformers: str


HPS = Remedy(
    name="upcast before the activation (HPS)",
    repairs="ties and saturation that the sigmoid makes in float16 or bfloat16",
    leaves="ties of the logits themselves; very high logits, which a float32 sigmoid saturates too",
    time="none: one float32 sigmoid per candidate",
    memory="none: four bytes per score",
    infinity='pip install "infinity-emb>=0.0.69"  # its logits are cast to float32',
    haystack="TransformersSimilarityRanker(model, scale_score=False)  # then a sigmoid of "
    "document.score, which is a Python float",
    sentence_transformers="cross_encoder.predict(pairs, activation_fn=lambda logits: "
    "torch.sigmoid(logits.float()))  # 4 and 5; activation_fct before; the default from 6.0 on",
)
RAW = Remedy(
    name="order by raw logits",
    repairs="every tie and saturation that comes after the logit",
    leaves="ties of the logits themselves; scores are no longer between 0 and 1",
    time="none",
    memory="none",
    infinity='{"query": query, "documents": documents, "raw_scores": true}'
    "  # POST /rerank; older than 0.0.59 ignores it silently",
    haystack="TransformersSimilarityRanker(model, scale_score=False)  # in the constructor: "
    "run(scale_score=False) is overruled by it",
    sentence_transformers="cross_encoder.predict(pairs, activation_fn=torch.nn.Identity())",
)
FLOAT32 = Remedy(
    name="float32 throughout",
    repairs="all that a half type does, its reordering of close passages included",
    leaves="very high logits, which a float32 sigmoid saturates; equal texts",
    time="that of a float32 forward pass for every pair",
    memory="twice the weights and activations of a half type",
    infinity="infinity_emb v2 --model-id model --dtype float32",
    haystack='TransformersSimilarityRanker(model, model_kwargs={"torch_dtype": torch.float32})',
    sentence_transformers='CrossEncoder(model, model_kwargs={"torch_dtype": torch.float32})',
)
VERIFIED = Remedy(
    name="verified top k",
    repairs="the order of the top k, as float32 has it, while errors are within the bound",
    leaves="everything below the top k; queries whose errors exceed the bound",
    time="the cheap pass, and a float32 pass of what is rescored",
    memory="both sets of weights: one and a half times those of float32",
    infinity="verified_top_k(raw_scores, k, bound, ask_float32_server)  # two servers, raw_scores",
    haystack="verified_top_k(logits, k, bound, rescore)  # two rankers, scale_score=False",
    sentence_transformers="verified_top_k(half.predict(pairs, activation_fn=Identity()), k, bound, "
    "lambda rows: full.predict([pairs[row] for row in rows], activation_fn=Identity()))",
)
CALIBRATION = Remedy(
    name="calibration factor",
    repairs="saturation, by moving logits to where a sigmoid's steps are narrow",
    leaves="ties of the logits themselves; too small a factor makes new ties",
    time="none",
    memory="none",
    infinity="1 / (1 + math.exp(-factor * raw_score))  # of its own it has none",
    haystack="TransformersSimilarityRanker(model, calibration_factor=factor)",
    sentence_transformers="cross_encoder.predict(pairs, activation_fn=lambda logits: "
    "torch.sigmoid(factor * logits.float()))",
)
_FINE_TUNING = Remedy(
    name="fine-tuning out of saturation",
    repairs="saturation at its source: the logits no longer lie so high",
    leaves="the dtype's own steps; and it is another model, to be evaluated anew",
    time="a training run once; none when serving",
    memory="none when serving",
    infinity="infinity_emb v2 --model-id model-trained-with-soft-labels",
    haystack="TransformersSimilarityRanker(model_trained_with_soft_labels)",
    sentence_transformers="CrossEncoderTrainer(cross_encoder, train_dataset=soft_labels, "
    "loss=BinaryCrossEntropyLoss(cross_encoder))  # labels such as 0.05 and 0.95",
)

REMEDIES: tuple[Remedy, ...] = (HPS, RAW, FLOAT32, VERIFIED, CALIBRATION, _FINE_TUNING)
"""Every remedy, the cheapest to apply first but for the last two, which change the scores."""


def remedy_table() -> pd.DataFrame:
    """What each remedy repairs, leaves and costs: one row per remedy."""
    rows = [(r.name, r.repairs, r.leaves, r.time, r.memory) for r in REMEDIES]
    return pd.DataFrame(rows, columns=["remedy", "repairs", "leaves", "time", "memory"])


def code_table() -> pd.DataFrame:
    """The line of code of each remedy in each engine: columns ``remedy, engine, line``."""
    engines = {
        "Infinity": "infinity",
        "Haystack": "haystack",
        "sentence-transformers": "sentence_transformers",
    }
    rows = [(r.name, engine, getattr(r, key)) for r in REMEDIES for engine, key in engines.items()]
    return pd.DataFrame(rows, columns=["remedy", "engine", "line"])
