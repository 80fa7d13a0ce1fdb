"""A network's file is read as an interpreter reads it, and what an interpreter might not survive
is refused before one sees it.
"""

from __future__ import annotations

import random
import re
import struct
import time
import tracemalloc
from collections import Counter
from copy import copy
from importlib import resources
from typing import Any

import numpy as np
import pytest

from firmware import tflite_file
from firmware.archive import MODEL, BundleError, NetworkFileError, unpack
from firmware.bundle import Bundle
from firmware.tflite_file import ALLOWED, MAX_LIVE_BYTES, MAX_TENSOR_BYTES, check, inspect
from tests.firmware.small_network import (
    LEADS,
    OUTPUTS,
    SAMPLES,
    Change,
    changed,
    schema,
    small_network,
    tensor,
    with_pool,
)

EMBEDDED = unpack(resources.files("firmware").joinpath("embedded.l12").read_bytes())[MODEL]
SMALL = small_network()
Types = schema.TensorType


def refusal(model: bytes) -> str:
    """Why the small network, or what became of it, is refused; held to one line."""
    with pytest.raises(NetworkFileError) as caught:
        check(model, (SAMPLES, LEADS), OUTPUTS)
    text = str(caught.value)
    assert text.isprintable(), text
    assert text.isascii(), text
    assert len(text) < 300, text
    return text


def agrees(model: bytes) -> None:
    """What ``inspect`` found is what an interpreter finds."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runs = interpreter.Interpreter(
        model_content=model,
        experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    facts = inspect(model)
    assert dict(facts.operators) == Counter(op["op_name"] for op in runs._get_ops_details())
    details = {item["index"]: item for item in runs.get_tensor_details()}
    for i, one in enumerate(facts.tensors):
        found = details[i]
        assert one.name == found["name"]
        assert one.shape == tuple(found["shape"])
        assert np.dtype(one.type) == found["dtype"]
        assert one.scales == tuple(found["quantization_parameters"]["scales"])
        assert one.zero_points == tuple(found["quantization_parameters"]["zero_points"])
        assert one.bytes == np.dtype(one.type).itemsize * np.prod(found["shape"])
    for ours, theirs in (
        (facts.inputs, runs.get_input_details()),
        (facts.outputs, runs.get_output_details()),
    ):
        assert [of.name for of in ours] == [of["name"] for of in theirs]


# -- what is in a file


def test_the_facts_of_the_embedded_network() -> None:
    facts = inspect(EMBEDDED)
    check(EMBEDDED, (1000, 12), 93)
    assert facts.subgraphs == 1
    assert facts.operators["CONV_2D"] >= 10
    assert facts.inputs[0].shape == (1, 1000, 12)
    assert facts.outputs[0].shape == (1, 93)
    # The figures beside the limits
    assert max(one.bytes for one in facts.tensors if not one.constant) == 16_000
    assert facts.live_bytes == 32_000
    assert 400_000 < facts.constant_bytes < len(EMBEDDED)


@pytest.mark.parametrize("model", [EMBEDDED, SMALL], ids=["embedded", "small"])
def test_an_interpreter_finds_the_same(model: bytes) -> None:
    agrees(model)


def test_the_small_network_is_a_network() -> None:
    """Otherwise the refusals below would show nothing."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    check(SMALL, (SAMPLES, LEADS), OUTPUTS)
    runs = interpreter.Interpreter(model_content=SMALL)
    runs.allocate_tensors()
    runs.set_tensor(0, np.arange(8, dtype=np.int8).reshape(1, SAMPLES, LEADS))
    runs.invoke()
    assert runs.get_tensor(5).tolist() == [[0, 1, 2]]


