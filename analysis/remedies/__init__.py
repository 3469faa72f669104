"""What to do about precision: the remedies, what each changes on given logits, which one to take.

:mod:`~analysis.remedies.table` says of each remedy what it repairs, leaves and costs, and how it is
spelled in the engines; :mod:`~analysis.remedies.effects` measures them on the logits of a set;
:func:`recommend` turns a measured situation into the one to take, with its reasons. Verified top k
has a module of its own, :mod:`analysis.verifying`.
"""

from analysis.remedies.effects import (
    calibrated,
    calibration_curve,
    measure,
    measure_versions,
    version_differences,
    version_sentence,
)
from analysis.remedies.recommendation import Recommendation, recommend
from analysis.remedies.situation import Situation, situation_of
from analysis.remedies.table import (
    AS_IT_IS,
    CALIBRATION,
    FINE_TUNING,
    FLOAT32,
    HPS,
    RAW,
    REMEDIES,
    VERIFIED,
    Remedy,
    code_table,
    remedy_table,
)

__all__ = [
    "AS_IT_IS",
    "CALIBRATION",
    "FINE_TUNING",
    "FLOAT32",
    "HPS",
    "RAW",
    "REMEDIES",
    "VERIFIED",
    "Recommendation",
    "Remedy",
    "Situation",
    "calibrated",
    "calibration_curve",
    "code_table",
    "measure",
    "measure_versions",
    "recommend",
    "remedy_table",
    "situation_of",
    "version_differences",
    "version_sentence",
]
