"""Where things lie in a checkout; tests/test_wheel.py has the other half."""

from __future__ import annotations

from pathlib import Path

from analysis import places

ROOT = Path(__file__).parent.parent


def test_checkout_is_the_repository():
    assert places.CHECKOUT == ROOT
    assert places.PACKAGE == ROOT / "analysis"


def test_what_is_shipped_is_there():
    assert places.GERMAN.is_file()
    assert (places.MODELS / "demo" / "adapter_model.safetensors").is_file()
    assert (places.ENGINES / "engines.parquet").is_file()
    assert (places.NOTEBOOKS / "01_logit_to_score.ipynb").is_file()


def test_cache_is_beside_the_code_in_a_checkout_and_else_the_users(monkeypatch, tmp_path):
    assert places.cache_folder() == ROOT / ".cache"
    monkeypatch.setattr(places, "CHECKOUT", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert places.cache_folder().name == "rerank-precision"
    assert ROOT not in places.cache_folder().parents
