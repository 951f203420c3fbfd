"""Which layer quantisation broke: a run's exported files, or any file, against the float model."""

from edgedigits.diagnose.diagnosing import Reference, diagnose_variant
from edgedigits.diagnose.measure import RangeUse
from edgedigits.diagnose.result import Diagnosis, Flip, LayerError, VariantDiagnosis
from edgedigits.diagnose.targets import DEFAULT_PICTURES, Diagnosed, diagnose_file, diagnose_run

__all__ = [
    "DEFAULT_PICTURES",
    "Diagnosed",
    "Diagnosis",
    "Flip",
    "LayerError",
    "RangeUse",
    "Reference",
    "VariantDiagnosis",
    "diagnose_file",
    "diagnose_run",
    "diagnose_variant",
]
