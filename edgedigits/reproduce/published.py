"""What the authors of the five reference systems published. Their figures, not ours."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class PublishedLayer:
    """One row of a published table of layers.

    Attributes:
        what: the layer, or layers, as published.
        output_shape: without the batch. parameters: of the row.
        layers: how many of our layers the row covers.
    """

    what: str
    output_shape: Shape
    parameters: int
    layers: int = 1


@dataclass(frozen=True)
class PublishedClass:
    """One row of a published per-class table."""

    label: int
    true_samples: int
    classified_samples: int
    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Published:
    """The figures of one system; None or empty where its authors give none.

    Attributes:
        evaluation_accuracy, training_accuracy: 0 to 1. accuracy_text: as they put it.
        evaluated_on: the pictures behind ``evaluation_accuracy``.
        settings: how they trained.
        parameters, trainable, fixed: of the whole model.
        layers: the table of layers.
        precision, recall, f1: over all classes.
        per_class: the per-class table. f1_by_class: where only that is given.
        confusion: rows are true classes.
        accuracy_by_epoch: training accuracy.
    """

    evaluation_accuracy: float | None
    accuracy_text: str
    evaluated_on: str
    settings: str
    training_accuracy: float | None = None
    parameters: int | None = None
    trainable: int | None = None
    fixed: int | None = None
    layers: tuple[PublishedLayer, ...] = ()
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    per_class: tuple[PublishedClass, ...] = ()
    f1_by_class: tuple[float, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    accuracy_by_epoch: tuple[float, ...] = ()


def _valid(filters: int, side: int, parameters: int, size: str = "3×3") -> list[PublishedLayer]:
    shape = (side, side, filters)
    return [
        PublishedLayer(f"Conv2D {filters}, {size}, valid", shape, parameters),
        PublishedLayer("Activation", shape, 0),
    ]


def _pooled(filters: int, side: int) -> list[PublishedLayer]:
    return [PublishedLayer("MaxPooling2D 2×2, stride 1", (side, side, filters), 0)]


def _normalised(filters: int, side: int) -> list[PublishedLayer]:
    return [PublishedLayer("BatchNormalization", (side, side, filters), 4 * filters)]


def _hidden(units: int, parameters: int) -> list[PublishedLayer]:
    rest = "Activation, Dropout, BatchNormalization"
    return [
        PublishedLayer(f"Dense {units}", (units,), parameters),
        PublishedLayer(rest, (units,), 4 * units, layers=3),
    ]


ALEXNET_NUMBER = Published(
    evaluation_accuracy=0.9953,
    accuracy_text="0.9953",
    evaluated_on="9,989 pictures of digits, 28×28",
    settings="not published",
    training_accuracy=0.9997,
    parameters=82_300_195,
    trainable=82_288_995,
    fixed=11_200,
    layers=(
        *_valid(64, 26, 640),
        *_pooled(64, 25),
        *_normalised(64, 25),
        *_valid(128, 23, 73_856),
        *_pooled(128, 22),
        *_normalised(128, 22),
        *_valid(192, 22, 24_768, "1×1"),
        *_normalised(192, 22),
        *_valid(192, 20, 331_968),
        *_normalised(192, 20),
        *_valid(128, 18, 221_312),
        *_pooled(128, 17),
        *_normalised(128, 17),
        PublishedLayer("Flatten", (36_992,), 0),
        *_hidden(2048, 75_761_664),
        *_hidden(2048, 4_196_352),
        *_hidden(800, 1_639_200),
        PublishedLayer("Dense 35, Activation", (35,), 28_035, layers=2),
    ),
    precision=0.9952,
    recall=0.9952,
    f1=0.9952,
    per_class=(
        PublishedClass(0, 999, 1010, 1.0, 0.9891, 1.0, 0.9945),
        PublishedClass(1, 999, 991, 0.989, 0.997, 0.989, 0.9929),
        PublishedClass(2, 999, 1006, 0.998, 0.9911, 0.998, 0.9945),
        PublishedClass(3, 999, 1000, 0.995, 0.994, 0.995, 0.9945),
        PublishedClass(4, 999, 1000, 0.995, 0.994, 0.995, 0.9945),
        PublishedClass(5, 999, 997, 0.995, 0.997, 0.995, 0.9959),
        PublishedClass(6, 998, 992, 0.994, 1.0, 0.994, 0.997),
        PublishedClass(7, 999, 1001, 0.999, 0.997, 0.999, 0.998),
        PublishedClass(8, 999, 1004, 0.999, 0.994, 0.999, 0.9965),
        PublishedClass(9, 999, 988, 0.988, 0.998, 0.988, 0.9935),
    ),
)

FASHION_CNN = Published(
    evaluation_accuracy=0.8911,
    accuracy_text="0.8911 on its validation set",
    evaluated_on="10,000 test pictures of Fashion-MNIST",
    settings="learning rate 0.005, batch 32, 30 epochs",
    training_accuracy=0.9529,
    parameters=50_186,
    layers=(
        PublishedLayer("Conv2D 32, 3×3, same", (28, 28, 32), 320),
        PublishedLayer("MaxPooling2D", (14, 14, 32), 0),
        PublishedLayer("Conv2D 64, 3×3, same", (14, 14, 64), 18_496),
        PublishedLayer("MaxPooling2D", (7, 7, 64), 0),
        PublishedLayer("Flatten", (3136,), 0),
        PublishedLayer("Dense 10", (10,), 31_370),
    ),
    precision=0.89,
    recall=0.89,
    f1=0.89,
    f1_by_class=(0.83, 0.99, 0.82, 0.89, 0.82, 0.98, 0.67, 0.96, 0.98, 0.96),
)

MNIST_CNN = Published(
    evaluation_accuracy=0.97,
    accuracy_text="about 0.97",
    evaluated_on="MNIST's test set",
    settings="batch 32, 10 epochs",
    training_accuracy=0.9971,
    parameters=1_674_570,
    layers=(
        PublishedLayer("Conv2D 32, 3×3, same", (28, 28, 32), 320),
        PublishedLayer("MaxPooling2D", (14, 14, 32), 0),
        PublishedLayer("Flatten", (6272,), 0),
        PublishedLayer("Dense 256", (256,), 1_605_888),
        PublishedLayer("Dense 256", (256,), 65_792),
        PublishedLayer("Dropout", (256,), 0),
        PublishedLayer("Dense 10", (10,), 2_570),
    ),
    accuracy_by_epoch=(
        0.9445, 0.9815, 0.9884, 0.9918, 0.9941, 0.9959, 0.9957, 0.9972, 0.9969, 0.9971,
    ),
)  # fmt: skip

MNIST_DENSE = Published(
    evaluation_accuracy=0.9845,
    accuracy_text="0.98; its confusion matrix holds 9,845 of 10,000 on the diagonal",
    evaluated_on="10,000 test pictures of MNIST",
    settings="not published",
    confusion=(
        (975, 1, 1, 0, 0, 0, 1, 0, 1, 1),
        (0, 1127, 2, 1, 0, 1, 2, 1, 1, 0),
        (2, 1, 1016, 3, 1, 0, 0, 4, 4, 1),
        (0, 0, 1, 997, 0, 1, 0, 2, 3, 6),
        (1, 1, 3, 0, 964, 0, 3, 1, 1, 8),
        (2, 0, 0, 8, 1, 874, 4, 0, 2, 1),
        (4, 2, 2, 1, 3, 4, 942, 0, 0, 0),
        (2, 3, 7, 0, 2, 0, 0, 1007, 3, 4),
        (3, 0, 2, 4, 3, 2, 2, 2, 952, 4),
        (2, 2, 0, 2, 6, 2, 1, 1, 2, 991),
    ),
)

ALEXNET_DIGITS = Published(
    evaluation_accuracy=None,
    accuracy_text="“high validation accuracy”",
    evaluated_on="not published",
    settings="early stopping on the validation set",
)