def test_operators_have_the_names_and_options_of_the_schema() -> None:
    """The table against TensorFlow Lite's own, down to where each option's fields lie."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    options = {number: name for name, number in vars(schema.BuiltinOptions).items()}
    sizes = {"b": "Int8", "?": "Bool", "i": "Int32", "S": "Int32", "D": "Int32", "f": "Float32",
             "V": "UOffsetTRelative"}  # fmt: skip
    for number, operator in ALLOWED.items():
        assert names[number] == operator.name
        kind = options[operator.options]
        assert (kind == "NONE") == (operator.options == 0)
        for slot, letter in enumerate(operator.slots):
            asked = _Slots()
            fields = [n for n in vars(schema) if n.startswith(f"{kind}Add")]
            for field in fields:
                getattr(schema, field)(asked, 1)
            assert asked.found[slot] == sizes[letter], (operator.name, slot)


class _Slots:
    """Notes what a generated function writes where."""

    def __init__(self) -> None:
        self.found: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        kind = name.removeprefix("Prepend").removesuffix("Slot")
        return lambda slot, *_: self.found.update({slot: kind})


# -- what is refused


def set_in(path: str, value: object) -> Change:
    """E.g. ``tensors.2.type`` in the first subgraph."""
    *way, last = path.split(".")

    def change(model: Any) -> None:
        at = model.subgraphs[0]
        for step in way:
            at = at[int(step)] if step.isdigit() else getattr(at, step)
        setattr(at, last, value)

    return change


def code(number: int, custom: bytes | None = None) -> Change:
    """Another operator in the place of RESHAPE, without its options."""

    def change(model: Any) -> None:
        of = model.operatorCodes[0]
        of.builtinCode, of.deprecatedBuiltinCode = number, min(number, 127)
        of.customCode = custom
        model.subgraphs[0].operators[0].builtinOptionsType = 0
        model.subgraphs[0].operators[0].builtinOptions = None

    return change


def computed(shape: tuple[int, ...], number: int = 1) -> Change:
    """So many tensors more of this shape, each computed."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        first = len(graph.tensors)
        graph.tensors += [tensor("large", shape, scale=1.0)] * number
        graph.operators[0].outputs = [2, *range(first, first + number)]

    return change


