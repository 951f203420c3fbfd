"""Learning another model's answers: what the targets are, and that they are learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_training import small_npz, some_digits

from edgedigits.augment import DIGITS
from edgedigits.data.dataset import Pictures
from edgedigits.errors import UsageError
from edgedigits.models.build import Precision
from edgedigits.run import RunFolder
from edgedigits.run_data import load_split
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train import TrainSettings, fit, train

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")

pytestmark = pytest.mark.xdist_group("tensorflow")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunFolder]:
    """Small data, and a teacher trained on it."""
    folder = tmp_path_factory.mktemp("taught")
    npz = small_npz(folder / "digits.npz")
    settings = TrainSettings("tiny-cnn", str(npz), epochs=4, seed=5, validation=0.2)
    return npz, train(settings, folder / "teacher").run


class _Answers:
    """A model that gives its rows one after the other, whatever it is shown."""

    def __init__(self, *calls: list[list[float]]) -> None:
        self.calls = [np.array(rows, np.float32) for rows in calls]
        self.output_shape = (None, self.calls[0].shape[1])
        self.seen: list[np.ndarray] = []

    def predict_on_batch(self, pictures: np.ndarray) -> np.ndarray:
        assert pictures.dtype == np.float32
        assert pictures.shape == (2, 28, 28, 1)
        self.seen.append(pictures)
        return self.calls[(len(self.seen) - 1) % len(self.calls)]


@pytest.mark.parametrize("logits", [False, True])
def test_targets_mix_answers_and_labels(logits: bool) -> None:
    from edgedigits.train.distillation import Teacher

    answers = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    rows = (np.log(answers) + 3 if logits else answers).tolist()
    teacher = Teacher(_Answers(rows), (28, 28, 1), (0.0, 1.0), weight=0.6)
    blank = Pictures(np.zeros((2, 28, 28), np.uint8), np.array([0, 1]))
    targets = teacher.targets(blank, None)
    expected = 0.6 * answers + 0.4 * np.array([[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    assert targets.dtype == np.float32


def test_the_teacher_answers_for_changed_copies_and_the_mean_counts() -> None:
    from edgedigits.train.distillation import VIEWS, Teacher

    one, other = [[0.8, 0.2], [0.5, 0.5]], [[0.4, 0.6], [0.5, 0.5]]
    model = _Answers(one, other)
    pictures = some_digits(2)
    assert pictures.labels is not None
    two = Pictures(pictures.images, np.array([0, 1]))
    targets = Teacher(model, (28, 28, 1), (0.0, 1.0), weight=0.5).targets(two, DIGITS, seed=3)
    assert len(model.seen) == VIEWS
    assert not np.array_equal(model.seen[0], model.seen[1])
    np.testing.assert_allclose(targets, [[0.5 + 0.3, 0.2], [0.25, 0.5 + 0.25]], atol=1e-6)


def test_a_model_learns_the_targets_and_not_the_labels() -> None:
    """Every label moved up by one: the answers must move with the targets."""
    tf_keras = import_tf_keras()
    tf_keras.utils.set_random_seed(0)
    pictures = some_digits(200)
    model = tf_keras.Sequential(
        [
            tf_keras.Input((28, 28, 1)),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(10, activation="softmax"),
        ]
    )

    assert pictures.labels is not None
    moved = (pictures.labels + 1) % 10
    fit(
        model,
        pictures,
        pictures,
        epochs=15,
        batch_size=20,
        learning_rate=0.01,
        seed=0,
        targets=np.eye(10, dtype=np.float32)[moved],
    )
    outputs = model.predict(pictures.images[..., None] / np.float32(255), verbose=0)
    assert (outputs.argmax(axis=1) == moved).mean() > 0.95


def test_a_student_takes_its_teachers_validation_part(
    taught: tuple[Path, RunFolder], tmp_path: Path
) -> None:
    npz, teacher = taught
    settings = TrainSettings(
        "tiny-cnn", str(npz), epochs=2, seed=9, augment=True, teacher=str(teacher.path)
    )
    result = train(settings, tmp_path / "student")
    np.testing.assert_array_equal(load_split(result.run).validation, load_split(teacher).validation)
    manifest = result.run.manifest()
    assert manifest["settings"]["validation"] == 0.2
    assert manifest["settings"]["teacher"] == str(teacher.path)
    assert len(manifest["teacher_sha256"]) == 64


def test_a_teacher_that_does_not_fit_is_refused_before_anything_is_made(
    taught: tuple[Path, RunFolder], tmp_path: Path
) -> None:
    npz, teacher = taught
    other = small_npz(tmp_path / "other.npz", train=200)
    student = tmp_path / "student"
    for settings, expected in (
        (TrainSettings("tiny-cnn", str(npz), teacher="nobody"), "--teacher nobody: no such run"),
        (TrainSettings("tiny-cnn", str(other), teacher=str(teacher.path)), "was trained on"),
        (
            TrainSettings("alexnet-number", str(npz), teacher=str(teacher.path)),
            "has 10 outputs, the model to train takes 28×28×1 and has 35",
        ),
        (
            TrainSettings("tiny-cnn", str(npz), teacher=str(teacher.path), validation=0.3),
            "--validation and --teacher exclude each other",
        ),
    ):
        with pytest.raises(UsageError, match=expected):
            train(settings, student)
        assert not student.exists()


def test_a_teacher_in_bfloat16_answers_almost_the_same(taught: tuple[Path, RunFolder]) -> None:
    from edgedigits.train.distillation import load_teacher

    pictures = some_digits(64)
    assert pictures.labels is not None
    exact, rough = (
        load_teacher(taught[1], (28, 28, 1), 10, precision).targets(pictures, None)
        for precision in PRECISIONS
    )
    assert 0 < np.abs(exact - rough).max() < 0.05


def test_lessons_hold_the_answer_to_each_very_copy(
    taught: tuple[Path, RunFolder], tmp_path: Path
) -> None:
    from edgedigits.train.distillation import load_teacher
    from edgedigits.train.lessons import lessons

    run, pictures = taught[1], some_digits(40)
    teacher = load_teacher(run, (28, 28, 1), 10)
    made = lessons([run], [teacher], pictures, DIGITS, views=3, temperature=2.0)
    assert made.images.shape == (3, 40, 28, 28)
    assert not np.array_equal(made.images[0], made.images[1])
    chosen = np.array([7, 3])
    answers = teacher.answers(np.asarray(made.images[2][chosen]))
    soft = np.sqrt(answers)  # half of the logarithms
    soft /= soft.sum(axis=1, keepdims=True)
    assert pictures.labels is not None
    expected = 0.9 * soft + 0.1 * np.eye(10)[pictures.labels[chosen]]
    np.testing.assert_allclose(made.targets(2, chosen), expected, atol=2e-3)
    files = {file: file.stat().st_mtime_ns for file in (run.path / "lessons").iterdir()}
    assert len(files) == 2
    lessons([run], [teacher], pictures, DIGITS, views=3, temperature=4.0)  # the same files again
    assert {file: file.stat().st_mtime_ns for file in files} == files


def test_each_epoch_learns_one_view(taught: tuple[Path, RunFolder]) -> None:
    from edgedigits.train.batches import training_batches
    from edgedigits.train.lessons import Lessons

    pictures = some_digits(6)
    assert pictures.labels is not None
    views = np.stack([np.full((6, 28, 28), value, np.uint8) for value in (51, 102)])
    answers = np.log(np.full((2, 6, 10), 0.1, np.float16))
    batches = training_batches(
        pictures,
        batch_size=6,
        epochs=range(1, 4),
        seed=0,
        augmentation=DIGITS,
        input_shape=(28, 28, 1),
        input_range=(0.0, 1.0),
        lessons=Lessons(views, answers, pictures.labels, 1.0, 1.0),
    )
    seen = [(float(images.min()), float(images.max()), wanted) for images, wanted in batches]
    assert [low for low, _, _ in seen] == pytest.approx([0.2, 0.4, 0.2])
    assert [low for low, _, _ in seen] == [high for _, high, _ in seen]
    for _, _, wanted in seen:
        np.testing.assert_allclose(wanted, 0.1, atol=1e-3)


def test_several_teachers_must_share_their_validation_part(
    taught: tuple[Path, RunFolder], tmp_path: Path
) -> None:
    npz, first = taught
    born_again = train(
        TrainSettings("tiny-cnn", str(npz), epochs=1, teacher=str(first.path)), tmp_path / "again"
    ).run
    student = train(
        TrainSettings(
            "tiny-cnn",
            str(npz),
            epochs=2,
            augment=True,
            teacher=f"{first.path},{born_again.path}",
            views=2,
            temperature=2.0,
        ),
        tmp_path / "student",
    )
    manifest = student.run.manifest()
    assert (manifest["settings"]["views"], manifest["settings"]["temperature"]) == (2, 2.0)
    assert len(manifest["teacher_sha256"].split(",")) == 2
    stranger = train(
        TrainSettings("tiny-cnn", str(npz), epochs=1, seed=77, validation=0.2), tmp_path / "other"
    ).run
    with pytest.raises(UsageError, match="its validation part is not that of"):
        train(
            TrainSettings("tiny-cnn", str(npz), teacher=f"{first.path},{stranger.path}"),
            tmp_path / "never",
        )
    with pytest.raises(UsageError, match="--views and --temperature need a --teacher"):
        train(TrainSettings("tiny-cnn", str(npz), views=4), tmp_path / "never")


def test_the_command_takes_a_teacher(
    taught: tuple[Path, RunFolder], tmp_path: Path, run_cli: RunCli
) -> None:
    npz, teacher = taught
    run = tmp_path / "student"
    code, _, error = run_cli(
        *("train", "tiny-cnn", "--data", npz, "--run", run, "--epochs", 1),
        *("--teacher", teacher.path),
    )
    assert code == 0, error
    assert RunFolder(run).manifest()["settings"]["teacher"] == str(teacher.path)
