"""Train the demo reranker out of saturation: its head once more, with label smoothing.

    python tools/soften_demo_reranker.py [--demo data/models/demo] [--out data/models/demo-softened]

The network below the head is the demo reranker's and stays as it is. Pooler and classifier go on
from where they are, on batches as ``train_demo_reranker.py`` draws them, by binary cross-entropy
with the labels 0.05 and 0.95 in place of 0 and 1 (Szegedy et al., "Rethinking the Inception
architecture", 2016): no logit, however high, then fits better than a moderate one. Minutes on two
cores.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel
from torch.nn.functional import binary_cross_entropy_with_logits
from train_demo_reranker import SEED, batches_of, encoded, logits_of
from training_runs import ROOT, save_adapter, trained, watch
from training_text import TEXT, Pair, held_out, kept, read_text
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from analysis.demo import base_of

MODELS = ROOT / "data" / "models"
SMOOTHING = 0.1
BATCHES = 320  # about one epoch
EPOCHS, ROWS = 10, 512
POOLER_RATE, CLASSIFIER_RATE = 1e-4, 1e-2


def demo_model(adapter: Path) -> torch.nn.Module:
    """The demo reranker, its adapter and head open to training."""
    encoder = AutoModelForSequenceClassification.from_pretrained(
        base_of("demo"), num_labels=1, dtype=torch.float32, use_safetensors=True
    )
    with warnings.catch_warnings():
        # peft 0.21 reads an attribute that transformers 5 renames
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return PeftModel.from_pretrained(encoder, adapter, is_trainable=True).eval()


def hidden_states(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, batches: list[list[Pair]]
) -> torch.Tensor:
    """What the pooler reads: the first token's last state, shape (n_pairs, 1, width)."""
    network = model.base_model.model.bert
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        states = [network(**encoded(tokenizer, pairs)).last_hidden_state for pairs in batches]
    return torch.cat([state[:, :1].float() for state in states])


def soften(model: torch.nn.Module, hidden: torch.Tensor, labels: torch.Tensor) -> None:
    """Fit pooler and classifier to smoothed labels, the network below them frozen."""
    pooler, classifier = model.base_model.model.bert.pooler, model.base_model.model.classifier
    rates = [POOLER_RATE, CLASSIFIER_RATE]
    parts = [trained(model, "pooler").values(), trained(model, "classifier").values()]
    optimizer = torch.optim.AdamW(
        [{"params": list(part), "lr": rate} for part, rate in zip(parts, rates, strict=True)]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=EPOCHS * -(-len(labels) // ROWS)
    )
    smoothed = labels * (1 - SMOOTHING) + SMOOTHING / 2
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(ROWS):
            logits = classifier(pooler(hidden[rows])).squeeze(-1)
            binary_cross_entropy_with_logits(logits, smoothed[rows]).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def main() -> None:
    """Fit the head again and save the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, default=MODELS / "demo")
    parser.add_argument("--out", type=Path, default=MODELS / "demo-softened")
    parser.add_argument("--batches", type=int, default=BATCHES)
    args = parser.parse_args()
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    model, tokenizer = demo_model(args.demo), AutoTokenizer.from_pretrained(base_of("demo"))
    domains = read_text(TEXT)
    drawn = batches_of(kept(domains), SEED)
    batches = [drawn.batch(number) for number in range(args.batches)]
    labels = torch.tensor([label for pairs in batches for *_, label in pairs])
    soften(model, hidden_states(model, tokenizer, batches), labels)
    print(watch(model, partial(logits_of, model, tokenizer), held_out(domains)))
    save_adapter(model, args.out)
    # It is the demo's; peft lists the head's names once more with every load.
    (args.out / "adapter_config.json").write_bytes((args.demo / "adapter_config.json").read_bytes())


if __name__ == "__main__":
    main()
