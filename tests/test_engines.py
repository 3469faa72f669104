"""The catalogue of engines: every version finds its path, and no path is only half described."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from analysis.catalogue import CATALOGUE, CHECKPOINT, DEVICES
from analysis.engines import default_paths, find_engine, known_paths, path_of, run_engines
from analysis.errors import InputError
from analysis.formats import format_of
from analysis.scorepath import ScorePath

LOGITS = np.linspace(-12, 12, 4001)
RELEASES = [f"0.0.{patch}" for patch in range(11, 79)]


def of_key(key: str) -> list:
    return [entry for entry in CATALOGUE if entry.key == key]


@pytest.mark.parametrize(
    ("engine", "version", "device", "expected"),
    [
        ("infinity", "0.0.12", "cuda", "float32 float32"),
        ("infinity", "0.0.13", "cuda", "float16 float16"),
        ("infinity", "0.0.32", "cpu", "float32 float32"),
        ("infinity", "0.0.55", "mps", "float32 float32"),
        ("infinity", "0.0.68", "cuda", "float16 float16"),
        ("infinity", "0.0.69", "cuda", "bfloat16 float32, float16 float32"),
        ("infinity", "0.0.78", "cpu", "float32 float32"),
        ("infinity-onnx", "0.0.78", "cpu", "float32 float64"),
        ("haystack", "2.31.0", "cuda", "float32 float32"),
        ("sentence-transformers", "5.7.0", "cpu", "float32 float32"),
        ("sentence-transformers", "6.0.0", "cpu", "float32 float32"),
        ("text-embeddings-inference", "1.8", "cuda", "float16 float32"),
        ("text-embeddings-inference-ort", "1.8", "cpu", "float32 float32"),
        ("vllm", "0.11", "cuda", "float32 float32"),
        ("llama.cpp", "b6674", "cpu", "float32 float32"),
    ],
)
def test_a_version_on_a_device_finds_its_path(engine, version, device, expected):
    paths = default_paths(engine, version, device=device)
    assert ", ".join(f"{p.forward_dtype} {p.activation_dtype}" for p in paths) == expected


@pytest.mark.parametrize(
    ("engine", "version", "expected"),
    [
        # transformers 4 loads float32, transformers 5 what the checkpoint holds
        ("haystack", "2.31.0", ["float32", "bfloat16"]),
        ("sentence-transformers", "5.1.2", ["float32", "bfloat16"]),
        ("sentence-transformers", "6.2.0", ["bfloat16"]),
        ("mxbai-rerank-v1", "0.1.6", ["bfloat16"]),
        ("infinity", "0.0.68", ["float16"]),
        # the head in float32 came between
        ("vllm", "0.9.1", ["bfloat16"]),
        ("vllm", "0.11", ["float32"]),
        ("vllm-yes-no", "0.11", ["bfloat16"]),
    ],
)
def test_some_engines_follow_the_checkpoint(engine, version, expected):
    paths = default_paths(engine, version, device="cuda", checkpoint_dtype="bfloat16")
    assert [path.forward_dtype for path in paths] == expected


def test_every_release_of_infinity_has_exactly_one_entry():
    for release in RELEASES:
        assert sum(entry.covers(Version(release)) for entry in of_key("infinity")) == 1
    assert not any(entry.covers(Version("0.0.10")) for entry in of_key("infinity"))


def test_ranges_of_one_engine_do_not_overlap():
    for key in {entry.key for entry in CATALOGUE}:
        versions = [
            Version(spec.version) for entry in of_key(key) for spec in SpecifierSet(entry.versions)
        ]
        for version in versions:
            assert sum(entry.covers(version) for entry in of_key(key)) <= 1


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_entries_are_whole(entry):
    assert entry.source
    assert entry.default_dtype
    assert set(entry.default_dtype) <= set(DEVICES)
    for dtypes in entry.default_dtype.values():
        assert dtypes
        assert set(dtypes) <= {*entry.paths, CHECKPOINT}
    for dtype, path in entry.paths.items():
        assert path.forward_dtype == dtype
        assert path.name.endswith(f", {dtype}")


def test_names_are_unique_and_engines_are_those_that_were_run():
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    assert [engine.name for engine in run_engines()] == [
        "Infinity 0.0.13–0.0.68",
        "Infinity 0.0.69+",
        "Haystack 2.x",
        "sentence-transformers ≤ 5",
        "sentence-transformers ≥ 6",
    ]
    assert path_of("infinity", "0.0.78", "float16").activation_dtype == "float32"


def test_onnx_and_flagembedding_evaluate_the_formula_on_python_floats():
    """A list of Python floats makes NumPy compute in float64."""
    logits = LOGITS.astype(np.float16).tolist()
    expected = 1 / (1 + np.exp(-np.array(logits)))
    for key in ("infinity-onnx", "flagembedding-normalize"):
        (entry,) = of_key(key)
        scores = entry.paths["float32"].scores(logits)
        assert scores.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mxbai_v1_casts_after_the_sigmoid_and_restores_nothing(dtype):
    logits = torch.from_numpy(LOGITS).to(getattr(torch, dtype))
    (entry,) = of_key("mxbai-rerank-v1")
    expected = torch.sigmoid(logits).float().double()
    assert entry.paths[dtype].scores(logits.double().numpy()).tolist() == expected.tolist()


@pytest.mark.parametrize("key", ["flagembedding", "mxbai-rerank-v2", "llama.cpp"])
def test_engines_without_a_sigmoid_return_logits(key):
    (entry,) = of_key(key)
    for dtype, path in entry.paths.items():
        expected = format_of(dtype).round(LOGITS).astype(np.float64)
        assert path.scores(LOGITS).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("vespa", "8.0", "cpu"), "engine: unknown engine 'vespa'.*Choose one of infinity, "),
        (("infinity", "0.0.10", "cpu"), "version: how infinity 0.0.10 scores is not known"),
        (("vllm", "0.10.1", "cuda"), "version: how vllm 0.10.1 scores is not known.*<0.10; >=0.11"),
        (("vllm", "99.0", "cuda"), "version: how vllm 99.0 scores is not known"),
        (("llama.cpp", "b", "cpu"), "version: 'b' is no version"),
        (("cohere", "3.5", "cpu"), "engine: how cohere computes its scores is not documented"),
        (("infinity", "latest", "cpu"), "version: 'latest' is no version"),
        (("haystack", "3.0", "cpu"), "version: how haystack 3.0 scores is not known.*<3"),
        (("infinity", "0.0.78", "tpu"), "device: unknown device 'tpu'.*Choose one of cuda, "),
        (("text-embeddings-inference", "1.8", "mps"), "device: .* on mps by default is not known"),
    ],
)
def test_what_is_not_known_is_said(arguments, says):
    engine, version, device = arguments
    with pytest.raises(InputError, match=says):
        default_paths(engine, version, device=device)


def test_a_checkpoint_dtype_that_the_engine_does_not_run_in_is_refused():
    with pytest.raises(InputError, match="does not run in 'float8_e5m2'"):
        default_paths(
            "sentence-transformers", "6.2.0", device="cpu", checkpoint_dtype="float8_e5m2"
        )


def test_prereleases_are_found():
    assert find_engine("sentence-transformers", "5.2.0rc1").name == "sentence-transformers ≤ 5"


def test_a_path_is_found_by_name_version_and_dtype():
    path = path_of("infinity", "0.0.32", "float16")
    assert path.name == "Infinity 0.0.13–0.0.68, float16"
    assert path_of("infinity@0.0.32:float16") is path
    assert path_of("infinity@0.0.32", forward_dtype="float16") is path
    assert path_of(path) is path
    assert path_of("forward=float16,sigmoid=stepwise") == path
    flashrank = path_of("flashrank")
    assert flashrank is path_of("flashrank", "0.2") is path_of("flashrank", None, "float32")


def test_every_known_path_is_listed_once_with_all_its_engines():
    known = known_paths()
    assert len({path.computation for path in known}) == len(known)
    names = [name for names in known.values() for name in names.split("; ")]
    assert sorted(names) == sorted(entry.name for entry in CATALOGUE for _ in entry.paths)
    engines = {path.computation: names.split("; ") for path, names in known.items()}
    for entry in CATALOGUE:
        assert all(entry.name in engines[path.computation] for path in entry.paths.values())


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("vespa",), "engine: unknown engine 'vespa'"),
        (("infinity", "0.0.32"), "forward_dtype: the dtype that .* is missing.*float32, float16"),
        (("infinity@0.0.32:bfloat16",), "forward_dtype: .* does not run in 'bfloat16'"),
        (("infinity:float16",), 'version: how infinity scores depends .*"infinity@0.0.69"'),
        (("infinity@new:float16",), "version: 'new' is no version"),
        (("haystack",), "version: how haystack|forward_dtype: the dtype"),
        (("forward=float12",), "forward: unknown dtype 'float12'"),
        (("forward=float16,activation=float12",), "activation: unknown dtype 'float12'"),
        (("forward=float16,sigmoid=hard",), "sigmoid: unknown formula 'hard'"),
        (("forward=float16,ties=random",), "ties: unknown tie rule 'random'"),
        (("forward=float16", "1.0"), "version: the path says it already"),
        (("infinity@0.0.32", "0.0.32", "float16"), "version: the path says it already"),
        ((ScorePath(), None, "float16"), "forward_dtype: the path says it already"),
        ((None,), "engine: unknown engine None"),
    ],
)
def test_a_path_that_is_not_known_is_said(asked, says):
    with pytest.raises(InputError, match=says):
        path_of(*asked)


# Yes/no language models


@pytest.mark.parametrize(
    ("engine", "version", "dtype", "computation"),
    [
        ("llama.cpp-qwen3", "b6674", "float32", "softmax over (no, yes) in float32"),
        ("sentence-transformers-yes-no", "5.4.0", "bfloat16", "yes − no in bfloat16"),
        ("sentence-transformers-yes-no", "6.2.0", "bfloat16", "yes − no in bfloat16"),
        ("mxbai-rerank-v2", "0.1.6", "bfloat16", "yes − no in bfloat16"),
        ("vllm-yes-no", "0.11", "bfloat16", "rows of the head subtracted in float32"),
        ("qwen3-reranker", None, "float16", "exp log-softmax over (no, yes) in float16"),
        ("mteb-qwen3", None, "bfloat16", "exp log-softmax over (no, yes) in float32"),
        ("monot5", None, "bfloat16", "log-softmax over (no, yes) in bfloat16"),
    ],
)
def test_a_pair_of_logits_has_a_head(engine, version, dtype, computation):
    assert computation in path_of(engine, version, dtype).parts


def test_only_rows_that_are_subtracted_first_tell_high_logits_apart():
    """Logits of 24 to 27, where bfloat16 steps by 0.125."""
    yes = 25 + np.random.default_rng(0).uniform(-0.4, 0.4, 29)
    engines = {"sentence-transformers-yes-no": "6.2.0", "mteb-qwen3": None, "vllm-yes-no": "0.11"}
    left = [
        np.unique(path_of(engine, version, "bfloat16").scores_of_pairs(np.full(29, 25.0), yes)).size
        for engine, version in engines.items()
    ]
    assert left[0] == left[1] < 10
    assert left[2] == 29


def test_llama_cpp_has_no_second_sigmoid_over_its_softmax():
    """Within [0.5, 0.731] a sigmoid was taken of a softmax; the softmax itself reaches 0.9347."""
    path = path_of("llama.cpp-qwen3", "b6674")
    assert path.saturates
    assert path.scores([2.6605]) == pytest.approx(0.9347, abs=1e-4)


def test_text_embeddings_inference_reverses_its_ties():
    assert path_of("text-embeddings-inference", "1.8", "float16").tie_rule == "reversed input order"
