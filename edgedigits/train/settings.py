"""How a training is to be done: what the user said, filled up with the model's own defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from edgedigits.augment import CLOTHES, DIGITS, Augmentation
from edgedigits.data.registry import NAMES
from edgedigits.errors import RunError, UsageError
from edgedigits.models.build import Precision
from edgedigits.models.registry import get_model
from edgedigits.run import RunFolder
from edgedigits.train.epochs import KEEPS, Keep
from edgedigits.train.schedules import SCHEDULES, Schedule

PRECISIONS = ("float32", "bfloat16")
VALIDATION = 0.1  # share of the training pictures
OLDER = {  # settings that older runs lack
    "views": 0,
    "temperature": 1.0,
    "average": False,
    "keep": "best",
    "finetune": None,
    "crops": None,
    "replay": 0.0,
}


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training; None: the model's own default.

    Attributes:
        model: a name of the registry; None: that of the run to fine-tune or to resume.
        data: what :func:`edgedigits.data.registry.load_data` takes.
        epochs, batch_size: whole numbers above 0.
        learning_rate: Adam's, above 0.
        schedule: ``"constant"``; ``"cosine"``: falling to 0 over all epochs; ``"restarts"``: three
            such falls, each twice as long as the one before.
        average: whether the running mean of the weights is kept in place of the weights.
        keep: which epoch's model: ``"best"``, by the validation part, or ``"last"``, whatever that
            says: where it is small, luck chooses the best.
        augment: whether training pictures are changed as :mod:`edgedigits.augment` does.
        augment_strength: how far, above 0 to 1; small networks may underfit at 1, the default.
        early_stopping: epochs without a better one before the training ends; 0: never.
        validation: share of the training pictures held back to choose the best epoch, 0 to 1.
        seed: of split, first weights, order and augmentation.
        precision: what layers compute in while training; ``"bfloat16"`` is faster on processors
            that have it. The model written is float32 in any case.
        normalise: batch normalisation after each convolution while training, folded into it in
            the model that is kept: the same layers, learnt faster.
        init: a run folder or ``.keras`` file whose weights to start from, for every layer of the
            same name and shape; None: start from random weights.
        teacher: a run on the same data, whose model's answers are learnt beside the labels, or
            several with commas between; its validation part is taken over, so that neither of the
            two has learnt from it.
        views: changed copies of each picture that the teacher answers one by one, the student
            learning one an epoch; 0: its mean answer for a picture, however it is changed.
        temperature: by which the logarithms of its answers are divided, with views; above 0.
        finetune: a run to go on from, whose model learns labelled crops beside its own data; what
            is not said is as in that run, see :mod:`edgedigits.train.finetuning`.
        crops: the folder of labelled crops.
        replay: old pictures that an epoch shows for each crop, 0 or more.
    """

    model: str | None = None
    data: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    schedule: Schedule | None = None
    average: bool | None = None
    keep: Keep | None = None
    augment: bool | None = None
    augment_strength: float | None = None
    early_stopping: int | None = None
    validation: float | None = None
    seed: int | None = None
    precision: Precision | None = None
    normalise: bool | None = None
    init: str | None = None
    teacher: str | None = None
    views: int | None = None
    temperature: float | None = None
    finetune: str | None = None
    crops: str | None = None
    replay: float | None = None


@dataclass(frozen=True)
class Plan:
    """Settings with nothing left open; attributes as in :class:`TrainSettings`."""

    model: str
    data: str
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Schedule
    augment: bool
    augment_strength: float
    early_stopping: int
    validation: float
    seed: int
    precision: Precision
    normalise: bool = False
    init: str | None = None
    teacher: str | None = None
    views: int = 0
    temperature: float = 1.0
    average: bool = False
    keep: Keep = "best"
    finetune: str | None = None
    crops: str | None = None
    replay: float = 0.0

    @property
    def augmentation(self) -> Augmentation | None:
        """How pictures are changed; None: not at all."""
        if not self.augment:
            return None
        full = augmentation_for(self.data, get_model(self.model).training.data)
        return full.scaled(self.augment_strength)

    def to_json(self) -> dict[str, Any]:
        """As in ``run.json``, where the augmentation's amounts are recorded with it."""
        amounts = self.augmentation
        return {**asdict(self), "augmentation": None if amounts is None else asdict(amounts)}


def augmentation_for(data: str, meant_for: str = "") -> Augmentation:
    """How pictures may be changed, by what they show: clothes may be mirrored, digits may not.

    Args:
        data: the name of the data, or its path.
        meant_for: the name of the data that the model is meant for; asked where ``data`` is a path.
    """
    shown = data if data in NAMES else meant_for
    return CLOTHES if shown == "fashion-mnist" else DIGITS


