"""The search itself: a queue of candidates in an Optuna study, worked off by one process or many.

Everything that is tried is enqueued first and then taken from the queue, which the storage lets
one worker do only. Two workers may enqueue the same candidate; the later one is then closed unseen.
A trial that was begun and not finished, because its worker ended, is enqueued again.
"""

from __future__ import annotations

import gzip
import os
import platform
import time
from dataclasses import fields
from typing import Any

from edgedigits.device.classifier import Classifier
from edgedigits.errors import ConversionError, TrainingError
from edgedigits.evaluate import Part, answer
from edgedigits.files import file_digest
from edgedigits.metrics import compare_paired
from edgedigits.progress import Progress
from edgedigits.shrink.candidate import Candidate
from edgedigits.shrink.planning import next_stage, space
from edgedigits.shrink.result import Limit, Trial
from edgedigits.shrink.storage import Heartbeat, load_optuna
from edgedigits.shrink.travelling import pack
from edgedigits.shrink.workshop import Workshop

STAGE, RESULT, DUPLICATE, WORKER = "stage", "result", "duplicate", "worker"
FIXED = "fixed_params"  # where Optuna keeps what an enqueued trial is to be
CANNOT_TELL = "Cannot tell a"  # begins what Optuna says of a trial that was ended elsewhere
SECONDS_BETWEEN_LOOKS = 1.0


class Search:
    """One worker's part in a search."""

    def __init__(
        self,
        study: Any,
        workshop: Workshop,
        limit: Limit,
        *,
        most: int,
        shared: bool,
        heartbeat: Heartbeat,
        progress: Progress,
    ) -> None:
        """Measure the float32 file on the validation part; nothing is tried yet.

        Args:
            study: an ``optuna.Study``, from :func:`edgedigits.shrink.storage.open_study`.
            workshop: makes the files. limit: what is wanted. most: trials at most.
            shared: whether other workers may be at work on the study.
            heartbeat: of them. progress: told of every trial.
        """
        self._optuna = load_optuna()
        self._study = study
        self._workshop = workshop
        self._limit = limit
        self._most = most
        self._shared = shared
        self._progress = progress
        self._unsigned = _Unsigned(heartbeat.grace)
        data = workshop.data
        self._part = Part(data.validation, data.class_names, data.dataset.name, "validation")
        self._layers = workshop.facts.dense
        progress.update("measuring float32 on the validation part", 0, None)
        self.float32_file = workshop.float32()
        self._float32 = answer(Classifier(self.float32_file, trust=True), self._part)
        assert data.validation.labels is not None
        right = self._float32.scores.argmax(axis=1) == data.validation.labels
        self.float32_accuracy = float(right.mean())

    def run(self) -> tuple[Trial, ...]:
        """Work until nothing is left to try; returns all trials, other workers' too.

        Raises:
            KeyboardInterrupt: nothing is lost; a further search goes on.
            RunError, StorageError: files cannot be written, or the storage is gone.
        """
        if not self._shared:
            self._give_up_running()
        while True:
            self._reclaim()
            trials = self._study.get_trials(deepcopy=False)
            states = self._optuna.trial.TrialState
            if any(trial.state == states.WAITING for trial in trials):
                self._work_off_one()
            elif any(trial.state == states.RUNNING for trial in trials):
                self._progress.update("waiting for other workers", 0, None)
                time.sleep(SECONDS_BETWEEN_LOOKS)
            elif not self._enqueue_next():
                return self.trials()

    def _work_off_one(self) -> None:
        """Take a trial of the queue, if another worker does not; it may be lost on the way."""
        try:
            self._study.optimize(self._objective, n_trials=1)
        except (ValueError, self._optuna.exceptions.UpdateFinishedTrialError) as error:
            if isinstance(error, ValueError) and not str(error).startswith(CANNOT_TELL):
                raise
            self._progress.say(
                "a trial was taken over by another worker: this one gave no sign of life for long"
            )

    def trials(self) -> tuple[Trial, ...]:
        """All finished trials, those of other workers included."""
        finished = []
        for trial in self._study.get_trials(deepcopy=False):
            if RESULT in trial.user_attrs and trial.state.is_finished():
                figures = trial.user_attrs[RESULT]
                known = {field.name for field in fields(Trial)}
                finished.append(
                    Trial(
                        number=trial.number,
                        candidate=_candidate(trial),
                        stage=trial.user_attrs.get(STAGE, ""),
                        **{key: value for key, value in figures.items() if key in known},
                    )
                )
        return tuple(finished)

    def _enqueue_next(self) -> bool:
        trials = self.trials()
        room = self._most - len(trials)
        stage = next_stage(trials, self._workshop.facts, self._limit) if room > 0 else None
        for candidate in () if stage is None else stage.candidates[:room]:
            assert stage is not None
            self._enqueue(candidate, stage.name)
        return stage is not None

    def _enqueue(self, candidate: Candidate, stage: str) -> None:
        params = candidate.params(self._layers)
        self._study.enqueue_trial(params, user_attrs={STAGE: stage})

    def _reclaim(self) -> None:
        """Enqueue again what was begun and never finished."""
        if self._shared:
            self._optuna.storages.fail_stale_trials(self._study)
        trials = self._study.get_trials(deepcopy=False)
        failed = self._optuna.trial.TrialState.FAIL
        for trial in trials:
            if self._shared and self._unsigned.for_long(trial):
                self._fail(trial)
        present = {_candidate(t) for t in trials if t.state != failed and FIXED in t.system_attrs}
        for trial in trials:
            if trial.state == failed and FIXED in trial.system_attrs:
                candidate = _candidate(trial)
                if candidate not in present:
                    present.add(candidate)
                    self._enqueue(candidate, trial.user_attrs.get(STAGE, ""))

    def _give_up_running(self) -> None:
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == self._optuna.trial.TrialState.RUNNING:
                self._fail(trial)

    def _fail(self, trial: Any) -> None:
        exceptions = self._optuna.exceptions
        try:
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
        except (ValueError, exceptions.UpdateFinishedTrialError):
            return  # another worker was faster

    def _objective(self, trial: Any) -> tuple[float, float]:
        pruned = self._optuna.TrialPruned
        frozen = self._study.get_trials(deepcopy=False)[trial.number]
        if FIXED not in frozen.system_attrs:  # another worker took the last one of the queue
            raise pruned
        if self._has_twin(frozen):
            trial.set_user_attr(DUPLICATE, True)
            raise pruned
        trial.set_user_attr(WORKER, _worker())
        _show_params(trial, space(self._workshop.facts))
        candidate = _candidate(frozen)
        label = candidate.label(self._layers)
        self._progress.update(f"trial {trial.number}: {label}", 0, None)
        began = time.perf_counter()
        try:
            figures = self._measured(candidate)
        except (TrainingError, ConversionError) as error:
            message = str(error)
            trial.set_user_attr(RESULT, {"message": message, "worker": _worker()})
            self._progress.say(f"{trial.number:>3}  {label}: not made: {message}")
            raise pruned from error
        figures["seconds"] = time.perf_counter() - began
        if self._shared and (parcel := self._workshop.made(candidate)) is not None:
            for name, text in (pack(parcel) or {}).items():
                trial.set_user_attr(name, text)
        trial.set_user_attr(RESULT, figures)
        self._progress.say(_line(trial.number, label, figures, self._limit))
        return float(figures["bytes"]), float(figures["accuracy"])

    def _has_twin(self, frozen: Any) -> bool:
        """Whether an earlier trial is the same, and is not one that was lost."""
        failed = self._optuna.trial.TrialState.FAIL
        candidate = _candidate(frozen)
        return any(
            other.number < frozen.number
            and other.state != failed
            and DUPLICATE not in other.user_attrs
            and FIXED in other.system_attrs
            and _candidate(other) == candidate
            for other in self._study.get_trials(deepcopy=False)
        )

    def _measured(self, candidate: Candidate) -> dict[str, Any]:
        file = self._workshop.file(candidate)
        answers = answer(Classifier(file, trust=True), self._part)
        truth = self._part.pictures.labels
        assert truth is not None
        paired = compare_paired(truth, self._float32.scores, answers.scores)
        data = file.read_bytes()
        return {
            "bytes": len(data),
            "gzip_bytes": len(gzip.compress(data, mtime=0)),
            "n": len(truth),
            "accuracy": float((answers.scores.argmax(axis=1) == truth).mean()),
            "drop": paired.drop,
            "drop_low": paired.drop_low,
            "drop_high": paired.drop_high,
            "sha256": file_digest(file),
            "worker": _worker(),
        }


