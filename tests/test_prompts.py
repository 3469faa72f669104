"""Prompts: what each family is asked, token by token; what gives way; what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from reader_files import refused
from tiny_language_models import RERANKER_TEMPLATE, add_logit_score
from transformers import AutoConfig, AutoTokenizer

from analysis.models import load
from analysis.prompts import FAMILIES, yes_no

QUERY, PASSAGE = "wie neu", "der pass und das rad"
KINDS = ["qwen3", "qwen2", "gemma", "t5"]


@pytest.fixture
def models(language_models) -> dict[str, Path]:
    return language_models


@pytest.fixture
def nameless(models, tmp_path) -> Path:
    """Copy of the Qwen3 model in a folder that says nothing."""
    return Path(shutil.copytree(models["qwen3"], tmp_path / "model"))


def found(folder: Path, name: str | None = None):
    """What is found out about a model, and its tokeniser."""
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return yes_no(folder, config, tokenizer, name or str(folder)), tokenizer


def row(asked, query: str, passage: str, length: int = 1000) -> list[int]:
    answers, tokenizer = asked
    [tokens] = answers.tokens(tokenizer, [query], [passage], length)
    assert tokens.dtype == np.int64
    return tokens.tolist()


def test_a_marker_in_a_passage_is_a_marker_as_in_the_sources(models):
    """Qwen's script encodes the filled-in text without ``split_special_tokens``."""
    asked = found(models["qwen3"])
    marker = asked[1].convert_tokens_to_ids("<|im_end|>")
    plain, marked = (row(asked, QUERY, text) for text in (PASSAGE, f"{PASSAGE}<|im_end|>"))
    assert marked.count(marker) == plain.count(marker) + 1


# Each family's prompt, as its source puts it together


def test_qwen3_is_asked_as_its_readme_does(models):
    """README.md of QwenLM/Qwen3-Embedding at f4ad0c4: process_inputs, format_instruction."""
    answers, tokenizer = found(models["qwen3"])
    prefix = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        'and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n"
    )
    suffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    task = "Given a web search query, retrieve relevant passages that answer the query"
    text = f"<Instruct>: {task}\n<Query>: {QUERY}\n<Document>: {PASSAGE}"
    expected = tokenizer.encode(prefix, add_special_tokens=False)
    expected += tokenizer(text)["input_ids"]
    expected += tokenizer.encode(suffix, add_special_tokens=False)
    assert row((answers, tokenizer), QUERY, PASSAGE) == expected
    assert answers.labels == tokenizer.convert_tokens_to_ids(["no", "yes"])


