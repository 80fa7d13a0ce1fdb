"""What is in a network's file, found without running it; what would not run here is refused.

Everything an interpreter would read is followed and checked first, because interpreters trust the
file. Source: TensorFlow Lite's schema v3 (``schema.fbs``) and its ``verifier.cc``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from firmware.archive import NetworkFileError
from firmware.flatbuffer import Buffer, DamagedError, Table

MAGIC = b"TFL3"
VERSION = 3
# Our own network has 16 kB and 32 kB; the largest of the literature, VGG-16 on 1600 x 512 pixels,
# 50 MB and 100 MB. Whether a board can bear it is measured when it is installed; this is for what
# no board would run.
MAX_TENSOR_BYTES = 64 << 20
MAX_LIVE_BYTES = 128 << 20  # of the tensors that are needed at one time
MAX_TENSORS = MAX_OPERATORS = 16_384  # recurrent layers are unrolled
MAX_ARGUMENTS = 1024  # of one operator
MAX_RANK = 6
MAX_STEP = 1 << 15  # strides, dilations, pooling windows
MAX_CHANNELS = 1 << 16
# Of converters: 4e-9 for a channel that is always 0, and its square for that channel's bias.
# Interpreters do not refuse a scale outside float's reach but end their process.
MIN_SCALE, MIN_BIAS_SCALE, MAX_SCALE = 1e-9, 1e-20, 1e4

_AGAIN = "copy the bundle again"
_ANOTHER = "ask its maker for an int8 network for this device"


@dataclass(frozen=True, slots=True)
class _Operator:
    """``options``: number of its table in the schema's union, 0 for none; ``slots``: its fields.

    As in ``flatbuffer.Table``, and S for a step that must be positive, D for one that is 1 where it
    is left out, V for a vector of int32.
    """

    name: str
    options: int = 0
    slots: str = ""


ALLOWED: Mapping[int, _Operator] = {
    0: _Operator("ADD", 11, "b?"),
    1: _Operator("AVERAGE_POOL_2D", 5, "bSSSSb"),
    2: _Operator("CONCATENATION", 10, "ib"),
    3: _Operator("CONV_2D", 1, "bSSbDDb"),
    4: _Operator("DEPTHWISE_CONV_2D", 2, "bSSibDD"),
    6: _Operator("DEQUANTIZE", 38),
    9: _Operator("FULLY_CONNECTED", 8, "bb??b"),
    14: _Operator("LOGISTIC"),
    17: _Operator("MAX_POOL_2D", 5, "bSSSSb"),
    18: _Operator("MUL", 21, "b"),
    19: _Operator("RELU"),
    20: _Operator("RELU_N1_TO_1"),
    21: _Operator("RELU6"),
    22: _Operator("RESHAPE", 17, "V"),
    25: _Operator("SOFTMAX", 9, "f"),
    28: _Operator("TANH"),
    34: _Operator("PAD", 22),
    36: _Operator("GATHER", 23, "ii"),
    37: _Operator("BATCH_TO_SPACE_ND", 24),
    38: _Operator("SPACE_TO_BATCH_ND", 25),
    39: _Operator("TRANSPOSE", 26),
    40: _Operator("MEAN", 27, "?"),
    41: _Operator("SUB", 28, "b?"),
    42: _Operator("DIV", 29, "b"),
    43: _Operator("SQUEEZE", 30, "V"),
    45: _Operator("STRIDED_SLICE", 32, "iiiii?"),
    47: _Operator("EXP", 33),
    49: _Operator("SPLIT", 35, "S"),
    54: _Operator("PRELU"),
    55: _Operator("MAXIMUM", 39),
    57: _Operator("MINIMUM", 39),
    59: _Operator("NEG", 42),
    60: _Operator("PADV2", 43),
    65: _Operator("SLICE", 48),
    67: _Operator("TRANSPOSE_CONV", 49, "bSSbb"),
    69: _Operator("TILE", 51),
    70: _Operator("EXPAND_DIMS", 52),
    74: _Operator("SUM", 27, "?"),
    75: _Operator("SQRT"),
    76: _Operator("RSQRT"),
    77: _Operator("SHAPE", 55, "b"),
    81: _Operator("REDUCE_PROD", 27, "?"),
    82: _Operator("REDUCE_MAX", 27, "?"),
    83: _Operator("PACK", 59, "Si"),
    88: _Operator("UNPACK", 64, "Si"),
    89: _Operator("REDUCE_MIN", 27, "?"),
    92: _Operator("SQUARE", 66),
    94: _Operator("FILL", 68),
    98: _Operator("LEAKY_RELU", 75, "f"),
    99: _Operator("SQUARED_DIFFERENCE", 76),
    100: _Operator("MIRROR_PAD", 77, "b"),
    101: _Operator("ABS", 78),
    102: _Operator("SPLIT_V", 79, "S"),
    111: _Operator("ELU"),
    114: _Operator("QUANTIZE", 89),
    117: _Operator("HARD_SWISH", 91),
    126: _Operator("BATCH_MATMUL", 101, "???"),
    150: _Operator("GELU", 116, "?"),
}
_CUSTOM = 32
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
_CODE_IN_BYTE = 127  # larger codes are in ``builtin_code`` only

# The schema's tensor types: name, bytes per element
_TYPES = {
    0: ("float32", 4),
    2: ("int32", 4),
    4: ("int64", 8),
    6: ("bool", 1),
    7: ("int16", 2),
    9: ("int8", 1),
}
_OTHER_TYPES = {1: "float16", 3: "uint8", 5: "string", 10: "float64", 17: "int4"}

# A letter per field of a table, as ``flatbuffer.Table`` takes them
_MODEL = "I*******"
_CODE = "b*ii"
_SUBGRAPH = "*****i"
_TENSOR = "*bI**?-*?"
_QUANTIZATION = "****B-i"
_OPERATOR = "I**B*-b**----i"
_BUFFER = "*"
_METADATA = "*I"
_SIGNATURE = "***-I"
_TENSOR_MAP = "*I"


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One tensor; ``scales`` and ``zero_points`` are empty, one each, or one per channel."""

    name: str
    shape: tuple[int, ...]
    type: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    constant: bool
    variable: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """One operator at work: its name (of one not allowed, number or name), places of tensors."""

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is in the file; ``steps`` in the order they are run."""

    subgraphs: int
    steps: tuple[Step, ...]
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    tensors: tuple[TensorFacts, ...]

    @property
    def operators(self) -> Mapping[str, int]:
        """How often each occurs."""
        return Counter(step.name for step in self.steps)

    @property
    def live_bytes(self) -> int:
        """Of the computed tensors, the most that one step and those after it need at one time."""
        needed = {place for step in self.steps for place in (*step.reads, *step.writes)}
        born = dict.fromkeys(needed, 0)
        last = dict(born)
        for number, step in enumerate(self.steps):
            born.update(dict.fromkeys(step.writes, number))
            last.update(dict.fromkeys((*step.reads, *step.writes), number))
        change = [0] * (len(self.steps) + 1)
        for place in needed:
            if not (tensor := self.tensors[place]).constant:
                change[born[place]] += tensor.bytes
                change[last[place] + 1] -= tensor.bytes
        return max(accumulate(change), default=0)

    @property
    def constant_bytes(self) -> int:
        """Of weights and the like."""
        return sum(tensor.bytes for tensor in self.tensors if tensor.constant)


def check(model: bytes, shape: tuple[int, ...], outputs: int) -> None:
    """Raises NetworkFileError unless the network is int8 [1, *shape] -> [1, outputs]."""
    facts = inspect(model)
    if facts.subgraphs != 1:
        raise NetworkFileError(f"the network has {facts.subgraphs} subgraphs, not one; {_ANOTHER}")
    allowed = {operator.name for operator in ALLOWED.values()}
    for name in facts.operators:
        if name not in allowed:
            raise NetworkFileError(
                f"the network uses {name}, which this firmware refuses; {_ANOTHER}"
            )
    _expect("input", facts.inputs, (1, *shape))
    _expect("output", facts.outputs, (1, outputs))
    for tensor in facts.tensors:
        if tensor.variable:
            raise NetworkFileError(
                f"the network keeps {tensor.name!a:.60} from one window to the next; {_ANOTHER}"
            )
        if tensor.constant and tensor.type == "float32":
            raise NetworkFileError(f"the network has weights that are not quantized; {_ANOTHER}")
        if not tensor.constant and tensor.bytes > MAX_TENSOR_BYTES:
            raise NetworkFileError(
                f"the network has a tensor of {tensor.bytes >> 20} MB, at most "
                f"{MAX_TENSOR_BYTES >> 20} MB fit; {_ANOTHER}"
            )
    if facts.live_bytes > MAX_LIVE_BYTES:
        raise NetworkFileError(
            f"the network needs {facts.live_bytes >> 20} MB of tensors at one time, at most "
            f"{MAX_LIVE_BYTES >> 20} MB fit; {_ANOTHER}"
        )


def inspect(model: bytes) -> ModelFacts:
    """What the file holds, in its first subgraph. Raises NetworkFileError when it is not sound."""
    if model[4:8] != MAGIC:
        raise NetworkFileError(f"model.tflite is not a TensorFlow Lite network; {_ANOTHER}")
    try:
        return _Model(model).facts()
    except DamagedError as error:
        raise NetworkFileError(f"model.tflite is damaged: {error}; {_AGAIN}") from None


def _expect(side: str, found: tuple[TensorFacts, ...], shape: tuple[int, ...]) -> None:
    if [(tensor.type, tensor.shape) for tensor in found] != [("int8", shape)]:
        has = ", ".join(f"{tensor.type} {list(tensor.shape)}" for tensor in found[:4])
        raise NetworkFileError(
            f"the network's {side} is {has or 'missing'}, its manifest says int8 {list(shape)}; "
            f"{_ANOTHER}"
        )
    if len(found[0].scales) != 1:
        raise NetworkFileError(f"the network's {side} has more than one scale; {_ANOTHER}")


class _Model:
    """A file, its parts found and checked one after the other."""

    def __init__(self, data: bytes) -> None:
        model = Buffer(data).root(_MODEL)
        if model.number(0) != VERSION:
            raise DamagedError(f"it is of version {model.number(0)}, not {VERSION}")
        model.text(3)
        self.codes = [self._code(code) for code in model.tables(1, _CODE, MAX_OPERATORS)]
        # Sizes only: weights are never looked at
        self.buffers = [buffer.length(0) for buffer in model.tables(4, _BUFFER, MAX_TENSORS)]
        self.subgraphs = model.tables(2, _SUBGRAPH, MAX_OPERATORS)
        if not self.subgraphs:
            raise DamagedError("it holds no network")
        self.graph = self.subgraphs[0]
        self.graph.text(4)
        self.tensors = [
            self._tensor(tensor) for tensor in self.graph.tables(0, _TENSOR, MAX_TENSORS)
        ]
        self._notes(model)

    def facts(self) -> ModelFacts:
        inputs, outputs = self._indices(self.graph, 1), self._indices(self.graph, 2)
        known = {i for i, tensor in enumerate(self.tensors) if tensor.constant or tensor.variable}
        if known & set(inputs) or len(set(inputs)) != len(inputs):
            raise DamagedError("its inputs are not its own")
        known.update(inputs)
        operators = self.graph.tables(3, _OPERATOR, MAX_OPERATORS)
        steps = tuple(self._operator(operator, known) for operator in operators)
        if not known.issuperset(outputs):
            raise DamagedError("an output is never computed")
        return ModelFacts(
            len(self.subgraphs),
            steps,
            tuple(self.tensors[i] for i in inputs),
            tuple(self.tensors[i] for i in outputs),
            tuple(self.tensors),
        )

    def _code(self, code: Table) -> tuple[_Operator, bool]:
        """An operator, and whether it is one we know."""
        custom = code.text(1)
        number = code.number(3) if code.number(0) == _CODE_IN_BYTE else code.number(0)
        if code.number(3) not in (0, number):
            raise DamagedError("an operator has two codes")
        if number == _CUSTOM:
            return _Operator(f"custom operator {custom!a:.60}"), False
        operator = ALLOWED.get(number)
        return operator or _Operator(f"operator {number}"), operator is not None

    def _tensor(self, tensor: Table) -> TensorFacts:
        shape = tensor.numbers(0, "i", MAX_RANK)
        signature = tensor.numbers(7, "i", MAX_RANK)
        # -1 in the signature is what might be resized; here nothing is
        if any(size < 1 for size in shape) or (signature and len(signature) != len(shape)):
            raise DamagedError(f"a tensor has shape {list(shape)}")
        number = tensor.number(1)
        name = tensor.text(3)
        if number not in _TYPES:
            of = _OTHER_TYPES.get(number, f"type {number}")
            raise NetworkFileError(f"the network holds {of}, not int8, in {name!a:.60}; {_ANOTHER}")
        type_name, item_bytes = _TYPES[number]
        size = math.prod(shape) * item_bytes
        buffer = tensor.number(2)
        if buffer >= len(self.buffers):
            raise DamagedError("a tensor has no buffer")
        held = self.buffers[buffer]
        if held not in (0, size):
            raise DamagedError(f"a tensor of {size} bytes has {held}")
        scales, zero_points = _quantization(tensor.table(4, _QUANTIZATION), shape)
        quantized = type_name in ("int8", "int16")
        least = MIN_SCALE if quantized else MIN_BIAS_SCALE
        if not all(least <= scale <= MAX_SCALE for scale in scales) or (quantized and not scales):
            raise DamagedError("a tensor has no scale, or one out of range")
        variable = bool(tensor.number(5))
        return TensorFacts(name, shape, type_name, scales, zero_points, held > 0, variable, size)

    def _operator(self, operator: Table, known: set[int]) -> Step:
        """What it does; what it computes joins ``known``."""
        if operator.number(0) >= len(self.codes):
            raise DamagedError("an operator has no code")
        code, allowed = self.codes[operator.number(0)]
        if allowed:
            _options(operator, code)
        operator.length(7)
        reads, writes = list(self._indices(operator, 1, optional=True)), self._indices(operator, 2)
        self._indices(operator, 8)
        if reads[_BIAS.get(code.name, len(reads)) :] == [-1]:  # left out
            reads.pop()
        if not known.issuperset(reads):
            raise DamagedError("an operator reads what was not computed before")
        if known.intersection(writes) or len(set(writes)) != len(writes) or not writes:
            raise DamagedError("an operator writes where it must not")
        known.update(writes)
        return Step(code.name, tuple(reads), writes)

    def _indices(self, table: Table, slot: int, *, optional: bool = False) -> tuple[int, ...]:
        indices = table.numbers(slot, "i", MAX_ARGUMENTS)
        if any(not -optional <= i < len(self.tensors) for i in indices):
            raise DamagedError("it names a tensor it does not have")
        return indices

    def _notes(self, model: Table) -> None:
        """What interpreters read besides the network: metadata and names of its signatures."""
        buffers = model.numbers(5, "i", MAX_TENSORS)
        for note in model.tables(6, _METADATA, MAX_ARGUMENTS):
            note.text(0)
            buffers += (note.number(1),)
        if any(not 0 <= buffer < len(self.buffers) for buffer in buffers):
            raise DamagedError("a note has no buffer")
        for signature in model.tables(7, _SIGNATURE, MAX_ARGUMENTS):
            signature.text(2)
            if signature.number(4) >= len(self.subgraphs):
                raise DamagedError("a signature is of no subgraph")
            for slot in (0, 1):
                for entry in signature.tables(slot, _TENSOR_MAP, MAX_ARGUMENTS):
                    entry.text(0)
                    if not 0 <= entry.number(1) < len(self.tensors):
                        raise DamagedError("a signature names a tensor it does not have")


def _quantization(
    table: Table | None, shape: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if table is None:
        return (), ()
    for slot in (0, 1):  # the range that was seen; interpreters ignore it
        table.numbers(slot, "f", MAX_CHANNELS)
    scales = table.numbers(2, "f", MAX_CHANNELS)
    zero_points = table.numbers(3, "q", MAX_CHANNELS)
    if len(scales) != len(zero_points) or not all(-128 <= point <= 127 for point in zero_points):
        raise DamagedError("a tensor has zero points out of range")
    if len(scales) > 1:
        axis = table.number(6)
        if not 0 <= axis < len(shape) or shape[axis] != len(scales):
            raise DamagedError("a tensor has not one scale per channel")
    return scales, zero_points


def _options(operator: Table, code: _Operator) -> None:
    """The operator's own options are there, and their steps are positive."""
    options = operator.number(3)
    steps = [slot for slot, letter in enumerate(code.slots) if letter in "SD"]
    if options not in (0, code.options) or (steps and not options):
        raise DamagedError(f"{code.name} has the options of another operator")
    table = operator.table(4, code.slots.translate({ord("S"): "i", ord("D"): "i", ord("V"): "*"}))
    if table is None:
        if options and code.slots:
            raise DamagedError(f"{code.name} has no options")
        return
    for slot in steps:
        default = 1 if code.slots[slot] == "D" else 0
        if not 1 <= table.number(slot, default) <= MAX_STEP:
            raise DamagedError(f"{code.name} has a step of {table.number(slot, default)}")
    if code.slots == "V":
        table.numbers(0, "i", MAX_RANK)
