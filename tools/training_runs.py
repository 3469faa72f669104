"""A training run of a shipped reranker: its steps, its state on disk, what is watched meanwhile.

The state is kept in ``build/model/`` every few steps: a run that was cut goes on from there, and
ends with the same bits as one that was not. Same machine, same weights; on another CPU the last
bits differ, because its kernels round differently.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from training_pairs import Batches
from training_text import Pair, Topic, digest

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "build" / "model"

WARM_UP = 0.1
HIGH_LOGIT = 7.6

Logits = Callable[[list[Pair]], torch.Tensor]
"""Logits of pairs, shape (n_pairs,), float32."""
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Loss of each pair by its logit and its label, shape (n_pairs,)."""


class Training:
    """A network on its way, with all that a resumed run needs to go on bit by bit.

    ``rates`` are the learning rates, and the weights that each is for.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        logits_of: Logits,
        loss_of: Loss,
        *,
        rates: Iterable[tuple[float, Iterable[torch.nn.Parameter]]],
        steps: int,
    ) -> None:
        self.model, self.logits_of, self.loss_of = model, logits_of, loss_of
        self.steps, self.done = steps, 0
        groups = [{"params": list(weights), "lr": rate} for rate, weights in rates]
        self.optimizer = torch.optim.AdamW(groups)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, [group["lr"] for group in groups], total_steps=steps, pct_start=WARM_UP
        )

    def step(self, pairs: list[Pair]) -> float:
        """Learn from one batch; its mean loss."""
        loss = self.backward(pairs)
        torch.nn.utils.clip_grad_norm_(trained(self.model).values(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.done += 1
        return loss

    def backward(self, pairs: list[Pair]) -> float:
        """Add a batch's gradients, the shorter pairs apart from the longer ones; its mean loss."""
        by_length = sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))
        total = 0.0
        for part in (by_length[: len(pairs) // 2], by_length[len(pairs) // 2 :]):
            labels = torch.tensor([label for *_, label in part])
            loss = self.loss_of(self.logits_of(part), labels).sum() / len(pairs)
            loss.backward()
            total += loss.item()
        return total

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


def trained(model: torch.nn.Module, part: str = "") -> dict[str, torch.nn.Parameter]:
    """The weights that are trained, by name; only those with ``part`` in it, if given."""
    return {n: w for n, w in model.named_parameters() if w.requires_grad and part in n}


def train(
    training: Training,
    batches: Batches,
    watched: Sequence[Topic],
    kept_state: Path,
    *,
    keep_every: int,
    watch_every: int,
) -> None:
    """Take the steps that are left, keeping the state in a file and watching held-out topics.

    A run that was cut goes on from the state in the file.
    """
    if kept_state.is_file():
        training.resume(torch.load(kept_state, weights_only=True))
        print(f"going on after step {training.done}", flush=True)
    losses, start = [], time.monotonic()
    while training.done < training.steps:
        losses.append(training.step(batches.batch(training.done)))
        if training.done % keep_every == 0:
            keep(training.state(), kept_state)
            minutes = (time.monotonic() - start) / 60
            mean = sum(losses[-keep_every:]) / len(losses[-keep_every:])
            print(f"step {training.done}, {minutes:.0f} min: loss {mean:.4f}", flush=True)
        if training.done % watch_every == 0 or training.done == training.steps:
            print(watch(training.model, training.logits_of, watched), flush=True)


def watch(model: torch.nn.Module, logits_of: Logits, topics: Sequence[Topic]) -> str:
    """How the held-out topics are ranked, and where their logits lie, as one line."""
    model.eval()
    ranks, right, wrong = [], [], []
    for topic in topics:
        for group in topic.groups:
            passages = [*group.passages, *topic.wrong_passages(group)]
            with torch.inference_mode():
                logits = logits_of([(group.questions[0], passage, 0) for passage in passages])
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


def recipe(text: Path, programs: Iterable[str], *arguments: object) -> str:
    """Hash of all that decides the weights: the text, the programs of ``tools/``, the arguments."""
    content = hashlib.sha256(" ".join(map(str, (digest(text), *arguments))).encode())
    for name in programs:
        content.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return content.hexdigest()
