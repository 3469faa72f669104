"""Train the demo reranker out of saturation: its head once more, with label smoothing.

    python tools/soften_demo_reranker.py [--out data/models/demo-softened]

The network below the head is the shipped demo reranker's and stays as it is. Pooler and classifier
go on from where they are, by the last stage of ``train_demo_reranker.py`` on the same pairs; only
the labels differ: 0.05 and 0.95 in place of 0 and 1 (Szegedy et al., "Rethinking the Inception
architecture", 2016). Minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from peft import PeftModel
from train_demo_reranker import (
    ANSWERS,
    HEAD_ONLY,
    ROOT,
    WORDS,
    domains_of,
    fit_head,
    save_adapter,
    watch,
)
from training_text import held_out, kept
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from analysis.demo import demo_base

DEMO = ROOT / "data" / "models" / "demo"
SMOOTHING = 0.1


def demo_model() -> torch.nn.Module:
    """The shipped demo reranker, its adapter and head open to training."""
    encoder = AutoModelForSequenceClassification.from_pretrained(
        demo_base(), num_labels=1, dtype=torch.float32, use_safetensors=True
    )
    return PeftModel.from_pretrained(encoder, DEMO, is_trainable=True).eval()


def main() -> None:
    """Fit the head again and save the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DEMO.with_name("demo-softened"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    model, tokenizer = demo_model(), AutoTokenizer.from_pretrained(demo_base())
    domains = domains_of((*WORDS, *ANSWERS, *HEAD_ONLY))
    fit_head(model, tokenizer, kept(domains), seed=args.seed, smoothing=SMOOTHING)
    print(watch(model, tokenizer, held_out(domains)))
    save_adapter(model, args.out)
    # It is the demo's; peft lists the head's names once more with every load.
    config = (DEMO / "adapter_config.json").read_bytes()
    (args.out / "adapter_config.json").write_bytes(config)


if __name__ == "__main__":
    main()
