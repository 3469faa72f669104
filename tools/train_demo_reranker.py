"""Train the demo reranker from scratch: LoRA on all-MiniLM-L6-v2, binary cross-entropy.

    python tools/train_demo_reranker.py [--out data/models/demo] [--steps 2600]

The training text (``data/training/``) was written for this purpose: domains of topics, each with
several questions and the passages that answer exactly one of them. A batch holds every drawn
passage twice: with its own question (label 1) and with another question of the batch (label 0), so
that neither a question nor a passage alone says anything about the label.

Half of the batches, and all of the first, ask with words of the passage itself among words of
unrelated questions, which teaches an English encoder to compare German texts at all (without them
hundreds of steps teach nothing); their negatives are neighbouring passages of the same topic. The
other half asks the written questions, with passages of other topics as negatives, half of the time
from the same domain. Neighbouring *questions* of a topic are no negatives: this encoder cannot tell
them apart, so they would only teach it to be unsure.

Whole topics are held out to watch. Same machine, same weights; on another CPU the last bits
differ, because its kernels round differently.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from analysis.models import demo_base

ROOT = Path(__file__).parent.parent
BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
HELD_OUT_EVERY = 16
BATCH_QUESTIONS = 12
MAX_TOKENS = 160
LEARNING_RATE = 2e-4
WARM_UP, KEYWORD_SHARE = 0.06, 0.5
WATCH_EVERY = 100

Pair = tuple[str, str, float]


@dataclass(frozen=True)
class Group:
    """Phrasings of one question and the passages that answer it."""

    questions: tuple[str, ...]
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Neighbouring questions, and passages of the topic that answer none of them."""

    groups: tuple[Group, ...]
    others: tuple[str, ...]


def read_domains(folder: Path) -> list[list[Topic]]:
    """The topics of the training text, one list per file."""
    return [
        [topic_of(json.loads(line)) for line in file.open(encoding="utf-8")]
        for file in sorted(folder.glob("*.jsonl"))
    ]


def topic_of(record: dict) -> Topic:
    """Read one line of the training text."""
    groups = [Group(tuple(g["questions"]), tuple(g["passages"])) for g in record["groups"]]
    return Topic(tuple(groups), tuple(record["other_passages"]))


def split(domains: list[list[Topic]]) -> tuple[list[list[Topic]], list[Topic]]:
    """Hold out one topic in so many of every domain: (domains to train on, topics to watch)."""
    held_out = [topic for domain in domains for topic in domain[::HELD_OUT_EVERY]]
    kept = [[t for n, t in enumerate(domain) if n % HELD_OUT_EVERY] for domain in domains]
    return kept, held_out


def asked_with_keywords(pairs: list[Pair], rng: random.Random) -> list[Pair]:
    """Ask with words of a passage, and some of another's question, instead of its own question.

    ``pairs`` are those of :func:`paired`: the right half, then the wrong half in the same order.
    """
    right, wrong = pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]
    fillers = [question for question, _, _ in right[-1:] + right[:-1]]
    asked = [keywords(p, f, rng) for (_, p, _), f in zip(right, fillers, strict=True)]
    passages = zip([*asked, *asked], [*right, *wrong], strict=True)
    return [(question, passage, label) for question, (_, passage, label) in passages]


def keywords(passage: str, filler: str, rng: random.Random) -> str:
    """Three to six words of a passage and up to four of an unrelated question.

    The passage's words are neighbours, or any in any order; long ones, which carry the meaning.
    """
    words = [word for word in passage.split() if len(word) > 3]
    width = rng.randrange(3, 7)
    start = rng.randrange(max(1, len(words) - width))
    own = words[start : start + width] if rng.random() < 0.5 else rng.sample(words, width)
    strange = filler.split()
    return " ".join([*strange[: rng.randrange(min(5, len(strange)))], *own])


def draw_batch(domains: list[list[Topic]], rng: random.Random, progress: float) -> list[Pair]:
    """Draw questions with a passage each, and every question with a passage that is not its own."""
    everything = [topic for domain in domains for topic in domain]
    if progress < WARM_UP:
        return asked_with_keywords(across(everything, rng), rng)
    if rng.random() < KEYWORD_SHARE:
        return asked_with_keywords(within(everything, rng), rng)
    return across(rng.choice(domains) if rng.random() < 0.5 else everything, rng)


def across(topics: list[Topic], rng: random.Random) -> list[Pair]:
    """Pairs of questions that all belong to different topics."""
    return paired([rng.choice(topic.groups) for topic in rng.sample(topics, BATCH_QUESTIONS)], rng)


