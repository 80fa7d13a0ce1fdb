"""Networks of "Are ECGs enough?" and CNN-TE: PyTorch's arithmetic, its layers, and plain int8."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.bundle import Bundle
from models.architectures import ARCHITECTURES
from models.architectures.layers import (
    EVEN_IS_NOTHING,
    adaptive_average,
    encoder_layer,
    gru,
    layer_norm,
    lstm,
    positions,
    self_attention,
    unroll,
)
from models.evaluate.op_types import op_types
from models.quantize import to_int8
from tests.models.convert_networks import logits

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
    ),
]


# -- parameters, counted as PyTorch counts them in the paper's public code


def conv(inputs: int, filters: int, kernel: int, bias: bool = False) -> int:
    """With the batch normalisation behind it."""
    return inputs * filters * kernel + bias * filters + 2 * filters


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def residual_block(inputs: int, filters: int, kernel: int, stride: int) -> int:
    shortcut = conv(inputs, filters, 1) if stride > 1 or inputs != filters else 0
    return conv(inputs, filters, kernel) + conv(filters, filters, kernel) + shortcut


def residual_blocks(kernel: int, plan: list[tuple[int, int]]) -> int:
    inputs, total = 64, 0
    for filters, stride in plan:
        total += residual_block(inputs, filters, kernel, stride)
        inputs = filters
    return total


def encoder(hidden: int, width: int = 512) -> int:
    return 4 * linear(width, width) + linear(width, hidden) + linear(hidden, width) + 4 * width


TRUNK = conv(12, 64, 7) + residual_blocks(
    3, [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]
)
CNN_TE = conv(12, 64, 15) + residual_blocks(
    7, [(64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 2), (512, 2), (512, 1)]
)
ALEXNET = [(12, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)]
VGG = [(12, 64), (64, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 3]
GATES = 512 * 256 + 256 * 256 + 256 * 256 + 256 * 256  # of two layers, per gate

# outputs, parameters, millions as published or measured, [time, channels] in their order
NETWORKS = {
    "alexnet": (
        5,
        sum(conv(*one, bias=True) for one in ALEXNET)
        + linear(6 * 256, 4096)
        + linear(4096, 4096)
        + linear(4096, 5),
        23.9,
        [(511, 64), (255, 64), (255, 192), (127, 192), (127, 384), (127, 256), (63, 256), (6, 256)],
    ),
    "vgg11-bn": (
        5,
        sum(conv(*one, 3, bias=True) for one in VGG)
        + linear(7 * 512, 4096)
        + linear(4096, 4096)
        + linear(4096, 5),
        34.6,
        [(2048, 64), (1024, 64), (512, 128), (256, 256), (128, 512), (64, 512), (7, 512)],
    ),
    "resnet18": (
        5,
        TRUNK + linear(512, 5),
        3.9,
        [(1024, 64), (512, 64), (256, 128), (128, 256), (64, 512)],
    ),
    # PyTorch's LSTM has 4 * 256 more in either layer: a second bias
    "crnn-lstm": (
        5,
        TRUNK + 4 * (GATES + 2 * 256) + linear(256, 5),
        5.2,
        [(1024, 64), (512, 64), (256, 128), (128, 256), (64, 512), (64, 256)],
    ),
    "crnn-gru": (
        5,
        TRUNK + 3 * (GATES + 2 * 2 * 256) + linear(256, 5),
        4.8,
        [(1024, 64), (512, 64), (256, 128), (128, 256), (64, 512), (64, 256)],
    ),
    "att-resnet": (
        5,
        TRUNK + 4 * linear(512, 512) + linear(512, 5),
        4.9,
        [(1024, 64), (512, 64), (256, 128), (128, 256), (64, 512)],
    ),
    "transformer": (
        5,
        linear(12 * 3, 512) + 4 * encoder(2048) + linear(512, 5),
        12.6,
        [(2048, 512), (2048, 2048), (2048, 512)],
    ),
    "res-transformer": (
        5,
        TRUNK + 4 * encoder(2048) + linear(512, 5),
        16.5,
        [(1024, 64), (512, 64), (256, 128), (128, 256), (64, 512), (64, 2048), (64, 512)],
    ),
    "cnn-te": (
        13,
        CNN_TE + encoder(1024) + linear(512, 13),
        10.9,
        [(5000, 64), (2500, 64), (1250, 128), (625, 256), (313, 256), (157, 512), (157, 1024)],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_shapes_are_the_paper_s(name: str) -> None:
    outputs, parameters, millions, shapes = NETWORKS[name]
    of = ARCHITECTURES[name]
    network = of(outputs, of.input.samples)
    found = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert found == parameters
    assert round(found / 1e6, 1) == millions
    assert network.input_shape == (None, *of.input.shape)
    assert network.get_layer("logits").output.shape == (None, outputs)
    assert network.get_layer("logits").trainable_weights[0] is network.trainable_weights[-2]
    seen = iter([tuple(step.output.shape[1:]) for step in network.operations])
    assert all(shape in seen for shape in shapes)  # in this order
    assert ARCHITECTURES[name](outputs, None).input_shape[2] == 12


# -- layers


def run(layer: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A layer by itself, its weights as they are drawn."""
    import keras

    keras.utils.set_random_seed(4)
    signal = keras.Input(x.shape[1:])
    out: NDArray[np.float32] = keras.Model(signal, layer(signal)).predict_on_batch(x)
    return out


