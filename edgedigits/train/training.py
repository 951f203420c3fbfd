"""Training a model of the registry into a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgedigits.data.crop_labels import NAMES as CROP_NAMES
from edgedigits.data.crops import CropSet, for_classes
from edgedigits.data.registry import NAMES as DATA_NAMES
from edgedigits.data.registry import load_data
from edgedigits.errors import RunError, UsageError
from edgedigits.files import file_digest, write_text
from edgedigits.models.build import build, fold
from edgedigits.models.registry import get_model
from edgedigits.new_run import check_new_run, create_run
from edgedigits.progress import SILENT, Progress
from edgedigits.provenance import code_digest, command_line, host_facts, package_versions
from edgedigits.run import RunFolder, resume_command
from edgedigits.run_data import (
    RunData,
    apply_split,
    data_record,
    load_run_data,
    with_crops,
)
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.averaging import averaged_copy
from edgedigits.train.batches import statistics_inputs
from edgedigits.train.distillation import (
    Teacher,
    load_teacher,
    mean_targets,
    teacher_runs,
)
from edgedigits.train.epochs import EpochResult, best_epoch, kept_epoch
from edgedigits.train.finetuning import (
    choosing_pictures,
    crops_to_learn,
    filled_from_run,
    finetuning_record,
    old_data_dir,
    replayed,
)
from edgedigits.train.fitting import check_labels, fit, steps_of
from edgedigits.train.lessons import lessons
from edgedigits.train.result import TrainResult, finish
from edgedigits.train.settings import Plan, TrainSettings, plan, recorded_plan
from edgedigits.train.splitting import split_for
from edgedigits.train.starting import init_file, start_from
from edgedigits.train.state import (
    checkpoint_file,
    load_checkpoint,
    save_epoch,
)

PACKAGES = ("tensorflow", "tf-keras", "numpy", "opencv-python-headless")


def train(
    settings: TrainSettings,
    path: Path,
    *,
    data_dir: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train a model of the registry into a new run folder.

    Args:
        settings: what to train, and how.
        path: the run folder to make.
        data_dir: where downloaded data lies.
        overwrite: move an existing run to ``NAME.previous`` first.
        progress: told of every step and epoch.

    Raises:
        UsageError: a setting does not fit, or the run exists.
        MissingPackageError: the extra ``train`` is not installed.
        ModelFileError: the file to start from cannot be used, or no layer of it fits.
        DataError: the data cannot be read, has no labels, or labels outside the model's head.
        RunError: the run folder cannot be written.
        TrainingError: training diverged.
        KeyboardInterrupt: the user stopped it; the best model so far is in the run.
    """
    made = plan(settings if settings.finetune is None else filled_from_run(settings))
    check_new_run(path, overwrite=overwrite, resume=True, sources=_sources(made))
    import_tf_keras("training")
    if made.finetune is not None and data_dir is None:
        data_dir = old_data_dir(made)
    dataset = load_data(made.data, data_dir=data_dir, progress=progress)
    if isinstance(dataset, CropSet):
        dataset = for_classes(dataset, CROP_NAMES[: get_model(made.model).classes])
    check_labels(dataset.train, get_model(made.model).classes, dataset.name)
    split = split_for(made, dataset, progress)
    made = replace(made, validation=split.fraction)
    data = apply_split(dataset, split)
    if made.finetune is not None:
        data = with_crops(data, crops_to_learn(made, data.class_names, progress))
    model = _first_model(made, progress)  # before the folder, as what it starts from may not fit
    teachers = _teachers(made)
    run = create_run(path, overwrite=overwrite)
    _write_manifest(run, made, data, data_record(dataset, made.data, data_dir))
    split.save(run)
    if data.crops is not None:
        data.crops.save(run)
    return _train(run, made, data, model, teachers, (), progress)


