"""Rerankers: what loads, in which dtype, and what is refused, on tiny checkpoints."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from reader_files import refused
from safetensors.torch import load_file
from tiny_checkpoints import change_weights, write_checkpoint, write_tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from analysis import checkpoints, models
from analysis.checkpoints import TOKENIZER_FILES
from analysis.errors import InputError
from analysis.formats import NETWORK_DTYPES
from analysis.models import load

OWN_CODE = """
import torch
from transformers import BertConfig, BertForSequenceClassification

class OwnConfig(BertConfig):
    model_type = "own-bert"

class OwnModel(BertForSequenceClassification):
    config_class = OwnConfig
"""


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path) -> Path:
    """Copy of the tiny checkpoint, to be changed."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def change_config(folder: Path, **values) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return folder


def outputs_of(reranker, dtype: str = "float32") -> torch.Tensor:
    """Logits of one pair of texts, as the network gives them."""
    encoded = reranker.tokenizer("wie neu", "der pass und das rad", return_tensors="pt")
    with torch.inference_mode():
        return reranker.network(dtype)(**encoded).logits


def test_reranker_states_its_facts(tiny_checkpoint):
    reranker = load(tiny_checkpoint, device="cpu")
    assert reranker.name == str(tiny_checkpoint)
    assert reranker.checkpoint_dtype == "float32"
    assert reranker.attention == "sdpa"
    assert reranker.max_tokens == 48  # the tokeniser's; the network has 64 positions
    assert reranker.identity() == {
        "weights": {
            name: checkpoints.sha256_of(tiny_checkpoint / name)
            for name in ("model.safetensors", "config.json")
        },
        "adapter": {},
        "revision": None,
        "attention": "sdpa",
    }
    assert len(repr(reranker)) < 1000


def test_identity_changes_with_the_weights(checkpoint):
    before = load(checkpoint).identity()
    change_weights(checkpoint, lambda tensors: tensors["classifier.bias"].add_(1))
    assert load(checkpoint).identity() != before


@pytest.mark.parametrize("forward_dtype", NETWORK_DTYPES)
@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_network_is_in_exactly_the_dtype_asked_for(tmp_path, stored, forward_dtype):
    folder = write_checkpoint(tmp_path / "checkpoint", dtype=stored)
    reranker = load(folder, device="cpu")
    assert reranker.checkpoint_dtype == stored
    network = reranker.network(forward_dtype)
    dtype = getattr(torch, forward_dtype)
    weights = load_file(folder / "model.safetensors")
    for name, parameter in network.named_parameters():
        assert parameter.dtype == dtype
        assert torch.equal(parameter, weights[name].to(dtype))
        assert not parameter.requires_grad
    assert not network.training
    assert network.config._attn_implementation == "sdpa"
    assert outputs_of(reranker, forward_dtype).dtype == dtype


def test_weights_lie_in_torchs_own_aligned_memory(tiny_checkpoint):
    network = load(tiny_checkpoint, device="cpu").network("float32")
    assert {parameter.data_ptr() % 64 for parameter in network.parameters()} == {0}


@pytest.mark.parametrize("name", ["float8_e4m3fn", "int8", "half", "auto"])
def test_other_dtypes_are_refused(tiny_checkpoint, name):
    with pytest.raises(InputError, match=rf"cannot run in '{name}'. Choose float64, float32"):
        load(tiny_checkpoint).network(name)


def test_float64_is_refused_on_mps(tiny_checkpoint):
    reranker = replace(load(tiny_checkpoint), device=torch.device("mps"))
    with pytest.raises(InputError, match="mps has no float64"):
        reranker.network("float64")


def test_parameter_that_keeps_another_dtype_is_an_error(tiny_checkpoint, monkeypatch):
    from transformers import BertForSequenceClassification

    monkeypatch.setattr(BertForSequenceClassification, "_keep_in_fp32_modules_strict", {"pooler"})
    with pytest.raises(InputError, match=r"pooler.dense.weight stays torch.float32 in a float16"):
        load(tiny_checkpoint, device="cpu").network("float16")


