"""Engines that run cross-encoders: one logit leaves the network."""

from __future__ import annotations

from types import MappingProxyType

from analysis.catalogue.engine import CHECKPOINT, OUTPUT_FLOAT32, Engine, everywhere, on, paths

_SENTENCE_TRANSFORMERS_TO_5 = paths("sentence-transformers ≤ 5", "fused")
# The cast to float32 after the sigmoid, since 3.1, widens the array and changes no value.
_SENTENCE_TRANSFORMERS_FROM_6 = paths("sentence-transformers ≥ 6", "fused", activation="float32")

ENCODERS: tuple[Engine, ...] = (
    Engine(
        name="Infinity 0.0.11–0.0.12",
        key="infinity",
        versions=">=0.0.11,<=0.0.12",
        paths=paths("Infinity 0.0.11–0.0.12", "stepwise", forward=("float32", "float16")),
        default_dtype=everywhere("float32"),
        source="infinity_emb/transformer/crossencoder/torch.py, inference/batch_handler.py",
        note="0.0.11 takes float16 on CUDA if INFINITY_TORCH_ENABLE_HALF is set; 0.0.12 asks "
        "whether a device equals the string 'cuda', which it never does",
    ),
    Engine(
        name="Infinity 0.0.13–0.0.68",
        key="infinity",
        versions=">=0.0.13,<=0.0.68",
        paths=paths("Infinity 0.0.13–0.0.68", "stepwise", forward=("float32", "float16")),
        default_dtype=on(cuda=("float16",), mps=("float32",), cpu=("float32",)),
        source="infinity_emb/transformer/crossencoder/torch.py, inference/batch_handler.py",
        was_run=True,
        note="scores come in input order up to 0.0.61, sorted (stable) from 0.0.62 on",
    ),
    Engine(
        name="Infinity 0.0.69+",
        key="infinity",
        versions=">=0.0.69,<=0.0.78",
        paths=paths("Infinity 0.0.69+", "stepwise", activation="float32"),
        default_dtype=on(cuda=("bfloat16", "float16"), mps=("float32",), cpu=("float32",)),
        source="infinity_emb/transformer/crossencoder/torch.py, inference/loading_strategy.py, "
        "inference/batch_handler.py",
        was_run=True,
        note="bfloat16 where CUDA supports it, else float16",
    ),
    Engine(
        name="Infinity, ONNX",
        key="infinity-onnx",
        versions=">=0.0.26,<=0.0.78",
        paths=paths("Infinity, ONNX", "stepwise", activation="float64", forward=OUTPUT_FLOAT32),
        default_dtype=everywhere("float32"),
        source="infinity_emb/transformer/crossencoder/optimum.py, inference/batch_handler.py",
        note="the network's own arithmetic is the ONNX file's, a quantised one preferred on a "
        "CPU; its logits come out as float32. Token types are dropped, which moves a BERT's logits",
    ),
    Engine(
        name="Haystack 2.x",
        key="haystack",
        versions=">=2.0,<3",
        paths=paths("Haystack 2.x", "fused"),
        default_dtype=everywhere("float32", CHECKPOINT),
        source="haystack/components/rankers/transformers_similarity.py",
        was_run=True,
        note="TransformersSimilarityRanker with calibration factor 1; float32 with "
        "transformers 4, the checkpoint's dtype with transformers 5. From 3.0 on see "
        "haystack-sentence-transformers",
    ),
    Engine(
        name="Haystack, SentenceTransformersSimilarityRanker on sentence-transformers ≤ 5",
        key="haystack-sentence-transformers",
        versions=">=2.0,<6",
        paths=_SENTENCE_TRANSFORMERS_TO_5,
        default_dtype=everywhere("float32", CHECKPOINT),
        source="sentence_transformers/cross_encoder/CrossEncoder.py",
        note="the version is that of sentence-transformers; the ranker itself computes nothing",
    ),
    Engine(
        name="Haystack, SentenceTransformersSimilarityRanker on sentence-transformers ≥ 6",
        key="haystack-sentence-transformers",
        versions=">=6.0",
        paths=_SENTENCE_TRANSFORMERS_FROM_6,
        default_dtype=everywhere(CHECKPOINT),
        source="sentence_transformers/cross_encoder/model.py",
        note="the version is that of sentence-transformers; the ranker itself computes nothing",
    ),
    Engine(
        name="sentence-transformers ≤ 5",
        key="sentence-transformers",
        versions=">=2.0,<6",
        paths=_SENTENCE_TRANSFORMERS_TO_5,
        default_dtype=everywhere("float32", CHECKPOINT),
        source="sentence_transformers/cross_encoder/CrossEncoder.py",
        was_run=True,
        note="float32 with transformers 4, the checkpoint's dtype with transformers 5",
    ),
    Engine(
        name="sentence-transformers ≥ 6",
        key="sentence-transformers",
        versions=">=6.0",
        paths=_SENTENCE_TRANSFORMERS_FROM_6,
        default_dtype=everywhere(CHECKPOINT),
        source="sentence_transformers/cross_encoder/model.py",
        was_run=True,
    ),
    Engine(
        name="text-embeddings-inference",
        key="text-embeddings-inference",
        versions="",
        paths=paths(
            "text-embeddings-inference",
            "stepwise",
            activation="float32",
            forward=("float32", "float16"),
            tie_rule="reversed input order",
        ),
        default_dtype=MappingProxyType({"cuda": ("float16",)}),
        source="core/src/infer.rs, router/src/http/server.rs at 009f067",
        note="sorted ascending, then reversed; raw_scores returns the logits",
    ),
    Engine(
        name="text-embeddings-inference, ort backend",
        key="text-embeddings-inference-ort",
        versions="",
        paths=paths(
            "text-embeddings-inference, ort backend",
            "stepwise",
            forward=OUTPUT_FLOAT32,
            tie_rule="reversed input order",
        ),
        default_dtype=everywhere("float32"),
        source="backends/ort/src/lib.rs, core/src/infer.rs, router/src/http/server.rs at 009f067",
        note="ONNX files, float32 only; sorted ascending, then reversed",
    ),
    Engine(
        name="FlagEmbedding FlagReranker",
        key="flagembedding",
        versions="",
        paths=paths("FlagEmbedding FlagReranker", "none", forward=("float32", "float16")),
        default_dtype=everywhere("float32"),
        source="FlagEmbedding/inference/reranker/encoder_only/base.py",
        note="raw logits; use_fp16 runs in float16, except on a CPU",
    ),
    Engine(
        name="FlagEmbedding FlagReranker, normalize=True",
        key="flagembedding-normalize",
        versions="",
        paths=paths(
            "FlagEmbedding FlagReranker, normalize=True",
            "stepwise",
            activation="float64",
            forward=("float32", "float16"),
        ),
        default_dtype=everywhere("float32"),
        source="FlagEmbedding/inference/reranker/encoder_only/base.py",
        note="use_fp16 runs in float16, except on a CPU",
    ),
    Engine(
        name="vLLM 0.7–0.9",
        key="vllm",
        versions=">=0.7,<0.10",
        paths=paths("vLLM 0.7–0.9", "fused"),
        default_dtype=everywhere(CHECKPOINT),
        source="vllm/model_executor/layers/pooler.py; pull requests 20927 and 23810; "
        "Qwen3-Embedding issue 71",
        note="head and sigmoid in the model's dtype; a float32 checkpoint runs in float16 unless "
        "told otherwise. Between 0.10 and 0.11 the head's dtype changed with the kind of model",
    ),
    Engine(
        name="vLLM ≥ 0.11",
        key="vllm",
        versions=">=0.11,<1",
        paths=paths("vLLM ≥ 0.11", "fused", forward=OUTPUT_FLOAT32),
        default_dtype=everywhere("float32"),
        source="pull request 23810; vllm/model_executor/models/adapters.py at 00620f9",
        note="the network runs in the model's dtype, its score head and logits in float32; yes/no "
        "models: vllm-yes-no",
    ),
    Engine(
        name="mxbai-rerank v1",
        key="mxbai-rerank-v1",
        versions="",
        paths=paths("mxbai-rerank v1", "fused"),
        default_dtype=on(cuda=(CHECKPOINT,), mps=(CHECKPOINT,), cpu=("float32",)),
        source="mxbai_rerank/mxbai_rerank_v1.py",
        note="cast to float32 after the sigmoid, which restores nothing",
    ),
    Engine(
        name="FlashRank",
        key="flashrank",
        versions="",
        paths=paths("FlashRank", "stepwise", forward=OUTPUT_FLOAT32),
        default_dtype=everywhere("float32"),
        source="flashrank/Ranker.py",
        note="NumPy in the dtype of the ONNX file's output; a file with two labels is soft-maxed; "
        "most of its files are quantised to int8",
    ),
    Engine(
        name="llama.cpp server",
        key="llama.cpp",
        versions="",
        paths=paths("llama.cpp server", "none", forward=OUTPUT_FLOAT32),
        default_dtype=everywhere("float32"),
        source="src/llama-graph.cpp, src/models/bert.cpp at 00395eb",
        note="raw logits, whatever the weights are stored in; versions are written b6674. Token "
        "types are all 0, which moves the logits of a BERT. Qwen3 rerankers: llama.cpp-qwen3",
    ),
)
"""One entry for each range of versions that scores alike."""
