"""The catalogue of engines: which score path each takes, by version and device.

Whoever wants a path asks :mod:`analysis.engines`; this room only holds what is known. An engine
was *read* (its source, or the project's notes on it) or also *run*: then its recorded scores are
held to its paths, bit for bit (:mod:`analysis.recordings`). Nothing was run on a GPU.
"""

from analysis.catalogue.encoders import ENCODERS
from analysis.catalogue.engine import CHECKPOINT, DEVICES, Device, Engine
from analysis.catalogue.services import SERVICES
from analysis.catalogue.yes_no import YES_NO

__all__ = ["CATALOGUE", "CHECKPOINT", "DEVICES", "SERVICES", "Device", "Engine"]

CATALOGUE: tuple[Engine, ...] = (*ENCODERS, *YES_NO)
"""Every engine that is known, one entry for each range of versions that scores alike."""