def chained(number: int, *, kept: bool = False) -> Change:
    """So many more of 60 MB, each computed of the one before; kept: the first is read last."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        first, reshape = len(graph.tensors), graph.operators[0]
        graph.tensors += [tensor("large", (1, 60 << 20), scale=1.0)] * number
        for place in range(first, first + number):
            graph.operators.append(copy(reshape))
            graph.operators[-1].inputs = [place - 1 if place > first else 2, 1]
            graph.operators[-1].outputs = [place]
        if kept:
            graph.operators[-1].inputs = [first + number - 2, first]

    return change


def test_tensors_count_while_they_are_needed() -> None:
    model = changed(SMALL, chained(9))
    check(model, (SAMPLES, LEADS), OUTPUTS)
    assert inspect(model).live_bytes == 2 * 60 << 20
    assert inspect(changed(SMALL, chained(2, kept=True))).live_bytes == 2 * 60 << 20
    assert inspect(SMALL).live_bytes == 2 * SAMPLES * LEADS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.subgraphs.append(m.subgraphs[0]), "2 subgraphs, not one"),
        (code(32, b"FlexErf"), r"custom operator 'FlexErf', which this firmware refuses"),
        (code(32, b"TFLite_Detection"), "custom operator 'TFLite_Detection'"),
        (code(32), "custom operator ''"),
        (code(119), "uses operator 119"),
        (code(44), "operator 44"),
        (code(143), "operator 143"),
        (code(206), "operator 206"),
        (set_in("tensors.0.type", Types.FLOAT32), r"input is float32 \[1, 4, 2\]"),
        (set_in("tensors.5.type", Types.FLOAT32), r"output is float32 \[1, 3\]"),
        (set_in("tensors.5.type", Types.INT16), r"output is int16"),
        (set_in("tensors.0.type", Types.UINT8), "uint8, not int8, in 'signal'"),
        (set_in("tensors.2.type", Types.FLOAT16), "float16, not int8, in 'flat'"),
        (set_in("tensors.2.type", Types.STRING), "string, not int8"),
        (set_in("tensors.2.type", Types.RESOURCE), "type 13, not int8"),
        (set_in("tensors.0.shape", [1, 2, 4]), r"is int8 \[1, 2, 4\], its manifest says"),
        (set_in("tensors.0.shape", [2, 4, 2]), r"input is int8 \[2, 4, 2\]"),
        (set_in("tensors.5.shape", [1, 4]), r"output is int8 \[1, 4\].*says int8 \[1, 3\]"),
        (set_in("tensors.0.shape", [-1, 4, 2]), r"a tensor has shape \[-1, 4, 2\]"),
        (set_in("tensors.2.shape", [1, -1]), r"a tensor has shape \[1, -1\]"),
        (set_in("tensors.2.shape", [1, 0]), r"a tensor has shape \[1, 0\]"),
        (set_in("tensors.2.shape", [1] * 7), "a list in it has 7 entries"),
        (set_in("tensors.2.shapeSignature", [1]), "a tensor has shape"),
        (set_in("outputs", [5, 2]), r"output is int8 \[1, 3\], int8 \[1, 8\]"),
        (set_in("outputs", []), "output is missing"),
        (set_in("inputs", []), "reads what was not computed"),
        (set_in("inputs", [0, 0]), "inputs are not its own"),
        (set_in("inputs", [0, 1]), "inputs are not its own"),
        (set_in("tensors.0.quantization", None), "a tensor has no scale"),
        (set_in("tensors.5.quantization", None), "a tensor has no scale"),
        (set_in("tensors.2.quantization", None), "a tensor has no scale"),
        (lambda m: _per_channel(m, 0), "input has more than one scale"),
        (lambda m: _per_channel(m, 5), "output has more than one scale"),
        (set_in("tensors.2.quantization.scale", [0.0]), "or one out of range"),
        (set_in("tensors.2.quantization.scale", [1e-12]), "or one out of range"),
        (set_in("tensors.2.quantization.scale", [1e24]), "or one out of range"),
        (set_in("tensors.2.quantization.scale", [float("nan")]), "or one out of range"),
        (set_in("tensors.2.quantization.zeroPoint", [128]), "zero points out of range"),
        (set_in("tensors.2.quantization.zeroPoint", []), "zero points out of range"),
        (set_in("tensors.2.isVariable", True), "writes where it must not"),
        (lambda m: m.subgraphs[0].tensors.append(_variable()), "keeps 'state' from one window"),
        (set_in("tensors.4.type", Types.FLOAT32), "weights that are not quantized"),
        (computed((1, MAX_TENSOR_BYTES + 1)), "a tensor of 64 MB, at most 64 MB fit"),
        (computed((1, 1 << 30, 1 << 30)), "a tensor of 1099511627776 MB"),
        (computed((1, MAX_TENSOR_BYTES), MAX_LIVE_BYTES // MAX_TENSOR_BYTES),
         "needs 128 MB of tensors at one time, at most 128 MB fit"),
        (chained(9, kept=True), "needs 180 MB of tensors at one time"),
        (lambda m: setattr(m, "version", 4), "version 4, not 3"),
        (lambda m: m.subgraphs.clear(), "holds no network"),
        (set_in("tensors.3.buffer", 9), "a tensor has no buffer"),
        (set_in("tensors.3.shape", [3, 9]), "a tensor of 27 bytes has 24"),
        (set_in("operators.1.opcodeIndex", 2), "an operator has no code"),
        (set_in("operators.1.inputs", [6, 3, 4]), "names a tensor it does not have"),
        (set_in("operators.1.inputs", [-1, 3, 4]), "not computed before"),
        (set_in("operators.1.inputs", [-2, 3, 4]), "names a tensor it does not have"),
        (set_in("operators.0.inputs", [2, 1]), "not computed before"),
        (set_in("operators.0.inputs", [5, 1]), "not computed before"),
        (set_in("operators.1.outputs", [2]), "writes where it must not"),
        (set_in("operators.1.outputs", [3]), "writes where it must not"),
        (set_in("operators.1.outputs", [0]), "writes where it must not"),
        (set_in("operators.1.outputs", []), "writes where it must not"),
        (set_in("operators.1.inputs", [2] * 1025), "a list in it has 1025 entries"),
        (set_in("outputs", [4096]), "names a tensor it does not have"),
        (lambda m: m.subgraphs[0].operators.pop(), "an output is never computed"),
        (set_in("operators.1.customOptions", [1]), "a feature this firmware does not know"),
        (set_in("operators.1.largeCustomOptionsOffset", 8), "a feature this firmware does not"),
        (set_in("tensors.3.sparsity", schema.SparsityParametersT()), "a feature this firmware"),
        (lambda m: setattr(m.buffers[2], "offset", 4096), "a feature this firmware does not know"),
        (lambda m: setattr(m.metadata[0], "buffer", 9), "a note has no buffer"),
        (lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 1), "is of no subgraph"),
        (lambda m: setattr(m.signatureDefs[0].outputs[0], "tensorIndex", 6), "signature names a"),
        (lambda m: setattr(m.operatorCodes[1], "builtinCode", 3), "has two codes"),
        (lambda m: m.operatorCodes.reverse(), "has the options of another operator"),
        (code(3), "CONV_2D has the options of another operator"),
        (set_in("operators.1.builtinOptions", None), "FULLY_CONNECTED has no options"),
        (set_in("operators.0.builtinOptions.newShape", [1] * 7), "a list in it has 7 entries"),
    ],
)  # fmt: skip
def test_what_this_firmware_would_not_run_is_refused(change: Change, says: str) -> None:
    assert re.search(says, refusal(changed(SMALL, change)))


def _variable() -> Any:
    state = tensor("state", (1, 8), scale=1.0)
    state.isVariable = True
    return state


def _per_channel(model: Any, tensor: int) -> None:
    of = model.subgraphs[0].tensors[tensor]
    of.quantization.scale = [0.5] * of.shape[1]
    of.quantization.zeroPoint = [0] * of.shape[1]
    of.quantization.quantizedDimension = 1


@pytest.mark.parametrize("step", [0, -1, 1 << 16])
@pytest.mark.parametrize("field", ["strideH", "strideW", "filterWidth", "filterHeight"])
def test_steps_that_would_divide_by_zero_or_run_away_are_refused(field: str, step: int) -> None:
    pool = with_pool(SMALL)
    check(pool, (SAMPLES, LEADS), OUTPUTS)
    wrong = changed(pool, set_in(f"operators.0.builtinOptions.{field}", step))
    assert f"MAX_POOL_2D has a step of {step}" in refusal(wrong)


def test_a_scale_per_channel_must_be_one_per_channel() -> None:
    for dimension in (1, 2, -1):
        of = set_in("tensors.3.quantization.quantizedDimension", dimension)
        assert "not one scale per channel" in refusal(changed(with_pool(SMALL), of))


def test_a_bias_may_be_left_out_and_nothing_else() -> None:
    check(changed(SMALL, set_in("operators.1.inputs", [2, 3, -1])), (SAMPLES, LEADS), OUTPUTS)
    for inputs in ([2, -1, 4], [-1, 3, 4], [2, 3, 4, -1], [2, 3, -1, -1]):
        assert "not computed" in refusal(changed(SMALL, set_in("operators.1.inputs", inputs)))


@pytest.mark.parametrize("model", [b"", b"TFL3", b"\0" * 4 + b"TFL2" + b"\0" * 99, b"PK\3\4" * 9])
def test_what_is_no_network_is_refused(model: bytes) -> None:
    assert "not a TensorFlow Lite network" in refusal(model)


def test_a_bundle_says_what_is_wrong_with_its_network() -> None:
    from tests.device.bundle_kit import unsigned_bundle

    data = unsigned_bundle(change=lambda _, files: files.update({MODEL: SMALL}))
    with pytest.raises(NetworkFileError, match=r"is int8 \[1, 4, 2\], its manifest says"):
        Bundle.from_bytes(data)


# -- damage and malice


def test_a_network_cut_anywhere_is_refused() -> None:
    for size in range(len(SMALL)):
        refusal(SMALL[:size])
    for size in range(8, len(EMBEDDED), 9973):
        with pytest.raises(NetworkFileError, match=r"damaged.*copy the bundle again"):
            inspect(EMBEDDED[:size])


def survives(model: bytes) -> None:
    """``inspect`` returns or refuses, soon and in little memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        inspect(model)
    except BundleError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - began < 2
    assert peak < 16 * len(model) + (64 << 10)  # a number of Python is larger than one of a file


