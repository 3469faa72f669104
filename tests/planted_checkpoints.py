"""Checkpoints in which something is planted: code that must not run, files that must not be read.

Whatever is planted writes a file, the canary, once it runs. ``PLANTED`` names each, with what a
loader has to say of it: a regular expression, or None where the checkpoint loads as if nothing
were planted.
"""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Plant = Callable[[Path, Path], object]
"""Plants something into a checkpoint's folder, given the canary's path."""


@dataclass(frozen=True)
class Planted:
    """What is planted, and what is said of it."""

    plant: Plant
    expects: str | None


class Payload:
    """Unpickling it runs code."""

    def __init__(self, canary: Path) -> None:
        self.code = code(canary)

    def __reduce__(self) -> tuple:
        return exec, (self.code,)


def code(canary: Path) -> str:
    """Python that writes the canary."""
    return f"open({str(canary)!r}, 'w').close()\n"


def change(file: Path, **values: object) -> None:
    """Set values in a JSON file, which may not be there yet."""
    held = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps(held | values), encoding="utf-8")


def configured(**values: object) -> Plant:
    """Set values in the configuration."""
    return lambda folder, _: change(folder / "config.json", **values)


def tokenized(**values: object) -> Plant:
    """Set values in the tokeniser's configuration."""
    return lambda folder, _: change(folder / "tokenizer_config.json", **values)


def with_code(name: str, planted: Plant | None = None) -> Plant:
    """Write code into a file of the folder, and plant what should run it."""

    def plant(folder: Path, canary: Path) -> None:
        names = ("Own", "OwnConfig", "OwnModel", "OwnTokenizer")
        classes = "".join(f"class {name}: pass\n" for name in names)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code(canary) + classes, encoding="utf-8")
        if planted is not None:
            planted(folder, canary)

    return plant


def pickled(name: str, *, alone: bool = False, legacy: bool = False) -> Plant:
    """Write a pickle that runs code, as torch stores it; ``alone`` removes the safetensors."""

    def plant(folder: Path, canary: Path) -> None:
        payload = pickle.dumps({"weight": Payload(canary)}, protocol=2)
        if legacy:
            (folder / name).write_bytes(payload)
        else:
            with zipfile.ZipFile(folder / name, "w") as archive:
                archive.writestr("archive/data.pkl", payload)
                archive.writestr("archive/version", "3\n")
                archive.writestr("archive/byteorder", "little")
        if alone:
            (folder / "model.safetensors").unlink(missing_ok=name != "model.safetensors")

    return plant


def weights(header: bytes | dict, body: bytes = b"", length: int | None = None) -> Plant:
    """Replace the weights by a safetensors file with this header and body."""

    def plant(folder: Path, _: Path) -> None:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        size = struct.pack("<Q", len(text) if length is None else length)
        (folder / "model.safetensors").write_bytes(size + text + body)

    return plant


def tensor(start: int, end: int, **others: object) -> dict:
    """A header with one tensor."""
    return {"w": {"dtype": "F32", "shape": [1], "data_offsets": [start, end]} | others}


def adapter(folder: Path, canary: Path) -> None:
    """Lay an adapter beside the weights: another base, code to import, a pickle."""
    other = folder.parent / "other"
    with_code("own.py")(folder, canary)
    change(
        folder / "adapter_config.json",
        base_model_name_or_path=str(other),
        peft_type="LORA",
        task_type="SEQ_CLS",
        auto_mapping={"base_model_class": "Own", "parent_library": "own"},
    )
    pickled("adapter_model.bin")(folder, canary)


def index_of_pickles(folder: Path, canary: Path) -> None:
    """Name a pickle in an index of safetensors."""
    pickled("evil.bin", alone=True)(folder, canary)
    change(folder / "model.safetensors.index.json", weight_map={"w": "evil.bin"})


def link(name: str, target: str) -> Plant:
    """Replace a file by a link."""

    def plant(folder: Path, _: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return plant


def deep(name: str) -> Plant:
    """Replace a file by arrays within arrays."""
    return lambda folder, _: (folder / name).write_text("[" * 100_000, encoding="utf-8")


def training(folder: Path, canary: Path) -> None:
    """Lay beside what a training leaves: pickles all of them."""
    for name in ("training_args.bin", "rng_state.pth", "optimizer.pt", "scheduler.pt"):
        pickled(name)(folder, canary)


def other_names(folder: Path, canary: Path) -> None:
    """Lay everything beside that some library runs by its name alone."""
    for name in ("sitecustomize.py", "conftest.py", "setup.py", "torch.py", "config.py"):
        with_code(name)(folder, canary)
    with_code("__init__.py")(folder, canary)
    change(folder / "handler.json", handler="handler.EndpointHandler")
    with_code("handler.py")(folder, canary)
    with_code("custom_generate/generate.py")(folder, canary)


def modules(folder: Path, canary: Path) -> None:
    """List a module of its own, as sentence-transformers would import it."""
    with_code("own.py")(folder, canary)
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "path": "", "type": "own.Own"}]))
    change(folder / "config_sentence_transformers.json", activation_fn="own.Own")


