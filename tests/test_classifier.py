"""The device half against integer arithmetic in NumPy, the bare runtime, and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from helpers_models import Int8Model, dense_file, nearest_mean, write
from numpy.typing import NDArray

from edgedigits.convert.recipes import RECIPES
from edgedigits.data.builtin import load_digits
from edgedigits.data.dataset import DataSet
from edgedigits.device.classifier import Classifier, dequantise, pixel_table, softmax
from edgedigits.device.interpreter import Kernels, Tensor
from edgedigits.device.latency import measure_latency
from edgedigits.errors import ModelFileError, UsageError
from edgedigits.preprocess import Preprocessing

INT8 = ["int8", "qat-int8", "int4", "pruned-int8"]


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_digits()


@pytest.fixture(scope="module")
def images(digits: DataSet) -> NDArray[np.uint8]:
    assert digits.test is not None
    return digits.test.images


@pytest.fixture(scope="module")
def foreign(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without metadata, of fixed batch, that answers by the nearest class mean."""
    assert digits.train.labels is not None
    weights = nearest_mean(digits.train.images, digits.train.labels, 10)
    return write(tmp_path_factory.mktemp("foreign") / "means.tflite", dense_file(*weights))


def _tensor(dtype: str, scale: float = 0.0, zero_point: int = 0) -> Tensor:
    return Tensor("x", 0, (1, 28, 28, 1), np.dtype(dtype), scale, zero_point)


@pytest.mark.parametrize("variant", INT8)
def test_int8_input_is_pixel_minus_128(exported_run: Path, variant: str) -> None:
    classifier = Classifier(exported_run / "exports" / f"{variant}.tflite")
    source = classifier.interpreter.input
    assert (source.dtype, source.zero_point) == (np.dtype(np.int8), -128)
    assert source.scale == pytest.approx(1 / 255, rel=1e-6)
    pixels = np.zeros((1, 28, 28), np.uint8)
    pixels.reshape(-1)[:256] = np.arange(256)
    expected = pixels.astype(np.int16) - 128
    np.testing.assert_array_equal(classifier.inputs(pixels)[..., 0], expected)


def test_pixel_table_by_hand() -> None:
    plain, signed = Preprocessing(), Preprocessing(low=-1.0, high=1.0)
    np.testing.assert_allclose(pixel_table(_tensor("float32"), plain), np.arange(256) / 255)
    assert pixel_table(_tensor("float32"), signed)[[0, 51, 255]].tolist() == pytest.approx(
        [-1.0, -0.6, 1.0]
    )
    # A uint8 input of scale 1/255 takes the pixel as it is; one of half the range saturates.
    np.testing.assert_array_equal(pixel_table(_tensor("uint8", 1 / 255), plain), np.arange(256))
    half = pixel_table(_tensor("int8", 1 / 510, -128), plain)
    assert half[[0, 1, 127, 128, 255]].tolist() == [-128, -126, 126, 127, 127]
    assert pixel_table(_tensor("int16", 1 / 32767), plain)[[0, 255]].tolist() == [0, 32767]


@pytest.mark.parametrize("tensor", [_tensor("int8"), _tensor("bool"), _tensor("complex64")])
def test_pixel_table_refuses_inputs_without_a_meaning(tensor: Tensor) -> None:
    with pytest.raises(ValueError, match="without a scale"):
        pixel_table(tensor, Preprocessing())


def test_dequantise_and_softmax_by_hand() -> None:
    stored = np.array([[-128, 0, 127]], np.int8)
    assert dequantise(stored, _tensor("int8", 0.5, -128)).tolist() == [[0.0, 64.0, 127.5]]
    logits = np.log(np.array([[1.0, 2.0, 5.0]], np.float32)) + 500  # must not overflow
    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625]], rtol=1e-4)


@pytest.mark.parametrize("variant", ["int8", "qat-int8", "pruned-int8"])
def test_whole_int8_model_bit_for_bit(
    exported_run: Path, images: NDArray[np.uint8], variant: str
) -> None:
    """Convolution, pooling and Dense in NumPy integers give the very logits of the runtime."""
    file = exported_run / "exports" / f"{variant}.tflite"
    classifier = Classifier(file, kernels="reference")
    inputs = classifier.inputs(images[:48])
    model = Int8Model(file.read_bytes())
    logits, scale, zero_point = model.logits(inputs)
    runtime = Interpreter(
        model_path=str(file),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    runtime.allocate_tensors()
    into_softmax = int(model.graph.operators[-1].inputs[0])
    for row, x in zip(logits, inputs, strict=True):
        runtime.set_tensor(runtime.get_input_details()[0]["index"], x[None])
        runtime.invoke()
        np.testing.assert_array_equal(runtime.get_tensor(into_softmax)[0], row)
    real = (logits - zero_point) * scale
    expected = np.exp(real) / np.exp(real).sum(axis=1, keepdims=True)
    # The output has steps of 1/256; the runtime's own exponential costs up to another one.
    assert np.abs(classifier.scores(images[:48]) - expected).max() <= 2 / 256


@pytest.mark.parametrize("variant", [*RECIPES, "pruned-float32", "pruned-int8"])
def test_every_variant_answers_the_same_in_batches(
    exported_run: Path, images: NDArray[np.uint8], variant: str
) -> None:
    classifier = Classifier(exported_run / "exports" / f"{variant}.tflite")
    inputs = classifier.inputs(images[:67])  # two full batches and a rest of three
    together = classifier.run(inputs, batch=32)
    assert classifier.interpreter.batch == 32
    one_by_one = classifier.run(inputs, batch=1)
    assert classifier.interpreter.batch == 1
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    if np.issubdtype(together.dtype, np.integer):
        np.testing.assert_array_equal(together, one_by_one)


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33])
def test_scores_for_any_number_of_pictures(
    exported_run: Path, foreign: Path, images: NDArray[np.uint8], n: int
) -> None:
    for file in (exported_run / "exports" / "int8.tflite", foreign):
        scores = Classifier(file).scores(images[:n])
        assert scores.shape == (n, 10)
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=0.03)


