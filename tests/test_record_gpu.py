"""What `make gpu` records, on a tiny network on the CPU; what CUDA alone has, against stand-ins."""

from __future__ import annotations

import importlib
from contextlib import suppress
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import nbformat
import pandas as pd
import pytest
import torch

from analysis import models, timing
from analysis.devices import describe
from analysis.places import CHECKOUT, NOTEBOOKS
from analysis.scoring import score
from analysis.store import BATCHES_PER_SHARD
from analysis.studies import gpu

TOOLS = CHECKOUT / "tools"
DTYPES = ["float32", "bfloat16"]
"""Recorded here; three would take longer and show no more."""
KINDS = {gpu.TOGETHER: 8192, gpu.ALONE: 1}


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def tool(patch, tiny_pairs) -> ModuleType:
    """The tool, with a small set in place of the German one, and passes timed once."""
    patch.syspath_prepend(TOOLS)
    tool = importlib.import_module("record_gpu")
    patch.setattr(tool, "load_german", lambda: tiny_pairs)
    patch.setattr(tool, "BATCH_SIZES", (1, 3))
    patch.setattr(timing, "_LEAST_SECONDS", 0.0)
    return tool


@pytest.fixture(scope="module")
def reranker(tiny_checkpoint) -> models.Reranker:
    return models.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def command(tool, patch, tiny_checkpoint, tmp_path_factory):
    """Run the command on the first two queries; what it keeps is shared by all runs."""
    folder = tmp_path_factory.mktemp("gpu")
    patch.setattr(tool, "KEPT", folder / "kept")

    def run(*options: str) -> gpu.Recording:
        fixed = ["--device", "cpu", "--model", str(tiny_checkpoint), "--queries", "2"]
        with pytest.MonkeyPatch.context() as few:
            few.setattr(tool, "DTYPES", DTYPES)
            tool.main([*fixed, "--out", str(folder / "out"), *options])
        return gpu.recorded(folder / "out")

    return run


@pytest.fixture(scope="module")
def recording(command) -> gpu.Recording:
    return command()


@pytest.fixture
def recorder(tool, reranker, tiny_pairs, tmp_path, monkeypatch):
    """Make a recorder with an empty folder, and a clock that is over after so many looks."""
    monkeypatch.setattr(tool, "DTYPES", DTYPES)

    def make(looks: int = 10**6):
        left = iter(range(looks))

        def check() -> None:
            if next(left, None) is None:
                raise TimeoutError("over")

        few = tool.first_queries(tiny_pairs, 1)
        clock = SimpleNamespace(check=check, left=left)
        return tool.Recorder(few, reranker, clock, tmp_path / "kept", (1,))

    return make


# What is recorded


def test_every_setting_has_the_logits_that_score_gives(recording, tool, tiny_pairs, reranker):
    few = tool.first_queries(tiny_pairs, 2)
    assert few.n_queries == 2
    found = recording.logits.groupby(["attention", "batches"], sort=False)
    assert len(found) == 4
    for (attention, batches), own in found:
        under = replace(reranker, attention=attention)
        tokens = KINDS[batches]
        expected = score(few, under, DTYPES, batch_tokens=tokens, progress=False)
        columns = ["forward_dtype", "query_id", "passage_id", "logit"]
        assert own[columns].reset_index(drop=True).equals(expected[columns])
        assert not own["tf32"].any()
    assert list(recording.logits) == list(gpu.LOGIT_COLUMNS)


def test_times_and_memory_are_there_by_batch_size(recording):
    speed = recording.speed
    assert list(speed) == list(gpu.SPEED_COLUMNS)
    settings = speed[list(gpu.SETTING)].drop_duplicates().values.tolist()
    assert settings == [[dtype, False, how] for how in ("sdpa", "eager") for dtype in DTYPES]
    for _, own in speed.groupby(list(gpu.SETTING)):
        assert own.loc[own["batch"] == "sample", "pairs"].tolist() == [1, 3]
        assert (own["batch"] == timing.QUERY).sum() == 1
    assert (speed[["seconds", "weight_bytes", "pass_bytes"]] > 0).all(axis=None)


def test_the_recording_says_where_and_of_what_it_is(recording, tiny_checkpoint, reranker):
    about = recording.about
    assert about["model"]["name"] == str(tiny_checkpoint)
    assert about["model"]["weights"] == reranker.identity()["weights"]
    assert about["device"]["name"] == describe(reranker.device)["name"]
    assert about["versions"]["torch"] == torch.__version__
    assert (about["data"]["queries"], about["left_out"]) == (2, [])
    assert recording.left_out.empty


# Time


def test_the_same_command_reads_what_is_kept(command, recording, monkeypatch):
    monkeypatch.setattr(models.Reranker, "network", None)
    again = command("--budget", "0")
    assert again.logits.equals(recording.logits)
    assert again.speed.equals(recording.speed)
    assert again.left_out.empty


def test_single_pairs_go_on_where_the_time_was_over(recorder):
    cut = recorder(looks=BATCHES_PER_SHARD + 1)
    setting = cut.settings[0]
    with pytest.raises(TimeoutError):
        cut.logits(setting, gpu.ALONE)
    more = recorder()
    more.logits(setting, gpu.ALONE)
    assert next(more.clock.left) == cut.dataset.n_pairs - BATCHES_PER_SHARD


