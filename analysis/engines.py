"""Which score path an engine takes: by its name, its version and the device it runs on.

What is known stands in :mod:`analysis.catalogue`; its constants can be imported from here.
"""

from __future__ import annotations

from types import MappingProxyType

from packaging.version import InvalidVersion, Version

from analysis.catalogue import (
    CATALOGUE,
    CHECKPOINT,
    DEVICES,
    FLOAT32_REFERENCE,
    FORWARD_DTYPES,
    HAYSTACK_2,
    INFINITY_FROM_0_0_69,
    INFINITY_ONNX,
    INFINITY_TO_0_0_12,
    INFINITY_TO_0_0_68,
    SENTENCE_TRANSFORMERS_FROM_6,
    SENTENCE_TRANSFORMERS_TO_5,
    Device,
    Engine,
    EnginePaths,
)
from analysis.errors import InputError
from analysis.scorepath import ScorePath

__all__ = [
    "CATALOGUE",
    "CHECKPOINT",
    "DEVICES",
    "ENGINES",
    "FLOAT32_REFERENCE",
    "FORWARD_DTYPES",
    "HAYSTACK_2",
    "INFINITY_FROM_0_0_69",
    "INFINITY_ONNX",
    "INFINITY_TO_0_0_12",
    "INFINITY_TO_0_0_68",
    "SENTENCE_TRANSFORMERS_FROM_6",
    "SENTENCE_TRANSFORMERS_TO_5",
    "Engine",
    "EnginePaths",
    "engine_of",
    "engine_path",
    "find_engine",
]

ENGINES: MappingProxyType[str, EnginePaths] = MappingProxyType(
    {engine.name: engine.paths for engine in CATALOGUE if engine.was_run}
)
"""The engines that were run, by name, each a mapping from forward dtype to path."""


def engine_path(engine: str, forward_dtype: str) -> ScorePath:
    """Return the path of an engine in a forward dtype; unknown names raise :class:`InputError`.

    ``engine`` is a name in :data:`ENGINES`.
    """
    if engine not in ENGINES:
        raise InputError(
            f"unknown engine {engine!r}", f"choose one of {'; '.join(ENGINES)}", field="engine"
        )
    return _path(engine, ENGINES[engine], forward_dtype)


def engine_of(
    engine: str, version: str, *, device: Device, checkpoint_dtype: str = "float32"
) -> tuple[ScorePath, ...]:
    """Answer "I run this engine in this version on this device": the score path it takes.

    That is the path when nobody chooses a dtype. Several, the preferred one first, where the
    hardware or a library below the engine decides among them. ``engine`` is a key of the
    catalogue (``"infinity"``, ``"haystack"``, ``"sentence-transformers"``, …), ``device`` is
    ``"cuda"``, ``"mps"`` or ``"cpu"``. ``checkpoint_dtype`` is what the model's weights are stored
    in; some engines follow it. Raises :class:`InputError` for what is not known.

    >>> [path.name for path in engine_of("infinity", "0.0.55", device="cuda")]
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
    return tuple(_path(found.name, found.paths, dtype) for dtype in dict.fromkeys(dtypes))


def find_engine(engine: str, version: str) -> Engine:
    """Return the catalogue's entry for an engine and version; see :func:`engine_of`."""
    entries = [entry for entry in CATALOGUE if entry.key == engine]
    if not entries:
        known = dict.fromkeys(entry.key for entry in CATALOGUE)
        raise InputError(
            f"unknown engine {engine!r}", f"choose one of {', '.join(known)}", field="engine"
        )
    try:
        number = Version(version)
    except InvalidVersion as error:
        raise InputError(
            f"{version!r} is no version", 'give it as pip does, such as "0.0.78"', field="version"
        ) from error
    for entry in entries:
        if entry.covers(number):
            return entry
    known = "; ".join(entry.versions for entry in entries)
    raise InputError(
        f"how {engine} {version} scores is not known here", f"known: {known}", field="version"
    )


def _path(name: str, paths: EnginePaths, forward_dtype: str) -> ScorePath:
    if forward_dtype not in paths:
        raise InputError(
            f"{name} does not run in {forward_dtype!r}",
            f"choose one of {', '.join(paths)}",
            field="forward_dtype",
        )
    return paths[forward_dtype]
