"""Fixtures that several test modules share."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pytest
from browsers import CHROMIUM, FLAGS, axe_core
from huggingface_hub.errors import LocalEntryNotFoundError
from hypothesis import settings
from matplotlib.axes import Axes
from playwright.sync_api import Browser, sync_playwright
from tiny_checkpoints import tiny_set, write_checkpoint
from tiny_language_models import NAMES, write_language_model

from analysis import checkpoints
from analysis.datasets import RerankingSet
from analysis.figures.style import style

# A busy machine is no failure: nothing here is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# No test downloads a model.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def lock() -> ModuleType:
    """The tool that writes the lists of versions."""
    tool = Path(__file__).parent.parent / "tools" / "lock.py"
    spec = importlib.util.spec_from_file_location("lock", tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """Folder of a cross-encoder with one label; tests do not change it.

    From then on torch computes on one thread: on more, tiny networks only wait.
    """
    import torch

    torch.set_num_threads(1)
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="session")
def language_models(tmp_path_factory) -> dict[str, Path]:
    """Folder of a yes/no language model of each kind, called so; tests do not change it."""
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("language")
    return {kind: write_language_model(folder / name, kind) for kind, name in NAMES.items()}


@pytest.fixture(scope="session")
def tiny_pairs() -> RerankingSet:
    """Reranking set of 24 pairs, the grade of the last one unknown."""
    return tiny_set()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Replace the Hub by one snapshot; the list holds the arguments of each download."""
    asked = []

    def snapshot_download(hub_id, **options):
        asked.append((hub_id, options))
        return str(tmp_path / "commit")

    monkeypatch.setattr(checkpoints, "snapshot_download", snapshot_download)
    return asked


@pytest.fixture
def no_hub(monkeypatch):
    def snapshot_download(hub_id, **options):
        raise LocalEntryNotFoundError("no network.\nAnd more about it")

    monkeypatch.setattr(checkpoints, "snapshot_download", snapshot_download)


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Close the figures that a test leaves open: Matplotlib counts them, and warns of many."""
    yield
    plt.close("all")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal; a shell starts what runs in its background deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ax() -> Iterator[Axes]:
    """Empty axes in the figures' style."""
    with style():
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests that need one."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, which looks for what keeps people out of a page."""
    found = axe_core()
    if found is None:
        pytest.skip("NO AXE-CORE HERE: what it finds is not known. Install npm, with a registry.")
    return found