def plan(settings: TrainSettings) -> Plan:
    """The settings, filled up and checked.

    Raises:
        UsageError: an unknown model, or a value that does not fit, by its option's name.
    """
    if settings.model is None:
        raise UsageError("no MODEL: name one that 'edgedigits models' lists, or --finetune a RUN")
    defaults = get_model(settings.model).training
    filled = {
        "data": defaults.data,
        "epochs": defaults.epochs,
        "batch_size": defaults.batch_size,
        "learning_rate": defaults.learning_rate,
        "schedule": "constant",
        "augment": False,
        "augment_strength": 1.0,
        "early_stopping": 0 if settings.keep == "last" else defaults.early_stopping or 0,
        "validation": VALIDATION,
        "seed": 0,
        "precision": "float32",
        "normalise": False,
        "views": 0,
        "temperature": 1.0,
        "average": False,
        "keep": "best",
        "replay": 0.0,
        **_given(settings),
    }
    made = Plan(**filled)
    _check(settings, made)
    return made


def recorded_plan(run: RunFolder, settings: TrainSettings) -> Plan:
    """The plan of an interrupted run, which settings given again may repeat but not change.

    Raises:
        UsageError: a setting given differs from the recorded one.
        RunError: the run was not made by training, or its manifest is damaged.
    """
    recorded = run.manifest().get("settings")
    if not isinstance(recorded, dict):
        raise RunError(
            f"{run.path}: was not made by 'edgedigits train'; there is nothing to resume"
        )
    try:
        known = {**OLDER, **recorded}
        made = Plan(**{field.name: known[field.name] for field in fields(Plan)})
    except KeyError as error:
        raise RunError(f"{run.manifest_file}: lacks the setting {error}; train again") from error
    for name, value in _given(settings).items():
        if value != getattr(made, name):
            what = "the model" if name == "model" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{what} is {value}, but {run.path} was begun with {getattr(made, name)}; "
                "leave it out to resume, or name another --run"
            )
    return made


def recorded_augmentation(run: RunFolder, settings: dict[str, Any]) -> Augmentation | None:
    """How a run's training changed its pictures, by the ``settings`` of its manifest.

    Raises:
        RunError: the record is damaged.
    """
    amounts = settings.get("augmentation")
    try:
        return (
            None if amounts is None else Augmentation(**{k: float(v) for k, v in amounts.items()})
        )
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{run.manifest_file}: damaged, settings.augmentation is not what training records; "
            "make the run again"
        ) from error


def _given(settings: TrainSettings) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if value is not None}


def above_0(found: float) -> str:
    """What a number that may not be this one must be, for a message."""
    return "finite" if found == float("inf") else "above 0"


def _check(settings: TrainSettings, made: Plan) -> None:
    for name in ("epochs", "batch_size", "learning_rate"):
        value = getattr(made, name)
        if not 0 < value < float("inf"):
            raise UsageError(
                f"--{name.replace('_', '-')} is {value:g}; it must be {above_0(value)}"
            )
    if settings.teacher is not None and settings.validation is not None:
        raise UsageError(
            "--validation and --teacher exclude each other: the validation part is the teacher's"
        )
    if settings.teacher is None and (settings.views or settings.temperature):
        raise UsageError("--views and --temperature need a --teacher")
    if not 0 <= made.replay < float("inf"):
        raise UsageError(f"--replay is {made.replay:g}; it must be 0 or more")
    if made.views < 0:
        raise UsageError(f"--views is {made.views}; it must be 0 or more")
    if not 0 < made.temperature < float("inf"):
        raise UsageError(
            f"--temperature is {made.temperature:g}; it must be {above_0(made.temperature)}"
        )
    if made.early_stopping < 0:
        raise UsageError(f"--early-stopping is {made.early_stopping}; it must be 0 or more")
    if made.early_stopping and made.keep == "last":
        raise UsageError(
            "--early-stopping and --keep last exclude each other: one goes by the validation part, "
            "the other does not; leave one out"
        )
    if not 0 < made.augment_strength <= 1:
        raise UsageError(
            f"--augment-strength is {made.augment_strength:g}; it must be above 0, 1 at most"
        )
    if not 0 < made.validation < 1:
        raise UsageError(f"--validation is {made.validation:g}; it must lie between 0 and 1")
    if made.seed < 0:
        raise UsageError(f"--seed is {made.seed}; it must be 0 or more")
    for name, choices in (("schedule", SCHEDULES), ("precision", PRECISIONS), ("keep", KEEPS)):
        value = getattr(made, name)
        if value not in choices:
            *first, last = choices
            raise UsageError(f"--{name} is {value}; it must be {', '.join(first)} or {last}")