def resume(
    settings: TrainSettings,
    path: Path,
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> TrainResult:
    """Go on with an interrupted training, from the last complete epoch.

    The result is as good as an uninterrupted one but not the same to the last bit: dropout draws
    anew.

    Args:
        settings: may repeat the recorded ones, not change them.
        path: the run folder.
        data_dir: where downloaded data lies; None: where it lay before.
        progress: told of every step and epoch.

    Raises:
        UsageError: there is no such run, its training is complete, or a setting differs.
        RunError: the run is damaged, or its data has changed.
        Others as :func:`train`.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such run folder; there is nothing to resume")
    run = RunFolder(path)
    made = recorded_plan(run, settings)
    if run.manifest().get("training", {}).get("complete"):
        checkpoint_file(run).unlink(missing_ok=True)
        raise UsageError(f"{path}: its training is complete; there is nothing to resume")
    import_tf_keras("training")
    data = load_run_data(run, data_dir=data_dir, progress=progress)
    teachers = _teachers(made)
    steps = steps_of(data.train, made.batch_size, replayed(data, made))
    checkpoint = load_checkpoint(run, steps, _finisher(made, data), made.keep)
    if checkpoint is None:
        return _train(run, made, data, _first_model(made, progress), teachers, (), progress)
    progress.say(f"resuming {path} after epoch {len(checkpoint.results)} of {made.epochs}")
    return _train(run, made, data, checkpoint.model, teachers, checkpoint.results, progress)


def _sources(made: Plan) -> list[tuple[str, Path]]:
    """What a training starts from, by its options; UsageError where a run or file is missing."""
    found = []
    if made.finetune is not None:
        found.append((f"--finetune {made.finetune}", Path(made.finetune)))
    elif made.init is not None:
        found.append((f"--init {made.init}", init_file(made.init)))
    if made.teacher is not None:
        found += [(f"--teacher {run.path}", run.path) for run in teacher_runs(made.teacher)]
    for option, data in (
        ("--with" if made.finetune else "--data", made.data),
        ("--data", made.crops),
    ):
        if data is not None and data not in DATA_NAMES:
            found.append((f"{option} {data}", Path(data).expanduser()))
    return found


def _write_manifest(run: RunFolder, made: Plan, data: RunData, record: dict[str, Any]) -> None:
    spec = get_model(made.model)
    run.update_manifest(
        command=command_line(),
        model={
            "name": made.model,
            "origin": "registry",
            "input_shape": list(spec.input_shape),
            "classes": spec.classes,
            "input_range": [0.0, 1.0],
        },
        data=record,
        seed=made.seed,
        settings=made.to_json(),
        init_sha256=None if made.init is None else file_digest(init_file(made.init)),
        teacher_sha256=None
        if made.teacher is None
        else ",".join(file_digest(run.model_file()) for run in teacher_runs(made.teacher)),
        pictures={
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        versions=package_versions(*PACKAGES),
        code=code_digest(),
        host=host_facts(),
        training={"complete": False},
        **({} if data.crops is None else finetuning_record(made, data.crops)),
    )


def _first_model(made: Plan, progress: Progress) -> Any:
    """The model before its first step."""
    import_tf_keras().utils.set_random_seed(made.seed)
    model = build(get_model(made.model), made.precision, normalised=made.normalise)
    if made.init is not None:
        progress.say(start_from(model, init_file(made.init)))
    return model


def _teachers(made: Plan) -> list[Teacher]:
    if made.teacher is None:
        return []
    spec = get_model(made.model)
    return [
        load_teacher(run, spec.input_shape, spec.classes, made.precision)
        for run in teacher_runs(made.teacher)
    ]


def _train(
    run: RunFolder,
    made: Plan,
    data: RunData,
    model: Any,
    teachers: list[Teacher],
    done: tuple[EpochResult, ...],
    progress: Progress,
) -> TrainResult:
    for note in data.notes:
        progress.say(f"note: {note}")
    if not done:
        summary = summary_text(fold(model, get_model(made.model)) if made.normalise else model)
        write_text(run.path / "summary.txt", summary)
        progress.say(summary)
    results = list(done)
    finished = _finisher(made, data)

    def after_epoch(so_far: tuple[EpochResult, ...]) -> bool:
        ends = len(so_far) == made.epochs or _enough(so_far, made.early_stopping)
        save_epoch(run, model, so_far, last=ends, finished=finished, keep=made.keep)
        results[:] = so_far
        return ends

    try:
        if not _enough(done, made.early_stopping):
            targets = taught = None
            if teachers and made.views:
                taught = lessons(
                    teacher_runs(made.teacher or ""),
                    teachers,
                    data.train,
                    made.augmentation,
                    views=made.views,
                    temperature=made.temperature,
                    progress=progress,
                )
            elif teachers:
                targets = mean_targets(
                    teachers, data.train, made.augmentation, seed=made.seed, progress=progress
                )
            fit(
                model,
                data.train,
                choosing_pictures(data),
                epochs=made.epochs,
                batch_size=made.batch_size,
                learning_rate=made.learning_rate,
                schedule=made.schedule,
                average=made.average,
                augmentation=made.augmentation,
                targets=targets,
                lessons=taught,
                picked=replayed(data, made),
                seed=made.seed,
                progress=progress,
                done=done,
                after_epoch=after_epoch,
                what=f"training {made.model}",
            )
        return finish(run, made, data, tuple(results), progress)
    except KeyboardInterrupt:
        progress.say(f"interrupted {_left(run, made, results)}")
        raise
    except RunError:
        progress.say(f"stopped {_left(run, made, results)}")
        raise


def _finisher(made: Plan, data: RunData) -> Callable[[Any], Any]:
    """From the model as trained to the model that is kept."""
    spec = get_model(made.model)
    shown = None
    if made.average:
        shown = statistics_inputs(
            data.train,
            seed=made.seed,
            augmentation=made.augmentation,
            input_shape=spec.input_shape,
        )

    def finished(model: Any) -> Any:
        if shown is not None:
            model = averaged_copy(model, shown)
        return fold(model, spec) if made.normalise else model

    return finished


def _enough(results: tuple[EpochResult, ...], patience: int) -> bool:
    """Whether the last ``patience`` epochs brought nothing better."""
    return bool(patience and results and len(results) - best_epoch(results).epoch >= patience)


def _left(run: RunFolder, made: Plan, results: list[EpochResult]) -> str:
    """What a training that ended early leaves, and how to go on with it."""
    if not results:
        return (
            f"before the first epoch was complete: {run.path} holds no model yet; "
            f"{resume_command(run.path)} begins again"
        )
    kept = kept_epoch(results, made.keep)
    return (
        f"after {len(results)} complete epochs: {run.model_file()} holds the {made.keep} one "
        f"(epoch {kept.epoch}, validation accuracy {kept.val_accuracy:.4f}); "
        f"{resume_command(run.path)} goes on"
    )


def summary_text(model: Any) -> str:
    """Keras's own table of a model: layers, output shapes, parameters."""
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=78)
    return "\n".join(line.rstrip() for line in lines)