class _Unsigned:
    """Trials that a worker took and died before it could say so: they have no heartbeat to miss."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._seen: dict[int, float] = {}

    def for_long(self, trial: Any) -> bool:
        """Whether a trial has been seen running without a worker for longer than the grace."""
        if trial.state.name != "RUNNING" or WORKER in trial.user_attrs:
            self._seen.pop(trial.number, None)
            return False
        now = time.monotonic()
        return now - self._seen.setdefault(trial.number, now) > self._grace


def _candidate(trial: Any) -> Candidate:
    return Candidate.from_params(trial.system_attrs[FIXED])


def _show_params(trial: Any, distributions: dict[str, Any]) -> None:
    """Let Optuna record the parameters, which are fixed already, for its own tools."""
    for name, distribution in distributions.items():
        if hasattr(distribution, "choices"):
            trial.suggest_categorical(name, distribution.choices)
        else:
            trial.suggest_int(name, distribution.low, distribution.high)


def _worker() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _line(number: int, label: str, figures: dict[str, Any], limit: Limit) -> str:
    size = figures["gzip_bytes" if limit.packed else "bytes"]
    mark = "within the limit" if limit.allows(figures["drop"], size) else "beyond it"
    return (
        f"{number:>3}  {label}: {size:,} bytes, {100 * figures['accuracy']:.2f} %, "
        f"{figures['drop']:+.2f} points lost, {mark}  {figures['seconds']:.0f} s"
    )