def test_layer_norm_is_what_keras_computes() -> None:
    from keras import layers

    x = np.random.default_rng(1).normal(3, 2, (2, 5, 16)).astype(np.float32)
    theirs = layers.LayerNormalization(epsilon=1e-5)(x)
    np.testing.assert_allclose(run(layer_norm, x), np.asarray(theirs), atol=1e-5)


@pytest.mark.parametrize("samples", [7, EVEN_IS_NOTHING])
def test_attention_is_what_keras_computes(samples: int) -> None:
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(2)
    signal = keras.Input((samples, 16))
    ours = keras.Model(signal, self_attention(signal, 4))
    theirs = keras.layers.MultiHeadAttention(4, 4)
    x = np.random.default_rng(1).normal(0, 2, (2, samples, 16)).astype(np.float32)
    theirs(x, x)
    made = [ours.get_layer(f"dense{suffix}") for suffix in ("", "_1", "_2", "_3")]  # q, k, v, out
    ours_in_order = [weight for layer in made for weight in layer.weights]
    bent = []
    for mine, other in zip(ours_in_order, theirs.weights, strict=True):
        bent.append(np.random.default_rng(len(bent)).normal(0, 0.5, other.shape))
        mine.assign(bent[-1].reshape(mine.shape))
    theirs.set_weights(bent)
    np.testing.assert_allclose(
        ours.predict_on_batch(x), np.asarray(theirs(x, x)), rtol=1e-4, atol=1e-4
    )


def test_positions_are_the_paper_s() -> None:
    found = positions(157, 512)
    for i in (0, 1, 156):
        for j in (0, 3, 255):
            angle = i / 10_000 ** (2 * j / 512)
            assert found[i, 2 * j] == pytest.approx(np.sin(angle), abs=1e-6)
            assert found[i, 2 * j + 1] == pytest.approx(np.cos(angle), abs=1e-6)


def test_parts_of_an_average_overlap_as_in_pytorch() -> None:
    x = np.random.default_rng(1).normal(size=(2, 63, 3)).astype(np.float32)
    edges = [(0, 11), (10, 21), (21, 32), (31, 42), (42, 53), (52, 63)]
    wanted = np.stack([x[:, start:stop].mean(1) for start, stop in edges], 1)
    np.testing.assert_allclose(run(lambda of: adaptive_average(of, 6), x), wanted, atol=1e-6)


def recurrent(layer: Any) -> Any:
    import keras

    keras.utils.set_random_seed(6)
    signal = keras.Input((16, 12))
    network = keras.Model(signal, keras.layers.Dense(5)(layer(16)(layer(16, True)(signal))))
    rng = np.random.default_rng(6)
    network.set_weights([rng.normal(0, 0.3, one.shape) for one in network.get_weights()])
    return network


# -- int8


@pytest.mark.parametrize("layer", [lstm, gru])
def test_unrolled_layers_compute_the_same_and_convert(layer: Any) -> None:
    windows = np.random.default_rng(7).normal(size=(32, 16, 12)).astype(np.float32)
    network = recurrent(layer)
    fused = network.predict_on_batch(windows)
    unroll(network)
    network.make_predict_function(force=True)
    np.testing.assert_allclose(network.predict_on_batch(windows), fused, atol=1e-5)
    plain_and_close(network, windows)


def test_an_encoder_is_plain_int8_and_follows_float() -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(6)
    signal = keras.Input((24, 12))
    x = layers.Conv1D(32, 3, padding="same")(signal) + positions(24, 32)
    x = layers.GlobalAveragePooling1D()(encoder_layer(encoder_layer(x, 2, 64, 0.1), 2, 64, 0.1))
    windows = np.random.default_rng(7).normal(size=(64, 24, 12)).astype(np.float32)
    plain_and_close(keras.Model(signal, layers.Dense(5)(x)), windows)


