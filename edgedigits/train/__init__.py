"""Training: settings, fitting with every step reported, and a state that survives a kill."""

from edgedigits.train.epochs import BestWeights, EpochResult, best_epoch
from edgedigits.train.fitting import fit
from edgedigits.train.importing import ImportResult, import_model
from edgedigits.train.measuring import measure, scores
from edgedigits.train.result import TrainResult
from edgedigits.train.settings import TrainSettings
from edgedigits.train.state import load_history, save_model
from edgedigits.train.training import resume, train

__all__ = [
    "BestWeights",
    "EpochResult",
    "ImportResult",
    "TrainResult",
    "TrainSettings",
    "best_epoch",
    "fit",
    "import_model",
    "load_history",
    "measure",
    "resume",
    "save_model",
    "scores",
    "train",
]
