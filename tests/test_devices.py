"""Devices: what is picked, and what a machine's description holds."""

from __future__ import annotations

import pytest
import torch

from analysis import devices
from analysis.errors import InputError


@pytest.fixture
def hardware(monkeypatch):
    """Pretend that there are some GPUs, or a Mac."""

    def pretend(gpus: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("gpus", "mps", "best"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_best_device_is_picked(hardware, gpus, mps, best):
    hardware(gpus, mps)
    assert devices.pick() == torch.device(best)


def test_named_device_is_picked(hardware):
    hardware(gpus=2)
    assert devices.pick("cpu") == torch.device("cpu")
    assert devices.pick("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["cuda:2", "mps", "meta", "cpu:1"])
def test_absent_device_is_an_error(hardware, name):
    hardware(gpus=2)
    with pytest.raises(InputError, match=f"there is no {name} here. Choose cuda or cpu"):
        devices.pick(name)


def test_unknown_device_is_an_error(hardware):
    hardware()
    with pytest.raises(InputError, match=r"'gpu' is no device. Choose cpu"):
        devices.pick("gpu")


def test_description_of_a_cpu_changes_with_threads_and_settings(monkeypatch):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    before = devices.describe(torch.device("cpu"))
    assert before["capability"] == torch.backends.cpu.get_cpu_capability()
    assert before["threads"] == torch.get_num_threads()
    assert before["name"]
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert devices.describe(torch.device("cpu")) != before


def test_description_of_a_gpu_names_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    described = devices.describe(torch.device("cuda", 1))
    assert described["kind"] == "cuda"
    assert described["name"] == "card 1"
    assert "threads" not in described


def test_libraries_have_versions(monkeypatch):
    assert devices.libraries()["torch"] == torch.__version__
    monkeypatch.setattr(devices, "_LIBRARIES", ("no-such-library",))
    assert devices.libraries() == {"no-such-library": None}