def looking(rng: np.random.Generator) -> Any:
    """640 samples look at each other. Its dense layers: width, query, key, value, out, logits."""
    import keras
    from keras import layers

    keras.backend.clear_session()
    signal = keras.Input((640, 12))
    x = layers.GlobalAveragePooling1D()(self_attention(layers.Dense(16)(signal), 2))
    network = keras.Model(signal, layers.Dense(5)(x))
    network.set_weights([rng.normal(0, 0.15, one.shape) for one in network.get_weights()])
    return network


@pytest.mark.parametrize(("contrast", "shared"), [(1, 0), (20, 900)])
def test_attention_over_many_samples_is_not_rounded_away(contrast: int, shared: int) -> None:
    """Nor is it by what all keys share, which changes nothing."""
    rng = np.random.default_rng(8)
    network = looking(rng)
    key = network.get_layer("dense_2")
    key.kernel.assign(np.asarray(key.kernel) * contrast)
    key.bias.assign(np.asarray(key.bias) + shared)
    level = rng.normal(size=(32, 1, 12))  # what a rhythm's window differs in from another's
    windows = (level + rng.normal(size=(32, 640, 12))).astype(np.float32)
    plain_and_close(network, windows)


def test_a_look_that_is_hardly_uneven_is_not_rounded_away(tmp_path: Path) -> None:
    """Windows whose mean is 0, of which an even look tells nothing; and reference kernels live."""
    rng = np.random.default_rng(9)
    network = looking(rng)
    for name in ("dense", "dense_3", "dense_4", "dense_5"):  # all but query's and key's
        network.get_layer(name).bias.assign(np.zeros(network.get_layer(name).bias.shape))
    key = network.get_layer("dense_2")
    key.kernel.assign(np.asarray(key.kernel) * 0.3)
    windows = rng.normal(size=(32, 640, 12)) * rng.uniform(0.3, 3, (32, 1, 12))
    windows -= windows.mean(1, keepdims=True)
    model = plain_and_close(network, windows.astype(np.float32))
    (tmp_path / "model.tflite").write_bytes(model)
    once = (
        "import sys\n"
        "from ai_edge_litert.interpreter import Interpreter, OpResolverType\n"
        "kernels = OpResolverType.BUILTIN_REF\n"
        "runs = Interpreter(sys.argv[1], experimental_op_resolver_type=kernels)\n"
        "runs.allocate_tensors()\n"
        "runs.invoke()"
    )
    subprocess.run([sys.executable, "-c", once, tmp_path / "model.tflite"], check=True)


def plain_and_close(network: Any, windows: NDArray[np.float32]) -> bytes:
    """Nothing but int8, and each output varies with the windows as the float one does."""
    model = to_int8(network, windows)
    found = op_types(model)
    assert found.not_int8 == {}
    assert found.unknown == {}
    wanted = network.predict_on_batch(windows)
    for runtime, got in logits(model, windows).items():
        error = np.sqrt(((got - wanted) ** 2).mean(0)) / wanted.std(0)
        assert error.max() < 0.15, (runtime, error)
    return model


# -- what a file is made of


def test_the_embedded_network_is_counted(embedded: Bundle) -> None:
    found = op_types(embedded.model)
    # stem of 12 leads, the blocks of models/architectures/residual.py, and 256 -> 93
    macs = 500 * 12 * 32 * 9
    inputs, time = 32, 500
    for filters, stride in ((32, 2), (64, 2), (64, 1), (128, 2), (128, 1)):
        time = -(-time // stride)
        shortcut = inputs if stride > 1 or inputs != filters else 0
        macs += time * filters * (5 * inputs + 5 * filters + shortcut)
        inputs = filters
    assert found.macs == macs + 256 * 93
    assert round(found.parameters, -3) == 408_000
    assert found.bytes == len(embedded.model)
    assert found.operators["CONV_2D"] == 14
    assert (found.not_int8, found.unknown) == ({}, {})


def test_what_is_not_int8_is_named() -> None:
    import keras
    import tensorflow as tf

    signal = keras.Input((8, 4), batch_size=1)
    out = keras.layers.Dense(3)(layer_norm(signal))
    network = keras.Model(signal, keras.ops.cumsum(out, axis=1))
    found = op_types(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    assert found.not_int8["RSQRT float32"] == 1
    assert found.unknown == {"operator 128": 1}  # CUMSUM
    # Of each row with itself, its gain, and the dense layer
    assert found.macs == 8 * 4 + 8 * 4 + 8 * 4 * 3