@pytest.mark.parametrize("kernels", ["built-in", "reference"])
def test_other_kernels_agree_with_the_fast_ones(
    exported_run: Path, images: NDArray[np.uint8], kernels: Kernels
) -> None:
    file = exported_run / "exports" / "int8.tflite"
    fast, slow = (Classifier(file, kernels=kind).scores(images) for kind in ("default", kernels))
    # Softmax makes more of a last bit where two classes are close: bounded for all, rare for most.
    apart = np.abs(fast - slow)
    assert apart.max() <= 12 / 256
    assert (apart <= 1 / 256).mean() > 0.98
    assert (fast.argmax(axis=1) == slow.argmax(axis=1)).mean() > 0.99


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")
def test_a_model_that_takes_no_batch_still_answers(
    foreign: Path, digits: DataSet, images: NDArray[np.uint8]
) -> None:
    from sklearn.neighbors import NearestCentroid

    classifier = Classifier(foreign)
    scores = classifier.scores(images)
    assert classifier.interpreter.batch == 1
    flat = digits.train.images.reshape(len(digits.train), -1) / 255
    oracle = NearestCentroid().fit(flat, digits.train.labels)
    expected = oracle.predict(images.reshape(len(images), -1) / 255)
    np.testing.assert_array_equal(scores.argmax(axis=1), expected)


def test_a_foreign_file_says_what_was_assumed(foreign: Path) -> None:
    classifier = Classifier(foreign)
    assert classifier.metadata is None
    assert classifier.variant == "means"
    assert len(classifier.assumptions) == 1
    assert "no edgedigits metadata" in classifier.assumptions[0]


def test_foreign_logits_become_probabilities(
    digits: DataSet, images: NDArray[np.uint8], foreign: Path, tmp_path: Path
) -> None:
    assert digits.train.labels is not None
    weights = nearest_mean(digits.train.images, digits.train.labels, 10)
    raw = write(tmp_path / "raw.tflite", dense_file(*weights, softmax=False))
    np.testing.assert_allclose(
        Classifier(raw).scores(images[:20]), Classifier(foreign).scores(images[:20]), atol=1e-6
    )


@pytest.mark.parametrize("shape", [(28, 28), (784,), (28, 28, 3), (14, 14, 1)])
def test_other_input_shapes(
    shape: tuple[int, ...], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    size = int(np.prod(shape))
    weights = rng.normal(size=(10, size)).astype(np.float32)
    file = write(tmp_path / "x.tflite", dense_file(weights, np.zeros(10, np.float32), shape=shape))
    classifier = Classifier(file)
    pictures = images[:5]
    if shape == (14, 14, 1):  # halving by area is the mean of 2 × 2 pixels
        blocks = pictures.reshape(5, 14, 2, 14, 2).mean(axis=(2, 4))
        x = np.floor(blocks + 0.5)
    else:
        x = np.repeat(pictures[..., None], 3, axis=3) if shape[-1] == 3 else pictures
    logits = x.reshape(5, -1) / 255 @ weights.T.astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    tolerance = 0.05 if shape == (14, 14, 1) else 1e-4  # halves round either way
    np.testing.assert_allclose(classifier.scores(pictures), expected, atol=tolerance)


def test_a_model_of_fixed_batch_8(
    images: NDArray[np.uint8], digits: DataSet, tmp_path: Path
) -> None:
    assert digits.train.labels is not None
    weights = nearest_mean(digits.train.images, digits.train.labels, 10)
    one = write(tmp_path / "one.tflite", dense_file(*weights))
    eight = write(tmp_path / "eight.tflite", dense_file(*weights, batch=8))
    classifier = Classifier(eight)
    np.testing.assert_allclose(
        classifier.scores(images[:13]), Classifier(one).scores(images[:13]), atol=1e-6
    )
    (latency,) = measure_latency([classifier], images[:4], rounds=1, round_seconds=0.001)
    assert latency.p50_us > 0


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((28, 28, 2), "not that of a picture"),
        ((2, 2, 1), "not that of a small picture"),
        ((783,), "not that of a picture"),
        ((3, 1000, 1), "not that of a small picture"),
    ],
)
def test_what_is_no_classifier_of_pictures_is_refused(
    shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    weights = np.zeros((10, int(np.prod(shape))), np.float32)
    file = write(tmp_path / "x.tflite", dense_file(weights, np.zeros(10, np.float32), shape=shape))
    with pytest.raises(ModelFileError, match=message):
        Classifier(file)


def test_one_output_is_refused(tmp_path: Path) -> None:
    one = dense_file(np.zeros((1, 784), np.float32), np.zeros(1, np.float32))
    with pytest.raises(ModelFileError, match="output has 1 values"):
        Classifier(write(tmp_path / "one.tflite", one))


def test_too_many_threads_are_refused() -> None:
    from edgedigits.zoo import reader_file

    with pytest.raises(UsageError, match="--threads 100000: must be at most 256"):
        Classifier(reader_file(), threads=100_000)
