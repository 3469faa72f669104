"""llama.cpp's server with ``--reranking``, as xllamacpp brings it, and how it is set up here."""

from __future__ import annotations

from pathlib import Path

import xllamacpp

TOKENS = 512
"""Longest pair, and what a slot has room for."""


def start(file: Path, *, slots: int, threads: int, port: int = 0) -> xllamacpp.Server:
    """Serve a GGUF on loopback, any free port for 0; so many pairs share a batch at most."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    parameters.verbosity = 1  # errors
    parameters.n_parallel = slots
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = slots * TOKENS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.hostnames, parameters.port = ["127.0.0.1"], port
    return xllamacpp.Server(parameters)