def test_one_label_is_the_logit(tiny_checkpoint):
    raw = torch.tensor([[1.5], [-2.25]], dtype=torch.bfloat16)
    logits = load(tiny_checkpoint).logits(SimpleNamespace(logits=raw))
    assert logits.dtype == np.float64
    assert logits.tolist() == [[1.5], [-2.25]]


def test_two_labels_are_kept_as_they_are(tmp_path):
    reranker = load(write_checkpoint(tmp_path / "two", num_labels=2), device="cpu")
    raw = torch.tensor([[0.0001, 8.0], [3.0, 1.0]], dtype=torch.float16)
    logits = reranker.logits(SimpleNamespace(logits=raw))
    assert logits.dtype == np.float64
    assert np.array_equal(logits, raw.double().numpy())
    assert reranker.label_names == ("logit_no", "logit_yes")
    assert outputs_of(reranker).shape == (1, 2)


def test_other_numbers_of_labels_are_refused_at_once(tmp_path):
    folder = write_checkpoint(tmp_path / "three", num_labels=3)
    with pytest.raises(InputError, match=r"num_labels = 3. Use a reranker with 1 label"):
        load(folder)


def test_network_without_a_head_is_refused_at_once(tmp_path):
    folder = write_checkpoint(tmp_path / "headless", head=False)
    with pytest.raises(InputError, match=r"a BertModel, .* Use a cross-encoder"):
        load(folder)


def test_head_that_is_only_announced_is_refused(tmp_path, capfd):
    folder = write_checkpoint(tmp_path / "headless", head=False)
    change_config(folder, architectures=["BertForSequenceClassification"])
    reranker = load(folder)
    capfd.readouterr()
    with pytest.raises(InputError, match=r"lacks 2 weights of a BertFor.*: classifier.bias, clas"):
        reranker.network("float32")
    assert capfd.readouterr() == ("", "")


def test_weights_of_another_shape_are_refused(checkpoint):
    change_weights(checkpoint, lambda t: t.update({"classifier.bias": torch.zeros(7)}))
    with pytest.raises(InputError, match="cannot be loaded"):
        load(checkpoint).network("float32")


def test_architecture_that_cannot_classify_is_refused(checkpoint):
    change_config(checkpoint, model_type="vits", architectures=None)
    with pytest.raises(InputError, match="Unrecognized configuration class"):
        load(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", '{"model_type": "no-such", "version": 3}', "\xff"])
def test_damaged_text_files_are_refused(checkpoint, name, content):
    (checkpoint / name).write_text(content, "latin-1")
    with pytest.raises(InputError, match="checkpoint: it cannot be loaded"):
        load(checkpoint)


def test_weights_cut_short_are_refused_at_once(checkpoint):
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged or cut short"):
        load(checkpoint)


def test_tokenizer_without_padding_is_refused(checkpoint):
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 48}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="no padding token"):
        load(checkpoint)