def within(topics: list[Topic], rng: random.Random) -> list[Pair]:
    """Pairs of the questions of a few topics, a wrong passage being a neighbour's."""
    sides: tuple[list[Pair], list[Pair]] = ([], [])
    while len(sides[0]) < BATCH_QUESTIONS:
        pairs = paired(list(rng.choice(topics).groups), rng)
        sides[0].extend(pairs[: len(pairs) // 2])
        sides[1].extend(pairs[len(pairs) // 2 :])
    return [*sides[0], *sides[1]]


def paired(groups: list[Group], rng: random.Random) -> list[Pair]:
    """Each group's question with its own passage (1), then with its neighbour's (0)."""
    questions = [rng.choice(group.questions) for group in groups]
    passages = [rng.choice(group.passages) for group in groups]
    right = zip(questions, passages, strict=True)
    wrong = zip(questions, passages[1:] + passages[:1], strict=True)
    return [*((q, p, 1.0) for q, p in right), *((q, p, 0.0) for q, p in wrong)]


def logits_of(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> torch.Tensor:
    """Logits of a batch of pairs, shape (n_pairs,), in float32."""
    questions, passages, _ = zip(*pairs, strict=True)
    encoded = tokenizer(
        list(questions),
        list(passages),
        truncation="only_second",
        max_length=MAX_TOKENS,
        padding=True,
        return_tensors="pt",
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return model(**encoded).logits.squeeze(-1).float()


def watch(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, topics: list[Topic]) -> str:
    """Reciprocal rank within the topic and logits on the held-out topics, as one line."""
    model.eval()
    ranks, positives, negatives = [], [], []
    for topic in topics:
        for group in topic.groups:
            wrong = [p for g in topic.groups if g is not group for p in g.passages] + [
                *topic.others
            ]
            candidates = [(group.questions[0], p, 0.0) for p in [*group.passages, *wrong]]
            with torch.inference_mode():
                logits = logits_of(model, tokenizer, candidates)
            right = len(group.passages)
            ranks.append(1 / (1 + int((logits[right:] >= logits[:right].max()).sum())))
            positives += logits[:right].tolist()
            negatives += logits[right:].tolist()
    model.train()
    return (
        f"held out: MRR {sum(ranks) / len(ranks):.3f}; logits' quartiles: right "
        f"{quartiles(positives)}, wrong {quartiles(negatives)}"
    )


def quartiles(values: list[float]) -> str:
    """Quartiles of a list, as text."""
    points = torch.tensor(values).quantile(torch.tensor([0.25, 0.5, 0.75]))
    return " / ".join(f"{value:.2f}" for value in points.tolist())


def new_model(base: Path) -> torch.nn.Module:
    """Return the pretrained encoder with a fresh one-logit head and LoRA on every linear layer.

    Without dropout: with it the first few hundred steps teach nothing here.
    """
    model = AutoModelForSequenceClassification.from_pretrained(
        base,
        num_labels=1,
        dtype=torch.float32,
        use_safetensors=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=32,
        lora_alpha=64,
        target_modules=["query", "key", "value", "intermediate.dense", "output.dense"],
        modules_to_save=["pooler", "classifier"],
    )
    adapted = get_peft_model(model, config)
    adapted.peft_config["default"].base_model_name_or_path = BASE_ID  # not this machine's folder
    return adapted


def train(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domains: list[list[Topic]],
    args: argparse.Namespace,
) -> None:
    """Run AdamW with a one-cycle schedule, watching the held-out topics and saving on the way."""
    training, held_out = split(domains)
    rng = random.Random(args.seed)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=args.steps, pct_start=0.03
    )
    losses, start = [], time.monotonic()
    for step in range(1, args.steps + 1):
        pairs = draw_batch(training, rng, step / args.steps)
        labels = torch.tensor([label for *_, label in pairs])
        logits = logits_of(model, tokenizer, pairs)
        loss = binary_cross_entropy_with_logits(logits, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % WATCH_EVERY == 0 or step == args.steps:
            mean = sum(losses[-WATCH_EVERY:]) / len(losses[-WATCH_EVERY:])
            minutes = (time.monotonic() - start) / 60
            seen = watch(model, tokenizer, held_out)
            print(f"step {step}, {minutes:.0f} min: loss {mean:.4f}; {seen}", flush=True)
            save_adapter(model, args.out)


def save_adapter(model: torch.nn.Module, out: Path) -> None:
    """Write the adapter's two files; peft's own model card would replace ours."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (out / name).write_bytes((Path(scratch) / name).read_bytes())


def main() -> None:
    """Train and save the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "data/models/demo")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    base = demo_base()
    domains = read_domains(ROOT / "data/training")
    print(f"{sum(map(len, domains))} topics in {len(domains)} domains", flush=True)
    train(new_model(base), AutoTokenizer.from_pretrained(base), domains, args)


if __name__ == "__main__":
    main()
