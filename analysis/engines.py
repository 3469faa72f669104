"""Which score path an engine takes: by its name, its version and the dtype its network runs in.

What is known stands in :mod:`analysis.catalogue`.
"""

from __future__ import annotations

import re

from packaging.version import InvalidVersion, Version

from analysis.catalogue import CATALOGUE, CHECKPOINT, DEVICES, SERVICES, Device, Engine
from analysis.errors import InputError
from analysis.scorepath import ScorePath

_BUILD = re.compile("^b(?=[0-9])")
"""llama.cpp numbers its builds: b6674."""


def path_of(
    engine: str | ScorePath, version: str | None = None, forward_dtype: str | None = None
) -> ScorePath:
    """Return a score path: an engine's, or one in plain text.

    ``engine`` is a key of the catalogue (``"infinity"``, ``"haystack"``,
    ``"sentence-transformers"``, …). The version may be left out where all versions score alike, the
    dtype where there is only one. In plain text that is ``"infinity@0.0.32:float16"``; a path by
    hand is ``"forward=float16,sigmoid=stepwise"`` (see :meth:`.ScorePath.of_text`). A path is
    returned as it is. Raises :class:`InputError` for what is not known, saying what is, and for a
    version or dtype that is given twice.

    >>> path_of("infinity", "0.0.32", "float16") == path_of("infinity@0.0.32:float16")
    True
    >>> path_of("infinity", "0.0.32", "float16") == path_of("forward=float16,sigmoid=stepwise")
    True
    """
    by_hand = isinstance(engine, ScorePath) or (isinstance(engine, str) and "=" in engine)
    said = {}
    if not by_hand and isinstance(engine, str):
        name, _, said["forward_dtype"] = engine.partition(":")
        engine, _, said["version"] = name.partition("@")
    for field, value in (("version", version), ("forward_dtype", forward_dtype)):
        if value is not None and (by_hand or said.get(field)):
            raise InputError("the path says it already", "leave it out", field=field)
    if isinstance(engine, ScorePath):
        return engine
    if by_hand:
        return ScorePath.of_text(engine)
    version = version or said.get("version") or None
    return _path(find_engine(engine, version), forward_dtype or said.get("forward_dtype") or None)


def default_paths(
    engine: str, version: str | None, *, device: Device, checkpoint_dtype: str = "float32"
) -> tuple[ScorePath, ...]:
    """Answer "I run this engine in this version on this device": the score path it takes.

    That is the path when nobody chooses a dtype. Several, the preferred one first, where the
    hardware or a library below the engine decides among them. ``engine`` and ``version`` are as for
    :func:`path_of`, ``device`` is ``"cuda"``, ``"mps"`` or ``"cpu"``. ``checkpoint_dtype`` is what
    the model's weights are stored in; some engines follow it. Raises :class:`InputError` for what
    is not known.

    >>> [path.name for path in default_paths("infinity", "0.0.55", device="cuda")]
    ['Infinity 0.0.13–0.0.68, float16']
    """
    found = find_engine(engine, version)
    if device not in DEVICES:
        raise InputError(
            f"unknown device {device!r}", f"choose one of {', '.join(DEVICES)}", field="device"
        )
    if device not in found.default_dtype:
        raise InputError(
            f"what {found.name} runs in on {device} by default is not known here",
            f"choose its dtype yourself, one of {', '.join(found.paths)}",
            field="device",
        )
    dtypes = [
        checkpoint_dtype if dtype == CHECKPOINT else dtype for dtype in found.default_dtype[device]
    ]
    return tuple(_path(found, dtype) for dtype in dict.fromkeys(dtypes))


def find_engine(engine: str, version: str | None = None) -> Engine:
    """Return the catalogue's entry for an engine and version; see :func:`path_of`."""
    entries = [entry for entry in CATALOGUE if entry.key == engine]
    if engine in SERVICES:
        raise InputError(
            f"how {engine} computes its scores is not documented ({SERVICES[engine]})",
            "take the fingerprint of its scores",
            field="engine",
        )
    if not entries:
        known = dict.fromkeys(entry.key for entry in CATALOGUE)
        raise InputError(
            f"unknown engine {engine!r}", f"choose one of {', '.join(known)}", field="engine"
        )
    if version is None:
        if len(entries) > 1:
            raise InputError(
                f"how {engine} scores depends on its version",
                f'give it, such as "{engine}@{_example(entries[-1])}"',
                field="version",
            )
        return entries[0]
    try:
        number = Version(_BUILD.sub("", version))
    except InvalidVersion as error:
        raise InputError(
            f"{version!r} is no version", 'give it as pip does, such as "0.0.78"', field="version"
        ) from error
    for entry in entries:
        if entry.covers(number):
            return entry
    known = "; ".join(entry.versions for entry in entries)
    raise InputError(
        f"how {engine} {version} scores is not known here",
        f"these versions are known: {known}",
        field="version",
    )


def run_engines() -> tuple[Engine, ...]:
    """Return the entries that were run: their recorded scores are held to their paths."""
    return tuple(engine for engine in CATALOGUE if engine.was_run)


def known_paths() -> dict[ScorePath, str]:
    """Return every path of the catalogue once, each with the names of all engines that take it.

    Paths that differ in their tie rule alone count as one.
    """
    names: dict[str, tuple[ScorePath, list[str]]] = {}
    for engine in CATALOGUE:
        for path in engine.paths.values():
            names.setdefault(path.computation, (path, []))[1].append(engine.name)
    return {path: "; ".join(engines) for path, engines in names.values()}


def _path(engine: Engine, forward_dtype: str | None) -> ScorePath:
    if forward_dtype is None and len(engine.paths) == 1:
        return next(iter(engine.paths.values()))
    if forward_dtype not in engine.paths:
        problem = (
            f"the dtype that {engine.name} runs in is missing"
            if forward_dtype is None
            else f"{engine.name} does not run in {forward_dtype!r}"
        )
        raise InputError(problem, f"choose one of {', '.join(engine.paths)}", field="forward_dtype")
    return engine.paths[forward_dtype]


def _example(engine: Engine) -> str:
    """A version in an engine's range: the number that its range begins with."""
    return engine.versions.split(",")[0].lstrip(">=")