def test_pickled_weights_load_if_allowed(checkpoint):
    expected = outputs_of(load(checkpoint, device="cpu"))
    weights = load_file(checkpoint / "model.safetensors")
    torch.save(weights, checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(InputError, match="only pickled weights"):
        load(checkpoint)
    reranker = load(checkpoint, allow_pickle=True, device="cpu")
    assert reranker.checkpoint_dtype == "float32"
    assert list(reranker.identity()["weights"]) == ["pytorch_model.bin", "config.json"]
    assert torch.equal(outputs_of(reranker), expected)


def test_hub_model_is_pinned_to_its_commit(tiny_checkpoint, tmp_path, monkeypatch):
    commit = Path(shutil.copytree(tiny_checkpoint, tmp_path / "0123abcd"))
    asked = []
    monkeypatch.setattr(models, "download", lambda *a, **k: asked.append((a, k)) or commit)
    reranker = load("some/model", revision="main", allow_pickle=True)
    assert asked == [(("some/model", "main"), {"pickles": True, "code": False})]
    assert (reranker.name, reranker.revision) == ("some/model", "0123abcd")
    assert reranker.identity()["revision"] == "0123abcd"


def test_hub_model_that_cannot_be_had_is_refused():
    with pytest.raises(InputError, match="The Hugging Face Hub does not give 'nobody/no-such'"):
        load("nobody/no-such")


def test_revision_of_a_folder_is_refused(tiny_checkpoint):
    with pytest.raises(InputError, match="a folder has no revisions"):
        load(tiny_checkpoint, revision="main")


@pytest.mark.parametrize("trusted", [False, True])
def test_trust_is_passed_once_to_each_loader(tiny_checkpoint, monkeypatch, trusted):
    passed = []
    for kind in (AutoConfig, AutoTokenizer, AutoModelForSequenceClassification):

        def spy(*arguments, _real=kind.from_pretrained, **options):
            passed.append(options["trust_remote_code"])
            return _real(*arguments, **options)

        monkeypatch.setattr(kind, "from_pretrained", spy)
    load(tiny_checkpoint, trust_remote_code=trusted).network("float32")
    assert passed == [trusted] * 3


def test_code_of_a_checkpoint_runs_only_if_trusted(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.syspath_prepend(tmp_path / "m")
    expected = outputs_of(load(checkpoint, device="cpu"))
    (checkpoint / "own.py").write_text(OWN_CODE)
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
    change_config(checkpoint, model_type="own-bert", architectures=["OwnModel"], auto_map=own)
    with pytest.raises(InputError, match="trust_remote_code=True"):
        load(checkpoint)
    reranker = load(checkpoint, trust_remote_code=True, device="cpu")
    assert torch.equal(outputs_of(reranker), expected)
    assert "own.py" in reranker.identity()["weights"]


def test_attention_is_eager_where_there_is_no_sdpa(tmp_path):
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = DebertaV2Config(vocab_size=120, intermediate_size=32, num_labels=1, **sizes)
    DebertaV2ForSequenceClassification(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    reranker = load(tmp_path, device="cpu")
    assert reranker.attention == "eager"
    assert reranker.network("float32").config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("model_type", "tokens"), [("bert", 514), ("xlm-roberta", 512), ("modernbert", None)]
)
def test_longest_input(tiny_checkpoint, model_type, tokens):
    """RoBERTa's positions begin after the padding index; some models know no limit."""
    reranker = load(tiny_checkpoint)
    reranker.tokenizer.model_max_length = 10**30
    positions = 514 if tokens else None
    config = SimpleNamespace(
        model_type=model_type, max_position_embeddings=positions, pad_token_id=1
    )
    assert replace(reranker, config=config).max_tokens == tokens


def test_a_folder_without_a_tokeniser_is_refused(checkpoint):
    """Transformers would make one up that knows no word."""
    for pattern in TOKENIZER_FILES:
        for file in checkpoint.glob(pattern):
            file.unlink()
    assert "no tokeniser" in refused(load, checkpoint, device="cpu").problem


def test_a_name_longer_than_any_is_refused():
    assert "too long" in refused(load, "x" * 300).problem


@pytest.mark.parametrize("model", [None, 5, ""])
def test_what_is_no_name_is_refused(model):
    with pytest.raises(InputError, match=r"no name|name is empty"):
        load(model)


def test_a_config_of_a_smaller_network_is_refused(checkpoint):
    change_config(checkpoint, num_hidden_layers=1)
    with pytest.raises(InputError, match=r"no place for 16 weights .*encoder\.layer\.1\."):
        load(checkpoint).network("float32")


def test_other_weights_that_are_left_over_are_named(checkpoint, caplog):
    change_weights(checkpoint, lambda t: t.update({"cls.bias\x1b[31m": torch.zeros(7)}))
    assert load(checkpoint).network("float32")
    assert "not used by the network: cls.bias\ufffd[31m" in caplog.text


@pytest.mark.parametrize("architectures", ["Bert", [1], {"a": 1}, [None], 7])
def test_architectures_that_are_no_list_of_names_are_refused(checkpoint, architectures):
    change_config(checkpoint, architectures=architectures)
    with pytest.raises(InputError, match=r"config.json: architectures is .* list"):
        load(checkpoint)


@pytest.mark.parametrize("longest", ["512", 0, -1, True, [1], {}, float("nan")])
def test_a_longest_input_that_is_no_number_is_refused(checkpoint, longest):
    file = checkpoint / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": longest}))
    with pytest.raises(InputError, match=r"tokenizer_config.json: model_max_length is .* tokens"):
        load(checkpoint)