OWN = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
KERNEL = "somebody/kernel"
PLANTED: dict[str, Planted] = {
    # pickles
    "a pickle alone": Planted(pickled("pytorch_model.bin", alone=True), "only pickled weights"),
    "an old pickle alone": Planted(
        pickled("pytorch_model.bin", alone=True, legacy=True), "only pickled weights"
    ),
    "a pickle beside": Planted(pickled("pytorch_model.bin"), None),
    "a pickle called safetensors": Planted(
        pickled("model.safetensors", legacy=True), "damaged or cut short"
    ),
    "an archive of a pickle called safetensors": Planted(
        pickled("model.safetensors"), "damaged or cut short"
    ),
    "a pickle in an index of safetensors": Planted(index_of_pickles, "no .safetensors file"),
    "the state of a training": Planted(training, None),
    "an adapter beside": Planted(adapter, "there is an adapter beside the weights"),
    # code
    "code of a model": Planted(
        with_code("own.py", configured(model_type="own", auto_map=OWN)), "trust_remote_code"
    ),
    "code of a known model": Planted(with_code("own.py", configured(auto_map=OWN)), None),
    "code of a repository": Planted(
        configured(model_type="own", auto_map={k: f"somebody/own--{v}" for k, v in OWN.items()}),
        "trust_remote_code",
    ),
    "code outside": Planted(
        with_code("../own.py", configured(model_type="own", auto_map={"AutoConfig": "../own.Own"})),
        "trust_remote_code",
    ),
    "code that trusts itself": Planted(
        with_code("own.py", configured(model_type="own", auto_map=OWN, trust_remote_code=True)),
        "trust_remote_code",
    ),
    "code of a network within": Planted(
        with_code(
            "own.py",
            configured(
                model_type="lightglue",
                trust_remote_code=True,
                keypoint_detector_config={
                    "model_type": "own",
                    "auto_map": OWN,
                    "trust_remote_code": True,
                    "_name_or_path": ".",
                },
            ),
        ),
        "cannot be loaded",
    ),
    "code of a tokeniser": Planted(
        with_code(
            "own.py",
            tokenized(
                tokenizer_class="OwnTokenizer",
                auto_map={"AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"]},
            ),
        ),
        "the tokeniser is code of the checkpoint, 'OwnTokenizer'",
    ),
    "code beside a known tokeniser": Planted(
        with_code("own.py", tokenized(auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]})),
        None,
    ),
    "code by its name": Planted(other_names, None),
    "a module of its own": Planted(modules, None),
    "a kernel for attention": Planted(
        configured(
            _attn_implementation=KERNEL,
            _attn_implementation_internal=KERNEL,
            attn_implementation=KERNEL,
            _experts_implementation_internal=KERNEL,
            use_kernels=True,
        ),
        None,
    ),
    "an activation to import": Planted(
        with_code("own.py", configured(hidden_act="own.Own")), "cannot be loaded"
    ),
    "a dtype to evaluate": Planted(
        configured(dtype="__import__('os').system('true')"), "cannot be loaded"
    ),
    "an unknown quantisation": Planted(
        configured(quantization_config={"quant_method": "own.Own", "modules": "own"}), None
    ),
    # paths
    "a name that leads elsewhere": Planted(
        configured(_name_or_path="../other", name_or_path="/etc"), None
    ),
    "a tokeniser that lies elsewhere": Planted(
        tokenized(
            tokenizer_file="/etc/passwd", vocab_file="../../x", name_or_path="/", special="/etc"
        ),
        None,
    ),
    "weights that are a device": Planted(link("model.safetensors", "/dev/zero"), "a device"),
    "a configuration that is a device": Planted(link("config.json", "/dev/zero"), "a device"),
    "weights that are their own link": Planted(
        link("model.safetensors", "model.safetensors"), "no model.safetensors"
    ),
    "a link to another kind of file": Planted(
        link("model.safetensors", "/etc/passwd"), "damaged or cut short"
    ),
    # headers
    "a header longer than the file": Planted(weights(b"{}", length=2**62), "damaged"),
    "a header of 64 bits": Planted(weights(b"{}", length=2**64 - 1), "damaged"),
    "a header that is no JSON": Planted(weights(b"pickle" * 10), "damaged"),
    "a header of 100,000 arrays": Planted(weights(b"[" * 100_000), "damaged"),
    "offsets beyond the file": Planted(weights(tensor(0, 2**40), bytes(4)), "damaged"),
    "offsets backwards": Planted(weights(tensor(4, 0), bytes(4)), "damaged"),
    "offsets below zero": Planted(weights(tensor(-4, 0), bytes(4)), "damaged"),
    "tensors one upon another": Planted(
        weights(tensor(0, 4) | {"v": tensor(0, 4)["w"]}, bytes(4)), "damaged"
    ),
    "a shape that overflows": Planted(
        weights(tensor(0, 4, shape=[2**33, 2**33]), bytes(4)), "damaged"
    ),
    "a dtype that is none": Planted(weights(tensor(0, 4, dtype="exec"), bytes(4)), "damaged"),
    "bytes behind the weights": Planted(weights(tensor(0, 4), bytes(64)), "damaged"),
    "weights of hostile names": Planted(
        weights({"../../x\x1b[31m": tensor(0, 4)["w"]}, bytes(4)), "lacks"
    ),
    # tokenisers and sizes
    "a tokeniser of 100,000 arrays": Planted(deep("tokenizer.json"), "cannot be loaded"),
    "a tokeniser's configuration of 100,000 arrays": Planted(
        deep("tokenizer_config.json"), "cannot be loaded"
    ),
    "a configuration of 100,000 arrays": Planted(deep("config.json"), "cannot be loaded"),
    "a vocabulary of a billion words": Planted(configured(vocab_size=10**9), "cannot be loaded"),
    "layers below zero": Planted(configured(num_hidden_layers=-1), "no place for"),
}
