"""Train the demo reranker from scratch: LoRA on all-MiniLM-L6-v2, binary cross-entropy.

    python tools/train_demo_reranker.py [--out data/models/demo] [--steps 2600 1200]

The training text (``data/training/``) was written for this purpose: domains of topics, each with
several questions and the passages that answer exactly one of them. There are four stages:

1. *Words* (the files in :data:`WORDS`). Half of the batches, and all of the first, ask with words
   of the passage itself among words of unrelated questions, which teaches an English encoder to
   compare German texts at all; their negatives are neighbouring passages of the topic. The other
   half asks the written questions, with passages of other topics as negatives.
2. *Answers* (mostly the files in :data:`ANSWERS`, where a question shares words with its answers
   as it does with what does not answer it). Almost half of the batches hold a written question
   against wrong passages of its own topic.
3. *Average* of the weights after either stage, which ranks better than both (Wortsman et al.,
   "Robust fine-tuning of zero-shot models", 2022).
4. *Head*. The network stays as it is; pooler and classifier, which the few batches before have left
   half-trained, are fitted to every question of the text at once. Wrong passages are of other
   topics here, the classifier is fast and right pairs weigh more, as they do in rerankers that
   are trained on one answer and several negatives: so it becomes confident.

Whole topics are held out of all stages to watch. Same machine, same weights; on another CPU the
last bits differ, because its kernels round differently.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import binary_cross_entropy_with_logits
from training_text import (
    Pair,
    Topic,
    across,
    asked_with_keywords,
    every_pair,
    held_out,
    kept,
    nearby,
    read_domain,
    within,
)
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from analysis.demo import demo_base

ROOT = Path(__file__).parent.parent
TRAINING = ROOT / "data" / "training"
BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
WORDS = (
    "civic_life_and_health",
    "kitchen_house_and_science",
    "media_sport_and_home",
    "money_work_and_family",
    "nature_and_building",
    "services_and_everyday",
    "work_law_and_animals",
)
ANSWERS = (
    "body_and_medicine",
    "food_garden_and_animals",
    "money_travel_and_family",
    "rights_and_authorities",
)
HEAD_ONLY = ("technology_and_energy",)

MAX_TOKENS = 160
LEARNING_RATE, CLASSIFIER_RATE = 2e-4, 2e-3
WARM_UP, KEYWORD_SHARE = 0.06, 0.5
ANSWERS_SHARE, ANSWERS_KEYWORDS, ANSWERS_NEARBY = 0.75, 0.3, 0.45
WATCH_EVERY = 100

HEAD_EPOCHS, HEAD_BATCH = 10, 512
POOLER_RATE, HEAD_RATE = 1e-4, 1e-1
RIGHT_WEIGHT, KEYWORDS_WEIGHT = 6.0, 0.3

Domains = list[list[Topic]]
Draw = Callable[[random.Random, float], list[Pair]]


def draw_words(domains: Domains) -> Draw:
    """Batches of the first stage; ``progress`` is the share of its steps done."""
    everything = [topic for domain in domains for topic in domain]

    def draw(rng: random.Random, progress: float) -> list[Pair]:
        if progress < WARM_UP:
            return asked_with_keywords(across(everything, rng), rng)
        if rng.random() < KEYWORD_SHARE:
            return asked_with_keywords(within(everything, rng), rng)
        return across(rng.choice(domains) if rng.random() < 0.5 else everything, rng)

    return draw


def draw_answers(first: Domains, second: Domains) -> Draw:
    """Batches of the second stage, from the text of either stage."""
    old, new = ([topic for domain in domains for topic in domain] for domains in (first, second))

    def draw(rng: random.Random, progress: float) -> list[Pair]:
        topics = new if rng.random() < ANSWERS_SHARE else old
        chance = rng.random()
        if chance < ANSWERS_KEYWORDS:
            drawn = within(topics, rng) if rng.random() < 0.7 else across(topics, rng)
            return asked_with_keywords(drawn, rng)
        if chance < ANSWERS_KEYWORDS + ANSWERS_NEARBY:
            return nearby(new, rng)
        return across(topics, rng)

    return draw


def logits_of(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> torch.Tensor:
    """Logits of a batch of pairs, shape (n_pairs,)."""
    return model(**encoded(tokenizer, pairs)).logits.squeeze(-1)


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


def watch(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, topics: list[Topic]) -> str:
    """Reciprocal rank within the topic and logits on the held-out topics, as one line."""
    model.eval()
    ranks, positives, negatives = [], [], []
    for topic in topics:
        for group in topic.groups:
            passages = [*group.passages, *topic.wrong_passages(group)]
            with torch.inference_mode():
                logits = logits_of(model, tokenizer, [(group.questions[0], p, 0) for p in passages])
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


def trained(model: torch.nn.Module, part: str = "") -> dict[str, torch.Tensor]:
    """The weights that are trained, by name; only those with ``part`` in it, if given."""
    return {n: w for n, w in model.named_parameters() if w.requires_grad and part in n}


def train(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    draw: Draw,
    watched: list[Topic],
    *,
    steps: int,
    classifier_rate: float,
    rng: random.Random,
) -> None:
    """Run AdamW with a one-cycle schedule, watching the held-out topics on the way."""
    classifier = list(trained(model, "classifier").values())
    others = [w for n, w in trained(model).items() if "classifier" not in n]
    rates = [LEARNING_RATE, classifier_rate]
    groups = [{"params": others, "lr": rates[0]}, {"params": classifier, "lr": rates[1]}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=steps, pct_start=0.05
    )
    losses, start = [], time.monotonic()
    for step in range(1, steps + 1):
        losses.append(backward(model, tokenizer, draw(rng, step / steps)))
        torch.nn.utils.clip_grad_norm_([*others, *classifier], 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % WATCH_EVERY == 0 or step == steps:
            mean = sum(losses[-WATCH_EVERY:]) / len(losses[-WATCH_EVERY:])
            minutes = (time.monotonic() - start) / 60
            seen = watch(model, tokenizer, watched)
            print(f"step {step}, {minutes:.0f} min: loss {mean:.4f}; {seen}", flush=True)


def backward(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> float:
    """Add a batch's gradients, the shorter pairs apart from the longer ones; its mean loss."""
    by_length = sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))
    total = 0.0
    for part in (by_length[: len(pairs) // 2], by_length[len(pairs) // 2 :]):
        labels = torch.tensor([label for *_, label in part])
        logits = logits_of(model, tokenizer, part)
        loss = binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(pairs)
        loss.backward()
        total += loss.item()
    return total


def average(model: torch.nn.Module, earlier: dict[str, torch.Tensor]) -> None:
    """Put each trained weight half-way between what it is and what it was."""
    with torch.no_grad():
        for name, weight in trained(model).items():
            weight.lerp_(earlier[name], 0.5)


def fit_head(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domains: Domains,
    *,
    seed: int,
    smoothing: float = 0.0,
) -> None:
    """Fit pooler and classifier to every question of the text, the network below them frozen.

    Label smoothing moves the labels 0 and 1 by half of it towards each other: no logit, however
    high, then fits better than a moderate one.
    """
    drawn = every_pair(domains, random.Random(seed))
    pairs = [pair for pair, _ in drawn]
    hidden = hidden_states(model, tokenizer, pairs)
    labels = torch.tensor([label for *_, label in pairs]) * (1 - smoothing) + smoothing / 2
    weights = torch.tensor([KEYWORDS_WEIGHT if keywords else 1.0 for _, keywords in drawn])
    pooler, classifier = model.base_model.model.bert.pooler, model.base_model.model.classifier
    rates = [POOLER_RATE, HEAD_RATE]
    parts = [trained(model, "pooler").values(), trained(model, "classifier").values()]
    optimizer = torch.optim.AdamW(
        [{"params": list(part), "lr": rate} for part, rate in zip(parts, rates, strict=True)],
        weight_decay=0.01,
    )
    steps = HEAD_EPOCHS * -(-len(pairs) // HEAD_BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=steps, pct_start=0.1
    )
    for _ in range(HEAD_EPOCHS):
        for rows in torch.randperm(len(pairs)).split(HEAD_BATCH):
            losses = binary_cross_entropy_with_logits(
                classifier(pooler(hidden[rows])).squeeze(-1),
                labels[rows],
                weight=weights[rows],
                pos_weight=torch.tensor(RIGHT_WEIGHT),
            )
            losses.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def hidden_states(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> torch.Tensor:
    """What the pooler reads: the last layer's states, the first token's only, (n, 1, width)."""
    order = sorted(range(len(pairs)), key=lambda row: len(pairs[row][0]) + len(pairs[row][1]))
    found: list[torch.Tensor] = [torch.empty(0)] * len(pairs)
    with torch.no_grad():
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            states = model.base_model.model.bert(**encoded(tokenizer, [pairs[r] for r in rows]))
            for row, state in zip(rows, states.last_hidden_state[:, :1], strict=True):
                found[row] = state.clone()
    return torch.stack(found)


def domains_of(names: tuple[str, ...]) -> Domains:
    """Read the files of the training text with these names."""
    return [read_domain(TRAINING / f"{name}.jsonl") for name in names]


def save_adapter(model: torch.nn.Module, out: Path) -> None:
    """Write the adapter's two files; peft's own model card would replace ours."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, save_embedding_layers=False)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (out / name).write_bytes((Path(scratch) / name).read_bytes())


def main() -> None:
    """Train and save the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "data/models/demo")
    parser.add_argument("--steps", type=int, nargs=2, default=(2600, 1200))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    rng, base = random.Random(args.seed), demo_base()
    model, tokenizer = new_model(base), AutoTokenizer.from_pretrained(base)
    first, second, last = map(domains_of, (WORDS, ANSWERS, HEAD_ONLY))
    watched = held_out([*first, *second])

    draw = draw_words(kept(first))
    train(
        model, tokenizer, draw, watched, steps=args.steps[0], classifier_rate=LEARNING_RATE, rng=rng
    )
    earlier = {name: weight.detach().clone() for name, weight in trained(model).items()}
    draw = draw_answers(kept(first), kept(second))
    train(
        model,
        tokenizer,
        draw,
        watched,
        steps=args.steps[1],
        classifier_rate=CLASSIFIER_RATE,
        rng=rng,
    )
    average(model, earlier)
    fit_head(model, tokenizer, kept([*first, *second, *last]), seed=args.seed)
    print(watch(model, tokenizer, watched))
    save_adapter(model, args.out)


if __name__ == "__main__":
    main()