def test_every_flipped_bit_is_survived() -> None:
    for at in range(len(SMALL)):
        for bit in range(8):
            damaged = bytearray(SMALL)
            damaged[at] ^= 1 << bit
            try:
                check(bytes(damaged), (SAMPLES, LEADS), OUTPUTS)
            except NetworkFileError:
                continue


@pytest.mark.parametrize(
    ("model", "times"), [(SMALL, 1000), (EMBEDDED, 40)], ids=["small", "embedded"]
)
def test_changed_words_are_survived(model: bytes, times: int) -> None:
    """Offsets to anywhere: backwards, to themselves, beyond the end."""
    rng = random.Random(4)
    ends = [i for i in range(0, len(model) - 4, 4) if i < 4096 or i > len(model) - 30_000]
    for _ in range(times):
        damaged = bytearray(model)
        for at in rng.sample(ends, rng.choice((1, 2, 8))):
            word = rng.choice((0, 1, 4, len(model), 1 << 31, (1 << 32) - 1, (1 << 32) - 1 - at,
                               rng.randrange(1 << 32), rng.randrange(len(model))))  # fmt: skip
            struct.pack_into("<I", damaged, at, word)
        survives(bytes(damaged))


def circle(slots: int, word: int, size: int = 1 << 20) -> bytes:
    """A file that is one table, all its fields the same offset, in a field of offsets."""
    vtable = struct.pack(f"<2H{slots}H", 4 + 2 * slots, 8, *[4] * slots)
    table = 8 + len(vtable) + (-len(vtable)) % 4
    head = struct.pack("<I4s", table, b"TFL3") + vtable
    body = head.ljust(table, b"\0") + struct.pack("<iI", table - 8, 4)
    return (body + struct.pack("<I", word) * ((size - len(body)) // 4)).ljust(size, b"\0")


@pytest.mark.parametrize("slots", [3, 8, 30])
@pytest.mark.parametrize("word", [0, 1, 4, 8, 16_384, 65_536, (1 << 32) - 4, (1 << 32) - 8])
def test_offsets_in_circles_end(slots: int, word: int) -> None:
    survives(circle(slots, word))


def test_a_list_that_holds_one_long_list_many_times_ends() -> None:
    """A kilobyte per tensor named, a megabyte of it in each: a terabyte if it were believed."""
    long = b"x" * (1 << 20)

    def change(model: Any) -> None:
        model.subgraphs[0].tensors = [tensor("t", (1,), scale=1.0) for _ in range(2000)]
        model.subgraphs[0].tensors[0].name = long

    model = bytearray(changed(SMALL, change))
    name = model.index(struct.pack("<I", len(long)) + b"xxxx")
    for at in range(0, len(model) - 4, 4):  # every name of one letter is the long one now
        target = at + struct.unpack_from("<I", model, at)[0]
        if model[target : target + 6] == b"\1\0\0\0t\0" and name > at:
            struct.pack_into("<I", model, at, name - at)
    survives(bytes(model))
    with pytest.raises(NetworkFileError, match="its parts overlap"):
        inspect(bytes(model))


def test_names_in_the_message_are_plain() -> None:
    says = refusal(changed(SMALL, code(32, "\x1b[2J\n\u202e".encode() + b"\xff" * 5000)))
    assert r"operator '\x1b[2J\n\u202e\ufffd" in says


# -- what the converter writes


@pytest.mark.train
def test_converted_networks_pass_and_are_seen_as_an_interpreter_sees_them() -> None:
    pytest.importorskip("tensorflow", reason="needs the [train] extra")
    import keras
    from keras import layers

    from models.quantize import to_int8

    signal = keras.Input((64, 12))
    windows = np.random.default_rng(5).standard_normal((4, 64, 12)).astype(np.float32)
    x = layers.Conv1D(8, 3, dilation_rate=2, activation="gelu")(layers.ZeroPadding1D(2)(signal))
    x = layers.SeparableConv1D(8, 3, strides=1, padding="same", activation="silu")(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)])
    x = layers.LayerNormalization()(layers.MaxPooling1D(8)(x))
    attention = layers.Flatten()(layers.Multiply()([x, layers.Dense(8, activation="tanh")(x)]))
    recurrent = layers.GRU(4, unroll=True)(layers.AveragePooling1D(32)(signal))
    both = layers.Concatenate()([attention, recurrent])
    model = to_int8(keras.Model(signal, layers.Dense(5)(both)), windows)
    check(model, (64, 12), 5)
    agrees(model)
    floats = [one for one in inspect(model).tensors if one.type == "float32"]
    assert not any(one.constant for one in floats)


def test_nothing_here_depends_on_an_interpreter() -> None:
    assert not {"ai_edge_litert", "tflite_runtime", "flatbuffers"} & set(vars(tflite_file))
