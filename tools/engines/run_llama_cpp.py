"""llama.cpp: its server's ``/rerank`` on a GGUF of f32, f16, q8_0 or q4_0.

The server takes one query a request. The pairs of a batch that share a query are one request, and
the requests of a batch are sent at once: which pairs then share its own batch is for the server to
say. It packs sequences one behind the other and pads nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any
from unicodedata import normalize
from urllib import request as http

from bert_gguf import write_gguf
from llama_cpp_server import start
from passes import Network, Pair, Request, main, weighed

SLOTS = 32
"""As many pairs as a batch has at most."""


def load(request: Request) -> Network:
    """Write the GGUF beside the checkpoint's folder, serve it, and compare its tokens."""
    file = request.model.with_name(f"{request.model.name}-{request.recipe}.gguf")
    write_gguf(request.model, file, request.recipe)
    server = start(file, slots=SLOTS, threads=request.threads)
    check_tokens(
        server.listening_address, {pair for one in request.passes for pair in chain(*one.batches)}
    )

    def logits(batch: Sequence[Pair], width: int) -> list[float]:
        with ThreadPoolExecutor(SLOTS) as clients:
            by_query = defaultdict(list)
            for number, pair in enumerate(batch):
                by_query[pair.query].append(number)
            texts = [[batch[number].passage for number in numbers] for numbers in by_query.values()]
            answers = clients.map(rerank, [server] * len(by_query), by_query, texts)
            found = dict(zip(chain(*by_query.values()), chain(*answers), strict=True))
        return [found[number] for number in range(len(batch))]

    recipe = "matrices as llama-quantize makes them, positions and types of tokens in float32"
    return Network(logits, {**weighed(file), "recipe": recipe, "precision": None})


def rerank(server: Any, query: str, passages: list[str]) -> list[float]:  # noqa: ANN401
    """Raw logits of a query's passages, in their order."""
    texts = {"query": normalised(query), "documents": list(map(normalised, passages))}
    results = server.handle_rerank(texts)["results"]
    logits = {result["index"]: result["relevance_score"] for result in results}
    return [logits[number] for number in range(len(passages))]


def normalised(text: str) -> str:
    """The text as the tokeniser has it before it looks for pieces; a GGUF of ours cannot say so."""
    return normalize("NFKC", text)


def check_tokens(url: str, pairs: set[Pair]) -> None:
    """Raise ValueError where llama.cpp's tokens of a pair are not the tokeniser's."""
    texts = {text for pair in pairs for text in (pair.query, pair.passage)}
    tokens = {text: tokenized(url, text) for text in texts}
    for pair in pairs:
        begin, end = pair.tokens[0], pair.tokens[-1]
        query, passage = tokens[pair.query], tokens[pair.passage]
        if [begin, *query, end, end, *passage, end] != list(pair.tokens):
            raise ValueError(f"llama.cpp reads other tokens: {pair.query!r}, {pair.passage!r}")


def tokenized(url: str, text: str) -> list[int]:
    """Tokens of a text, without special ones."""
    body = json.dumps({"content": normalised(text), "add_special": False}).encode()
    headers = {"Content-Type": "application/json"}
    with http.urlopen(http.Request(f"{url}/tokenize", body, headers)) as response:
        return json.load(response)["tokens"]


if __name__ == "__main__":
    main(load, ["xllamacpp", "gguf"])
