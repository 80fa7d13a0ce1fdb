"""A network of two operators, int8 [1, 4, 2] -> [1, 3], built with TensorFlow Lite's own schema."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SAMPLES, LEADS, OUTPUTS = 4, 2, 3
Change = Callable[[Any], object]


def packed(model: Any) -> bytes:
    """The file of a ``schema.ModelT``."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def changed(data: bytes, change: Change) -> bytes:
    """The file, after ``change`` had its way with its ``schema.ModelT``."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    change(model)
    return packed(model)


def small_network(*shape: int, step: float = 0.5, zero: int = 0) -> bytes:
    """RESHAPE and FULLY_CONNECTED; out = in[:3], in the same ``step`` from the same ``zero``.

    shape : of the input, else [SAMPLES, LEADS]
    """
    shape = shape or (SAMPLES, LEADS)
    inputs = math.prod(shape)
    model = schema.ModelT()
    model.version = 3
    model.description = b"made for a test"
    model.operatorCodes = [_code(22), _code(9)]
    weights = np.zeros((OUTPUTS, inputs), np.int8)
    weights[range(OUTPUTS), range(OUTPUTS)] = 100
    flat = np.array([1, inputs], np.int32)
    model.buffers = [_buffer(b"")]
    for constant in (flat, weights, np.zeros(OUTPUTS, np.int32)):
        model.buffers.append(_buffer(constant.tobytes()))
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [
        tensor("signal", (1, *shape), scale=step, zero=zero),
        tensor("shape", (2,), schema.TensorType.INT32, buffer=1),
        tensor("flat", (1, inputs), scale=step, zero=zero),
        tensor("weights", weights.shape, scale=0.01, buffer=2),
        tensor("bias", (OUTPUTS,), schema.TensorType.INT32, scale=step * 0.01, buffer=3),
        tensor("logits", (1, OUTPUTS), scale=step, zero=zero),
    ]
    reshape = schema.ReshapeOptionsT()
    reshape.newShape = flat
    dense = schema.FullyConnectedOptionsT()
    graph.operators = [
        _operator(0, [0, 1], [2], schema.BuiltinOptions.ReshapeOptions, reshape),
        _operator(1, [2, 3, 4], [5], schema.BuiltinOptions.FullyConnectedOptions, dense),
    ]
    graph.inputs, graph.outputs = [0], [5]
    model.subgraphs = [graph]
    note = schema.MetadataT()
    note.name, note.buffer = b"min_runtime_version", 0
    model.metadata = [note]
    model.signatureDefs = [_signature("signal", 0, "logits", 5)]
    return packed(model)


def with_pool(data: bytes) -> bytes:
    """MAX_POOL_2D in the place of RESHAPE, and a scale per channel; it need not run."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 17
        options = schema.Pool2DOptionsT()
        options.strideW = options.strideH = options.filterWidth = options.filterHeight = 1
        graph.operators[0].builtinOptionsType = schema.BuiltinOptions.Pool2DOptions
        graph.operators[0].builtinOptions = options
        weights = graph.tensors[3].quantization
        weights.scale, weights.zeroPoint = [0.01] * OUTPUTS, [0] * OUTPUTS
        graph.operators[1].inputs = [2, 3, -1]

    return changed(data, change)


def tensor(
    name: str,
    shape: tuple[int, ...],
    of: int = schema.TensorType.INT8,
    scale: float = 0.0,
    zero: int = 0,
    buffer: int = 0,
) -> Any:
    """A ``schema.TensorT``."""
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), of, buffer
    if scale:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
    return made


def _signature(source: str, first: int, target: str, last: int) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    maps = [schema.TensorMapT(), schema.TensorMapT()]
    for of, name, index in zip(maps, (source, target), (first, last), strict=True):
        of.name, of.tensorIndex = name.encode(), index
    signature.inputs, signature.outputs = maps[:1], maps[1:]
    return signature


def _code(number: int) -> Any:
    code = schema.OperatorCodeT()
    code.deprecatedBuiltinCode = code.builtinCode = number
    return code


def _buffer(data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _operator(code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator
