"""Networks of MATE and ECG-SMART-NET: their tables, PyTorch's borders, and plain int8.

``python -m tests.models.test_networks_beats`` converts all six and prints what they are.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from firmware.bundle import Bundle
from firmware.network import Network, Runtime, installed
from models.architectures import ARCHITECTURES
from models.bundle import draft
from models.evaluate.cost import cost
from models.groups import OUTPUTS
from models.quantize import to_int8

NAMES = (
    "mate",
    "mate-shipped",
    "ecg-smart-net",
    "temporal-resnet18",
    "resnet18-beat",
    "mayo-alvd",
)

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
    ),
]

# Outputs: the four groups of rhythms; else two, of occlusion or not
PAPER = {"mate": 4, "mate-shipped": 4}
STAGES = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))  # in, out, first stride


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    """Each network once, with its paper's outputs and norms that have seen something."""
    rng = np.random.default_rng(0)
    networks = {}
    for name in NAMES:
        network = ARCHITECTURES[name](PAPER.get(name, 2), ARCHITECTURES[name].input.samples)
        for layer in network.layers:
            if type(layer).__name__ == "BatchNormalization":
                shapes = [weight.shape for weight in layer.weights]
                drawn = [rng.uniform(0.5, 1.5, shape) for shape in shapes]
                drawn[1], drawn[2] = (rng.normal(0, 0.1, shape) for shape in shapes[1:3])
                layer.set_weights(drawn)
        networks[name] = network
    return networks


def trainable(network: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def resnet18_weights(rows: int) -> int:
    """Weights up to the last residual block, of kernels ``rows`` times as large as 1 x k."""

    def conv(inputs: int, filters: int, size: int) -> int:
        return inputs * filters * size + 2 * filters  # gain and offset of the norm

    total = conv(1, 64, 7 * (7 if rows > 1 else 1))
    for inputs, filters, _ in STAGES:
        total += conv(inputs, filters, 3 * rows) + 3 * conv(filters, filters, 3 * rows)
        total += conv(inputs, filters, 1) if inputs != filters else 0
    return total


def test_outputs_of_each_layer_are_those_of_table_1(built: dict[str, Any]) -> None:
    network = built["ecg-smart-net"]
    wanted = {
        "signal": (400, 12),
        "stem": (200, 12, 64),
        "pool": (100, 12, 64),
        "stage1-block2": (100, 12, 64),
        "stage2-block2": (50, 12, 128),
        "stage3-block2": (25, 12, 256),
        "stage4-block2": (13, 12, 512),
        "spatial": (13, 1, 512),
        "logits": (2,),
    }
    found = {name: tuple(network.get_layer(name).output.shape[1:]) for name in wanted}
    assert found == wanted


def test_weights_are_as_many_as_the_tables_say(built: dict[str, Any]) -> None:
    trunk, head = resnet18_weights(1), 512 * 2 + 2
    assert trainable(built["temporal-resnet18"]) == trunk + head
    assert trainable(built["ecg-smart-net"]) == trunk + 512 * 512 * 12 + 2 * 512 + head
    # torchvision's ResNet-18 has 11,689,512: less two of three colours, 998 of 1000 classes
    wanted = 11_689_512 - 2 * 64 * 7 * 7 - 998 * (512 + 1)
    assert trainable(built["resnet18-beat"]) == resnet18_weights(3) + head == wanted


def test_a_beat_costs_what_the_tables_say(built: dict[str, Any]) -> None:
    """Per output: kernel times inputs; 875 million in all."""
    total, length = 200 * 12 * 64 * 7, 100
    for inputs, filters, stride in STAGES:
        length = -(-length // stride)
        per_column = inputs * 3 + 3 * filters * 3 + (inputs if inputs != filters else 0)
        total += length * 12 * filters * per_column
    total += 13 * 512 * 512 * 12 + 512 * 2
    assert cost(built["ecg-smart-net"])[1] == total
    assert round(total / 1e6) == 875


def conv(x: np.ndarray, kernel: np.ndarray, stride: int, across: bool) -> np.ndarray:
    """PyTorch's Conv2d of [time, lead, filter], padded by half the kernel, on both sides alike."""
    k, rows = kernel.shape[:2]
    x = np.pad(x, ((k // 2, k // 2), (rows // 2, rows // 2) if across else (0, 0), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, rows), axis=(0, 1))
    windows = windows[::stride, :: stride if across else 1]
    return np.einsum("tlckr,krcf->tlf", windows, kernel, optimize=True)


def by_definition(network: Any, beat: np.ndarray, across: bool) -> np.ndarray:
    """Logits of a beat [400, 12], from the tables and the network's weights alone."""

    def kind(name: str) -> Iterator[Any]:
        """Weights of the layers of a kind in the order they were made in, as numbered."""
        layers = [layer for layer in network.layers if type(layer).__name__ == name]
        layers.sort(key=lambda layer: int("0" + re.sub(r".*?_?(\d*)$", r"\1", layer.name)))
        return iter([layer.get_weights() for layer in layers if layer.name != "spatial"])

    kernels, norms = kind("Conv2D"), kind("BatchNormalization")

    def normal(x: np.ndarray) -> np.ndarray:
        gain, offset, mean, variance = next(norms)
        return (x - mean) / np.sqrt(variance + 1e-5) * gain + offset

    def step(x: np.ndarray, stride: int = 1) -> np.ndarray:
        return normal(conv(x, next(kernels)[0], stride, across))

    x = np.maximum(step(beat[..., None], 2), 0)
    edge = (1, 1) if across else (0, 0)
    x = np.pad(x, ((1, 1), edge, (0, 0)), constant_values=-np.inf)
    rows = 3 if across else 1
    x = np.lib.stride_tricks.sliding_window_view(x, (3, rows), axis=(0, 1)).max((-1, -2))
    x = x[::2, :: 2 if across else 1]
    for _, filters, first_stride in STAGES:
        for stride in (first_stride, 1):
            projected = stride != 1 or x.shape[-1] != filters
            shortcut = step(x, stride) if projected else x
            x = np.maximum(step(np.maximum(step(x, stride), 0)) + shortcut, 0)
    layers = {layer.name: layer for layer in network.layers}
    if "spatial" in layers:
        x = np.einsum("tlc,rlcf->tf", x, layers["spatial"].get_weights()[0])[:, None]
        x = np.maximum(normal(x), 0)
    kernel, bias = layers["logits"].get_weights()
    return x.mean((0, 1)) @ kernel + bias


@pytest.mark.parametrize("name", ["ecg-smart-net", "resnet18-beat"])
def test_the_network_computes_what_the_tables_say(built: dict[str, Any], name: str) -> None:
    beat = np.random.default_rng(1).normal(0, 1, (400, 12)).astype(np.float32)
    found = built[name].predict_on_batch(beat[None])[0]
    wanted = by_definition(built[name], beat, across=name == "resnet18-beat")
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_leads_meet_in_the_spatial_convolution_and_not_before(built: dict[str, Any]) -> None:
    keras = importlib.import_module("keras")
    network = built["ecg-smart-net"]
    trunk = keras.Model(network.input, network.get_layer("stage4-block2").output)
    beat = np.random.default_rng(2).normal(0, 1, (2, 400, 12)).astype(np.float32)
    beat[1] = beat[0]
    beat[1, :, 7] += 1
    one, other = trunk.predict_on_batch(beat)
    changed = np.abs(one - other).max((0, 2)) > 1e-6
    assert np.flatnonzero(changed).tolist() == [7]


def test_the_mayo_network_is_six_over_time_one_over_leads_and_two_dense(
    built: dict[str, Any],
) -> None:
    network = built["mayo-alvd"]
    convs = [layer for layer in network.layers if type(layer).__name__ == "Conv2D"]
    shapes = [tuple(layer.kernel.shape) for layer in convs]
    assert shapes == [
        (5, 1, 1, 16),
        (5, 1, 16, 16),
        (5, 1, 16, 32),
        (3, 1, 32, 32),
        (3, 1, 32, 64),
        (3, 1, 64, 64),
        (1, 12, 64, 128),
    ]
    weights = sum(int(np.prod(shape)) + 3 * shape[-1] for shape in shapes)  # bias, gain, offset
    # 400 samples padded to 512, which pools to 2: 256 features
    dense = 256 * 64 + 3 * 64 + 64 * 32 + 3 * 32 + 32 * 2 + 2
    assert trainable(network) == weights + dense


def test_the_mayo_network_sees_the_whole_beat(built: dict[str, Any]) -> None:
    beats = np.zeros((9, 400, 12), np.float32)
    for row, at in enumerate(range(0, 400, 50)):
        beats[row, at : at + 50] = 3
    logits = built["mayo-alvd"].predict_on_batch(beats)
    assert (np.abs(logits[:8] - logits[8]).max(1) > 1e-4).all()


def test_mate_has_its_paper_s_layers_in_their_order(built: dict[str, Any]) -> None:
    network = built["mate"]
    kinds = [type(layer).__name__ for layer in network.layers]
    block = ["Conv1D", "BatchNormalization", "ReLU"]
    residual = [*block * 3, "Add", "BatchNormalization", "ReLU", "MaxPooling1D"]
    assert kinds == ["InputLayer", *block, *residual * 3, "Dense", "Dropout", "Dense"]
    assert network.get_layer("logits").output.shape == (None, 4)
    lengths = [layer.output.shape[1] for layer in network.layers if "pool" in layer.name]
    assert lengths == [1248, 622, 309]
    convs = 12 * 32 * 3 + 32 + 9 * (32 * 32 * 3 + 32)
    norms = (1 + 9 + 3) * 2 * 32
    assert trainable(network) == convs + norms + 309 * 32 * 64 + 64 + 64 * 4 + 4


def test_mate_as_shipped_has_283_k_parameters_and_no_skip(built: dict[str, Any]) -> None:
    network = built["mate-shipped"]
    assert network.count_params() == 283_172
    assert "Add" not in {type(layer).__name__ for layer in network.layers}


@pytest.mark.parametrize("name", ["mate", "mate-shipped", "mayo-alvd"])
def test_a_flattened_network_is_trained_on_what_it_will_see(name: str) -> None:
    network = ARCHITECTURES[name](OUTPUTS, None)
    assert network.input_shape == (None, *ARCHITECTURES[name].input.shape)


def converted(name: str, windows: int = 4) -> tuple[Any, Bundle, np.ndarray]:
    """The float network with our outputs, its int8 twin, and the tensors it was calibrated on."""
    contract = ARCHITECTURES[name].input
    network = ARCHITECTURES[name](OUTPUTS, contract.samples)
    rng = np.random.default_rng(3)
    tensors = np.clip(rng.normal(0, 40, (windows, *contract.shape)), -128, 127).astype(np.int8)
    tensors[0, 0, 0], tensors[0, 1, 0] = -128, 127
    shown = (tensors.astype(np.float32) - contract.zero) * np.float32(contract.step)
    return network, draft(to_int8(network, shown), name, contract, "0"), tensors


def types(bundle: Bundle) -> set[str]:
    """Of all tensors of the converted network."""
    module = importlib.import_module(f"{installed()[0]}.interpreter")
    details = module.Interpreter(model_content=bundle.model).get_tensor_details()
    return {np.dtype(tensor["dtype"]).name for tensor in details}


@pytest.mark.parametrize("name", ["mayo-alvd", "ecg-smart-net"])
def test_a_converted_network_is_integers_alone_and_runs_in_both_interpreters(name: str) -> None:
    network, bundle, tensors = converted(name, windows=1)
    assert types(bundle) <= {"int8", "int32"}
    shown = (tensors.astype(np.float32) - bundle.input.zero) * np.float32(bundle.input.step)
    wanted = network.predict_on_batch(shown)
    for runtime in installed():
        runs = Network(bundle, runtime=runtime)
        found = runs.dequantised(np.array([runs.logits(tensor) for tensor in tensors]))
        assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99


def main() -> None:
    """Bytes, kinds of tensors and milliseconds of all of them."""
    for name in NAMES:
        network, bundle, tensors = converted(name)
        parameters, macs = cost(network)
        took = {}
        for runtime in installed():
            runs, spent = Network(bundle, runtime=Runtime(runtime)), []
            for _ in range(15):
                start = time.perf_counter()
                runs.logits(tensors[0])
                spent.append((time.perf_counter() - start) * 1e3)
            took[runtime.value] = round(float(np.median(spent[5:])), 2)
        print(
            f"{name}: {parameters} parameters, {macs / 1e6:.1f} MMAC, {len(bundle.model)} bytes, "
            f"{sorted(types(bundle))}, ms {took}",
            flush=True,
        )


if __name__ == "__main__":
    main()
