"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_checkpoints import tiny_set, write_checkpoint

from analysis.datasets import RerankingSet

# No test downloads a model.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """Folder of a cross-encoder with one label; tests do not change it.

    From then on torch computes on one thread: on more, tiny networks only wait.
    """
    import torch

    torch.set_num_threads(1)
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="session")
def tiny_pairs() -> RerankingSet:
    """Reranking set of 24 pairs, the grade of the last one unknown."""
    return tiny_set()
