"""What to do about precision: the remedies, what each changes on given logits, which one to take.

:mod:`~analysis.remedies.table` says of each remedy what it repairs, leaves and costs, and how it is
spelled in the engines, :mod:`~analysis.remedies.networks` of those that change the network's
forward format or its batches. :func:`measure` measures them on the logits of a set;
:func:`recommend` says which one to take, and why. Verified top k has a room of its own,
:mod:`analysis.verifying`.
"""

from analysis.remedies.measuring import (
    calibration_curve,
    measure,
    measure_versions,
    version_differences,
)
from analysis.remedies.recommendation import Recommendation, recommend
from analysis.remedies.table import AS_IT_IS, FLOAT32, RAW, code_table, remedy_table

__all__ = [
    "AS_IT_IS",
    "FLOAT32",
    "RAW",
    "Recommendation",
    "calibration_curve",
    "code_table",
    "measure",
    "measure_versions",
    "recommend",
    "remedy_table",
    "version_differences",
]