def test_mxbai_is_asked_as_its_package_does(models):
    """mxbai_rerank/mxbai_rerank_v2.py at 8e709dc: prepare_inputs, concat_input_ids."""
    answers, tokenizer = found(models["qwen2"])

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    task = (
        "You are a search relevance expert who evaluates how well documents match search queries. "
        "For each query-document pair, carefully analyze the semantic relationship between them, "
        "then provide your binary relevance judgment (0 for not relevant, 1 for relevant).\n"
        "Relevance:"
    )
    expected = ids(f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n")
    expected += ids(f"query: {QUERY}") + ids("\n") + ids(f"document: {PASSAGE}")
    expected += ids("\n") + ids(task) + ids("<|im_end|>\n<|im_start|>assistant\n")
    assert row((answers, tokenizer), QUERY, PASSAGE) == expected
    assert answers.labels == [ids("0")[0], ids("1")[0]]


def test_gemma_is_asked_as_flagembedding_does(models):
    """FlagEmbedding/inference/reranker/decoder_only/base.py at 7ed43d6."""
    answers, tokenizer = found(models["gemma"])

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    prompt = (
        "Given a query A and a passage B, determine whether the passage contains an answer to the "
        "query by providing a prediction of either 'Yes' or 'No'."
    )
    expected = [tokenizer.bos_token_id, *ids(f"A: {QUERY}"), *ids("\n"), *ids(f"B: {PASSAGE}")]
    expected += ids("\n") + ids(prompt)
    assert row((answers, tokenizer), QUERY, PASSAGE) == expected
    assert answers.labels == [ids("Yes")[0]]  # its "No" is never looked at


def test_monot5_is_asked_as_pygaggle_does(models):
    """pygaggle/model/tokenize.py: T5BatchTokenizer; T5's own tokeniser ends a text with </s>."""
    answers, tokenizer = found(models["t5"])
    text = f"Query: {QUERY} Document: {PASSAGE} Relevant:"
    expected = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    assert row((answers, tokenizer), QUERY, PASSAGE) == expected
    assert answers.labels == [tokenizer.get_vocab()[token] for token in ("▁false", "▁true")]


def test_braces_in_a_text_are_text(models):
    text = "{query} {0} {{passage}} %s"
    answers, tokenizer = found(models["qwen3"])
    assert text in tokenizer.decode(row((answers, tokenizer), text, "der pass"))


# What gives way


@pytest.mark.parametrize("kind", KINDS)
def test_the_passage_gives_way_and_nothing_around_it(models, kind):
    asked = answers, tokenizer = found(models[kind])
    length = answers.least_tokens(tokenizer) + 40
    whole, bare = row(asked, QUERY, PASSAGE * 30), row(asked, QUERY, "")
    cut = row(asked, QUERY, PASSAGE * 30, length)
    assert len(whole) > length
    assert length - 2 <= len(cut) <= length
    begins = next(i for i, (a, b) in enumerate(zip(whole, bare, strict=False)) if a != b)
    ends = len(bare) - begins - 3  # a last space or two joins the tokens beside it
    assert cut[: begins + 20] == whole[: begins + 20]
    assert cut[-ends:] == bare[-ends:] == whole[-ends:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_gives_way_where_it_leaves_less_than_a_quarter(models, kind):
    asked = answers, tokenizer = found(models[kind])
    length = answers.least_tokens(tokenizer) + 38  # a room of 40
    long, short = "wald " * 60, "rad " * 60
    text = tokenizer.decode(row(asked, long, short, length))
    queries, passages = text.count("wald"), text.replace("▁", "").count("rad")
    assert len(row(asked, long, short, length)) <= length
    assert 10 <= queries <= 30
    assert passages >= 4
    kept = tokenizer.decode(row(asked, "wald " * 9, short, length))
    assert kept.count("wald") == 9


@pytest.mark.parametrize("text", ["😀" * 90, "ﬁ" * 200, "\x00" * 300, " " * 400, "\n" * 400])
@pytest.mark.parametrize("kind", ["qwen3", "t5"])
def test_odd_texts_are_cut_too(models, kind, text):
    asked = answers, tokenizer = found(models[kind])
    least = answers.least_tokens(tokenizer)
    for length in (least, least + 1, least + 7):
        assert len(row(asked, text, text, length)) <= length


# What a sentence-transformers repository says comes first


def test_a_repositorys_chat_template_is_filled_in(nameless):
    add_logit_score(nameless, 296, 283)
    answers, tokenizer = found(nameless)
    instruction = "Given a web search query, retrieve relevant passages"
    text = RERANKER_TEMPLATE.partition("<Instruct>")[0] + (
        f"<Instruct>: {instruction}\n<Query>: {QUERY}\n<Document>: {PASSAGE}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    # Jinja drops the template's last line feed, as it does for transformers
    expected = tokenizer.encode(text.removesuffix("\n"), add_special_tokens=False)
    assert row((answers, tokenizer), QUERY, PASSAGE) == expected
    assert answers.labels == [283, 296]


def test_a_templates_end_is_never_cut(nameless):
    asked = answers, tokenizer = found(add_logit_score(nameless, 296, 283))
    cut = row(asked, QUERY, PASSAGE * 30, answers.least_tokens(tokenizer) + 20)
    end = tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n")
    assert cut[-len(end) :] == end


def test_without_an_instruction_the_template_says_what_it_likes(nameless):
    asked = found(add_logit_score(nameless, 296, 283, instruction=None))
    assert "<Instruct>: none\n" in asked[1].decode(row(asked, QUERY, PASSAGE))


def test_a_structured_message_is_a_list_of_parts(nameless):
    template = "{% for m in messages %}{{ m.role }}={{ m.content[0].text }};{% endfor %}"
    asked = found(add_logit_score(nameless, 296, None, template=template, message="structured"))
    text = asked[1].decode(row(asked, QUERY, PASSAGE))
    assert text.endswith(f"query={QUERY};document={PASSAGE};")
    assert asked[0].labels == [296]


def test_what_a_repository_hands_its_template_reaches_it(nameless):
    template = RERANKER_TEMPLATE + "{{ 'thinks' if enable_thinking else 'does not' }}"
    processing = {"chat_template": {"enable_thinking": True, "restore_suffix": False}}
    asked = found(add_logit_score(nameless, 296, 283, template=template, processing=processing))
    assert asked[1].decode(row(asked, QUERY, PASSAGE)).endswith("thinks")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ messages[0].content }}", "passes the query over"),
        ("{{ (messages | selectattr('role', 'eq', 'query') | first).content }}", "document over"),
        ("{{ raise_exception('no\x1b[31m pairs') }}", "the chat template fails: TemplateError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails: SecurityError"),
        ("{% if %}", "fails: TemplateSyntaxError"),
        (None, "the chat template fails: ValueError"),
    ],
)
def test_a_template_that_shows_no_pair_is_refused(nameless, template, problem):
    add_logit_score(nameless, 296, 283, template=template)
    error = refused(load, nameless, device="cpu")
    assert problem in error.problem
    assert "\x1b" not in str(error)
    assert "a message each of the roles query and document" in error.remedy


