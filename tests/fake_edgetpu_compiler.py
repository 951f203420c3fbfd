"""A FAKE of Google's edgetpu_compiler, for tests: it compiles nothing.

It keeps to what is documented of the real one: options ``-s`` and ``-o``, names of what it writes,
the form of its report, and its rules: a float model is "not quantized", a free size is refused, and
of a Dense layer with a scale a channel it says that it is not mapped. Everything after the first
operation that is not mapped stays on the processor.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
KNOWN = {"CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX", "MEAN"}
UNSPECIFIED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"


def fail(*lines: str) -> None:
    print("\n".join(["Edge TPU Compiler version 16.0.fake", *lines]))
    sys.exit(1)


def status(model: Any, graph: Any, op: Any) -> str:
    code = model.operatorCodes[op.opcodeIndex]
    name = NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
    if name not in KNOWN:
        return "Operation not supported"
    if name == "FULLY_CONNECTED" and len(graph.tensors[op.inputs[1]].quantization.scale) > 1:
        return UNSPECIFIED
    return "Mapped to Edge TPU"


def statuses(model: Any, graph: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        said = status(model, graph, op)
        if said.startswith("Mapped") and any(not s.startswith("Mapped") for _, s in found):
            said = "More than one subgraph is not supported"
        found.append((NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)], said))
    return found


def compiled(model: Any) -> bytes:
    """A file with the operation that stands for what was compiled."""
    graph = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"edgetpu-custom-op"
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, graph.inputs, graph.outputs
    model.operatorCodes, graph.operators = [code], [op]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main() -> None:
    if sys.argv[1:3] != ["-s", "-o"]:
        fail("unknown options")
    folder, source = Path(sys.argv[3]), Path(sys.argv[4])
    data = source.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    if any(t.type == schema.TensorType.FLOAT32 for t in graph.tensors):
        fail(f"Invalid model: {source}", "Model not quantized")
    if any(side < 1 for t in graph.tensors for side in ([] if t.shape is None else t.shape)):
        fail(f"Invalid model: {source}", "Model contains dynamic-sized tensors")
    table = statuses(model, graph)
    print(f"""\
Edge TPU Compiler version 16.0.fake
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1 ms.

Input model: {source}
Input size: {len(data) / 1024:.2f}KiB
Output model: {source.stem}_edgetpu.tflite
Output size: 1.00MiB
On-chip memory used for caching model parameters: 104.25KiB
On-chip memory remaining for caching model parameters: 7.85MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: {len(table)}
Operation log: {source.stem}_edgetpu.log

Operator                       Count      Status
""")
    for row in sorted(set(table)):
        print(f"{row[0]:30} {table.count(row):<10} {row[1]}")
    (folder / f"{source.stem}_edgetpu.tflite").write_bytes(compiled(model))


if __name__ == "__main__":
    main()
