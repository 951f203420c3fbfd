"""Golden pictures: what goes into a model, and what came out of it where the bundle was made.

Each array is a ``.npy`` file of NumPy's format 1.0, of a few known types, so that anybody can load
it and a hostile header leads nowhere.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgedigits.device.classifier import Classifier
from edgedigits.preprocess import SIDE

MOST = 10_000  # pictures, and classes
OUTPUTS = ("int8", "uint8", "int16", "float32")


@dataclass(frozen=True, eq=False)
class Golden:
    """Pictures, and the outputs as stored, one picture at a time.

    Attributes:
        pictures: uint8 ``[n, 28, 28]``, ink high, after the preprocessor.
        reference, default: ``[n, classes]`` of the model's output type, by either kind of kernels.
    """

    pictures: NDArray[np.uint8]
    reference: NDArray[Any]
    default: NDArray[Any]

    def __len__(self) -> int:
        return len(self.pictures)


def stored_outputs(classifier: Classifier, pictures: NDArray[np.uint8]) -> NDArray[Any]:
    """Outputs as stored, ``[n, classes]``, one picture at a time."""
    return classifier.run(classifier.inputs(pictures), batch=1)


def array_bytes(array: NDArray[Any]) -> bytes:
    """An array as the bytes of a ``.npy`` file."""
    target = io.BytesIO()
    npy.write_array(target, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return target.getvalue()


def golden_of(pictures: bytes, reference: bytes, default: bytes) -> Golden:
    """The golden pictures out of three ``.npy`` files.

    Raises:
        ValueError: one is damaged, or they do not fit together.
    """
    images = _array(pictures, "its pictures", ("uint8",))
    expected = _array(reference, "its outputs of reference kernels", OUTPUTS)
    usual = _array(default, "its outputs of default kernels", OUTPUTS)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"its pictures have the shape {list(images.shape)}")
    if expected.ndim != 2 or expected.shape[1] < 2 or len(expected) != len(images):
        raise ValueError(f"its outputs have the shape {list(expected.shape)}")
    if (usual.shape, usual.dtype) != (expected.shape, expected.dtype):
        raise ValueError("its outputs of default kernels are not of the shape of the others")
    return Golden(images, expected, usual)


def _array(data: bytes, what: str, types: tuple[str, ...]) -> NDArray[Any]:
    source = io.BytesIO(data)
    try:
        if npy.read_magic(source) != (1, 0):
            raise ValueError("another format")
        shape, by_column, dtype = npy.read_array_header_1_0(source)
    except Exception as error:  # whatever a header made to deceive leads to
        raise ValueError(f"{what} are no array of NumPy's") from error
    if by_column or dtype.name not in types or not dtype.isnative:
        raise ValueError(f"{what} are of type {dtype.name[:40]}")
    if not all(0 < size <= MOST for size in shape):
        raise ValueError(f"{what} have the shape {str(list(shape))[:80]}")
    body = data[source.tell() :]
    count = 1
    for size in shape:
        count *= size
    if len(body) != count * dtype.itemsize:
        raise ValueError(f"{what} are not as many as they say")
    return np.frombuffer(body, dtype).reshape(shape)