def test_a_known_familys_prompt_stands_in_for_a_template_without_pairs(models, tmp_path):
    folder = Path(shutil.copytree(models["qwen3"], tmp_path / "Qwen3-Reranker-4B"))
    add_logit_score(folder, 300, 301, template="{{ messages[0].content }}")
    answers, tokenizer = found(folder)
    assert row((answers, tokenizer), QUERY, PASSAGE) == row(found(models["qwen3"]), QUERY, PASSAGE)
    assert answers.labels == [301, 300]


# Names


def test_a_model_goes_by_the_name_of_the_folder_that_it_is_in(models, monkeypatch):
    monkeypatch.chdir(models["qwen3"])
    assert load(".", device="cpu").yes_no.labels == found(models["qwen3"])[0].labels


def test_a_snapshot_goes_by_its_models_name(nameless):
    name = "/cache/models--Qwen--Qwen3-Reranker-0.6B/snapshots/0123abcd"
    assert found(nameless, name)[0].labels == found(nameless, "Qwen/Qwen3-Reranker-8B")[0].labels


@pytest.mark.parametrize(
    "name", ["some/model", "/qwen3-reranker/model", "monot5-base", "mxbai-rerank-base-v2"]
)
def test_a_language_model_that_nothing_is_known_of_is_refused(nameless, name):
    error = refused(found, nameless, name)
    assert "a Qwen3ForCausalLM, and nothing tells which tokens it answers" in error.problem
    assert "1_LogitScore/config.json with true_token_id and false_token_id" in error.remedy
    assert "Qwen3-Reranker, mxbai-rerank-v2" in error.remedy


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("castorini/monot5-3b-msmarco-10k", "▁true"),
        ("unicamp-dl/mt5-base-mmarco-v2", "▁yes"),
        ("unicamp-dl/mt5-base-en-pt-msmarco-v1", "▁yes"),
        ("unicamp-dl/ptt5-base-pt-msmarco-100k-v2", "▁sim"),
        ("unicamp-dl/ptt5-base-en-pt-msmarco-10k-v1", "▁sim"),
    ],
)
def test_pygaggles_models_answer_with_the_tokens_of_its_table(name, family):
    """pygaggle/rerank/transformer.py: prediction_tokens."""
    known = [f for f in FAMILIES if re.search(f.pattern, name.rpartition("/")[2].lower())]
    assert [f.yes for f in known] == [family]


# Tokens


def test_a_tokeniser_without_the_answers_is_refused(models, tmp_path):
    folder = Path(shutil.copytree(models["t5"], tmp_path / "monot5-base-msmarco"))
    shutil.copyfile(models["gemma"] / "tokenizer.json", folder / "tokenizer.json")
    error = refused(found, folder)
    assert error.problem == "the tokeniser has no token '▁true', with which monoT5 answers"


def test_an_answer_beyond_the_vocabulary_is_refused(nameless):
    add_logit_score(nameless, 5000, 283)
    error = refused(found, nameless)
    assert error.problem == "the answer is the token 5000, and the network knows 420"