def test_what_did_not_fit_is_named_and_the_rest_is_kept(recorder):
    cut = recorder(looks=2)
    logits, speed, left_out = cut.record()
    assert set(logits["forward_dtype"]) == {"float32", "bfloat16"}
    assert set(logits["attention"]) == {"sdpa"}
    assert (speed.empty, list(speed)) == (True, list(gpu.SPEED_COLUMNS))
    assert len(left_out) == 3 * len(cut.settings) - 2
    assert left_out[0] == {"what": gpu.TOGETHER, **vars(cut.settings[2]), "why": "over"}


def test_without_time_nothing_is_written(tool, command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "KEPT", tmp_path / "kept")
    with pytest.raises(SystemExit, match="Nothing was recorded"):
        command("--budget", "0", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert "left out: together float32 False sdpa there was no time left" in capsys.readouterr().err


def test_a_setting_that_fails_does_not_keep_the_others_from_it(tool, recorder, monkeypatch):
    def full(dataset, reranker, dtypes, **options):
        if dtypes == ["bfloat16"]:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried")
        return score(dataset, reranker, dtypes, **options)

    monkeypatch.setattr(tool, "score", full)
    monkeypatch.setattr(tool.Recorder, "speed", lambda *_: pd.DataFrame())
    logits, _, left_out = recorder().record()
    assert set(logits["forward_dtype"]) == {"float32"}
    assert {piece["forward_dtype"] for piece in left_out} == {"bfloat16"}
    assert {piece["why"] for piece in left_out} == {"CUDA out of memory."}


# What CUDA alone has


@pytest.mark.parametrize(("capability", "tf32"), [((8, 0), True), ((9, 0), True), ((7, 5), False)])
def test_tf32_is_recorded_where_the_device_has_it(tool, monkeypatch, capability, tf32):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    card = SimpleNamespace(attention="sdpa", device=torch.device("cuda:1"))
    settings = tool.Recorder(None, card, None, None, ()).settings
    names = ["float32", *["float32 with TF32"] * tf32, "float16", "bfloat16"]
    expected = [f"{name}, {how}" for how in ("sdpa", "eager") for name in names]
    assert list(map(str, settings)) == expected


def test_a_model_without_sdpa_has_eager_attention_alone(tool):
    model = SimpleNamespace(attention="eager", device=torch.device("cpu"))
    settings = tool.Recorder(None, model, None, None, ()).settings
    assert {one.attention for one in settings} == {"eager"}


def test_tf32_is_switched_for_its_setting_alone_and_tells_keys_apart(tool, reranker):
    before = torch.get_float32_matmul_precision()
    seen = {}
    for tf32 in (True, False):
        setting = tool.Setting("float32", tf32, "eager")
        with suppress(RuntimeError), setting.of(reranker) as own:
            seen[tf32] = describe(own.device)["float32_matmul"], own.attention
            raise RuntimeError
        assert torch.get_float32_matmul_precision() == before
    assert seen == {True: ("high", "eager"), False: ("highest", "eager")}


def test_a_card_is_described(tool, monkeypatch):
    card = SimpleNamespace(major=9, minor=0, total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    facts = tool.device_facts(torch.device("cuda"))
    assert (facts["name"], facts["capability"], facts["memory"]) == ("Card", "9.0", 80 * 2**30)
    assert facts["float16_sums_in_float16"] in (True, False)


def test_without_a_gpu_the_command_says_so(tool, monkeypatch, tiny_checkpoint):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SystemExit, match="there is no cuda here"):
        tool.main(["--model", str(tiny_checkpoint)])


def test_a_variable_that_decides_over_tf32_is_refused(tool, monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(SystemExit, match="Unset it"):
        tool.main([])


# Where it is shown


def shown(monkeypatch, recording: gpu.Recording | None) -> dict[str, list]:
    """What the cells of notebook 08 say and show of a recording."""
    from analysis import sinks
    from analysis.figures import speed as views

    monkeypatch.setattr(gpu, "recorded", lambda: recording)
    (path,) = NOTEBOOKS.glob("08_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    sources = [c.source for c in cells if "recorded" in c.metadata.get("tags", [])]
    sources = [source for source in sources if "recording" in source]  # others are of runtimes
    heard = {"say": [], "show": [], "table": []}
    names = {name: lambda *said, into=into, **_: into.append(said) for name, into in heard.items()}
    exec("\n".join(sources), {"gpu": gpu, "k": 10, "sinks": sinks, "views": views, **names})
    return heard


def test_a_page_shows_a_recording(recording, monkeypatch):
    about = recording.about | {"device": recording.about["device"] | {"name": "<b>Card"}}
    missing = {"what": "speed", "forward_dtype": "float16", "tf32": True, "attention": "eager"}
    about["left_out"] = [missing | {"why": "<i>no room"}]
    heard = shown(monkeypatch, replace(recording, about=about))
    (sentence,) = heard["say"][0]
    assert about["date"] in sentence
    assert "<b>" not in sentence
    assert [name for _, name in heard["show"]] == ["08_gpu"]
    (table, _), (left_out, _) = heard["table"]
    assert len(table) == 4
    assert set(table["TF32"]) == {"off"}
    assert left_out["why"].tolist() == ["<i>no room"]


def test_a_page_without_one_says_that_no_gpu_was_used(monkeypatch):
    heard = shown(monkeypatch, None)
    assert heard["say"] == [
        ("There is no such recording: no GPU was used in making this package.",)
    ]
    assert not heard["show"]
    assert not heard["table"]


def test_the_documentation_says_that_no_gpu_was_used_as_long_as_it_is_so():
    shipped = (CHECKOUT / "docs" / "shipped.md").read_text("utf-8")
    assert ("No GPU was used" in shipped) == (gpu.recorded() is None)
