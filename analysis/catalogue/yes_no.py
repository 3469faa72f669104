"""Engines that run yes/no language models: two labels, (no, yes), leave the network.

mxbai-rerank calls them 0 and 1. How the pair becomes one score is the head of the path
(:mod:`analysis.heads`).
"""

from __future__ import annotations

from analysis.catalogue.engine import CHECKPOINT, OUTPUT_FLOAT32, Engine, everywhere, paths

_LAYERWISE = "FlagEmbedding/inference/reranker/decoder_only/base.py, layerwise.py at 7ed43d6"

YES_NO: tuple[Engine, ...] = (
    Engine(
        name="vLLM ≥ 0.11, yes/no",
        key="vllm-yes-no",
        versions=">=0.11,<1",
        paths=paths("vLLM ≥ 0.11, yes/no", "fused", activation="float32", head="rows"),
        default_dtype=everywhere(CHECKPOINT),
        source="vllm/model_executor/models/adapters.py at 00620f9, "
        "load_weights_using_from_2_way_softmax; pull request 23810",
        note="the head's rows are subtracted in float32 when the model is loaded",
    ),
    Engine(
        name="llama.cpp server, Qwen3",
        key="llama.cpp-qwen3",
        versions="",
        paths=paths(
            "llama.cpp server, Qwen3",
            "none",
            activation="float32",
            forward=OUTPUT_FLOAT32,
            head="softmax:",
        ),
        default_dtype=everywhere("float32"),
        source="src/llama-graph.cpp at 00395eb",
        note="a softmax over the head's two rows; a sigmoid of that is a sigmoid too many",
    ),
    Engine(
        name="sentence-transformers 5.4–5, LogitScore",
        key="sentence-transformers-yes-no",
        versions=">=5.4,<6",
        paths=paths("sentence-transformers 5.4–5, LogitScore", "fused", head="difference:"),
        default_dtype=everywhere("float32", CHECKPOINT),
        source="sentence_transformers/cross_encoder/modules/logit_score.py at cad2119",
        note="a checkpoint's own activation may be Identity: then the difference is the score",
    ),
    Engine(
        name="sentence-transformers ≥ 6, LogitScore",
        key="sentence-transformers-yes-no",
        versions=">=6.0",
        paths=paths(
            "sentence-transformers ≥ 6, LogitScore",
            "fused",
            activation="float32",
            head="difference:",
        ),
        default_dtype=everywhere(CHECKPOINT),
        source="sentence_transformers/cross_encoder/modules/logit_score.py at cad2119",
        note="subtracted in the forward dtype, then upcast, which restores nothing; a checkpoint's "
        "own activation may be Identity",
    ),
    Engine(
        name="mxbai-rerank v2",
        key="mxbai-rerank-v2",
        versions="",
        paths=paths("mxbai-rerank v2", "none", head="difference:"),
        default_dtype=everywhere(CHECKPOINT),
        source="mxbai_rerank/mxbai_rerank_v2.py at 03324ea",
        note="cast to float32 after the subtraction, which restores nothing; pull request 8 adds "
        "the sigmoid of a shifted logit: after=shift:-4.5 or shift:-6",
    ),
    Engine(
        name="Qwen3-Reranker's reference",
        key="qwen3-reranker",
        versions="",
        paths=paths("Qwen3-Reranker's reference", "none", head="exp log-softmax:"),
        default_dtype=everywhere(CHECKPOINT),
        source="examples/qwen3_reranker_transformers.py of Qwen3-Embedding at f4ad0c4",
        note="its page loads float16 on CUDA; there torch evaluates the log-softmax in float32 and "
        "rounds once",
    ),
    Engine(
        name="mteb's Qwen3 reranker",
        key="mteb-qwen3",
        versions="",
        paths=paths(
            "mteb's Qwen3 reranker", "none", activation="float32", head="exp log-softmax:float32"
        ),
        default_dtype=everywhere(CHECKPOINT),
        source="mteb/models/model_implementations/qwen3_reranker.py at a905523",
        note="since pull request 4934; before it the log-softmax was evaluated in the model's "
        "dtype, as qwen3-reranker has it",
    ),
    Engine(
        name="monoT5 (pygaggle)",
        key="monot5",
        versions="",
        paths=paths("monoT5 (pygaggle)", "none", head="log-softmax:"),
        default_dtype=everywhere(CHECKPOINT),
        source="pygaggle/rerank/transformer.py; pygaggle issue 94",
        note="scores are log-probabilities, 0 at most",
    ),
    Engine(
        name="FlagEmbedding's gemma and layerwise rerankers",
        key="flagembedding-llm",
        versions="",
        paths=paths(
            "FlagEmbedding's gemma and layerwise rerankers", "none", forward=OUTPUT_FLOAT32
        ),
        default_dtype=everywhere("float32"),
        source=_LAYERWISE,
        note="the logit of Yes alone, cast to float32; use_fp16 and use_bf16 run in half types, "
        "whose logits then have their steps",
    ),
    Engine(
        name="FlagEmbedding's gemma and layerwise rerankers, normalize=True",
        key="flagembedding-llm-normalize",
        versions="",
        paths=paths(
            "FlagEmbedding's gemma and layerwise rerankers, normalize=True",
            "stepwise",
            activation="float64",
        ),
        default_dtype=everywhere("float32"),
        source=_LAYERWISE,
        note="a sigmoid on Python floats",
    ),
)
"""One entry for each range of versions that scores alike."""
