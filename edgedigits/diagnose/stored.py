"""What a parsed ``.tflite`` file stores: constants as real numbers, steps of computed tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgedigits.diagnose.measure import Range

TYPES = schema.TensorType
_WIDTHS: dict[int, type[np.generic]] = {
    TYPES.FLOAT32: np.float32,
    TYPES.FLOAT16: np.float16,
    TYPES.FLOAT64: np.float64,
    TYPES.INT8: np.int8,
    TYPES.UINT8: np.uint8,
    TYPES.INT16: np.int16,
    TYPES.INT32: np.int32,
    TYPES.INT64: np.int64,
}
_LIMITS = {
    TYPES.INT8: (-128, 127),
    TYPES.UINT8: (0, 255),
    TYPES.INT16: (-32768, 32767),
}
FLOATS = (TYPES.FLOAT32, TYPES.FLOAT16, TYPES.FLOAT64)


@dataclass(frozen=True)
class Steps:
    """How a computed tensor is stored: real value = scale × (stored − zero point).

    Attributes:
        type: of the schema.
    """

    scale: float
    zero_point: int
    type: int

    @property
    def range(self) -> Range:
        """The lowest and highest value that can be stored."""
        low, high = (self.scale * (limit - self.zero_point) for limit in _LIMITS[self.type])
        return low, high

    def rounded(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Real values as they come back when they have been stored."""
        stored = np.rint(np.asarray(values, np.float64) / self.scale) + self.zero_point
        return self.real(np.clip(stored, *_LIMITS[self.type]))

    def real(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Stored values as real ones."""
        shifted = stored.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(shifted * np.float32(self.scale), dtype=np.float32)


def steps_of(tensor: Any) -> Steps | None:
    """How a computed tensor is stored; None for one that is not quantised."""
    quantisation = tensor.quantization
    if tensor.type not in _LIMITS or quantisation is None or quantisation.scale is None:
        return None
    if len(quantisation.scale) != 1:
        return None
    zero = 0 if quantisation.zeroPoint is None else int(quantisation.zeroPoint[0])
    return Steps(float(quantisation.scale[0]), zero, int(tensor.type))


def constant(model: Any, graph: Any, number: int) -> NDArray[np.float32] | None:
    """The real values of a tensor that the file stores.

    Args:
        model, graph: of the schema's object tree. number: of the tensor in the graph.

    Returns:
        float32 of the tensor's shape. None for one that is computed, or stored in a way that is not
        known here.
    """
    tensor = graph.tensors[number]
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        source = _before_dequantising(model, graph, number)
        return None if source is None else constant(model, graph, source)
    shape = tuple(int(side) for side in (() if tensor.shape is None else tensor.shape))
    raw = np.asarray(data, np.uint8)
    if tensor.type == TYPES.INT4:
        stored: NDArray[Any] = _four_bits(raw)[: int(np.prod(shape))].reshape(shape)
    elif tensor.type in _WIDTHS:
        stored = raw.view(_WIDTHS[tensor.type]).reshape(shape)
    else:
        return None
    if tensor.type in FLOATS:
        return stored.astype(np.float32)
    return _scaled(stored, tensor.quantization)


def _before_dequantising(model: Any, graph: Any, number: int) -> int | None:
    """The stored tensor that a DEQUANTIZE makes this one of."""
    for op in graph.operators:
        if number in op.outputs:
            code = model.operatorCodes[op.opcodeIndex]
            is_it = max(code.builtinCode, code.deprecatedBuiltinCode) == (
                schema.BuiltinOperator.DEQUANTIZE
            )
            return int(op.inputs[0]) if is_it else None
    return None


def _four_bits(raw: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Two signed values a byte, the lower half first."""
    both = np.stack([raw & 0x0F, raw >> 4], axis=-1).reshape(-1).astype(np.int8)
    return np.where(both > 7, both - 16, both).astype(np.int8)


def _scaled(stored: NDArray[Any], quantisation: Any) -> NDArray[np.float32] | None:
    if quantisation is None or quantisation.scale is None or len(quantisation.scale) == 0:
        return None
    scales = np.asarray(quantisation.scale, np.float64)
    zeros = np.zeros(len(scales)) if quantisation.zeroPoint is None else quantisation.zeroPoint
    zeros = np.asarray(zeros, np.float64)
    if len(scales) > 1:
        axis = int(quantisation.quantizedDimension)
        if stored.shape[axis] != len(scales):
            return None
        across = [1] * stored.ndim
        across[axis] = len(scales)
        scales, zeros = scales.reshape(across), zeros.reshape(across)
    return np.asarray((stored - zeros) * scales, dtype=np.float32)
