"""Pages for image networks: the networks' shapes, the eight copies, what photos hand over."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pytest

from firmware.page import INK, PAPER, draw
from models.architectures import ARCHITECTURES
from models.data.pages import as_photographed, as_tensor, otsu, variants
from models.groups import OUTPUTS

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
PAGE = ARCHITECTURES["page"].input
VGG16 = 14_714_688  # of its thirteen convolutions (Simyonan & Zisserman, table 2, less the head)


def drawn() -> np.ndarray:
    """A page of beats of one millivolt, int8 [1, 290, 530, 1]."""
    t = np.arange(1000)[:, None] / 100
    beat = np.exp(-(((t * 1.2) % 1 - 0.5) ** 2) / 0.002)
    counts = np.rint(beat * np.ones(12) * 1e6 / PAGE.nv_per_count).astype(np.int32)
    return draw(counts, np.zeros(12, np.bool_), PAGE)[None]


def test_eight_copies_of_a_picture():
    """Dark writing on paper that is darker on one side: only the adaptive copy keeps all of it."""
    grey = np.tile(np.linspace(90, 230, 200), (60, 1))
    grey[30:33, 10:190] -= 50
    grey = grey.astype(np.uint8)
    copies = variants(grey)
    assert copies.shape == (8, 60, 200)
    assert np.array_equal(copies[0], grey)
    assert set(np.unique(copies[[1, 2, 3, 5, 6, 7]])) == {0, 255}
    simple, split, adaptive = copies[1:4]
    assert (simple[5] == 0).any()  # the dark side of the paper
    assert (split[5] == 0).any()
    assert (adaptive[31, 20:180] == 0).all()
    assert (adaptive[10] == 255).mean() > 0.9
    assert np.ptp(copies[4]) < np.ptp(grey)


def test_otsu_parts_two_heaps():
    grey = np.repeat(np.array([40, 50, 200, 210], np.uint8), 100).reshape(20, 20)
    assert 50 <= otsu(grey) < 200


def test_a_picture_becomes_the_firmwares_measure():
    assert as_tensor(np.array([[0, 255]], np.uint8)).ravel().tolist() == [INK, PAPER]


def test_what_photos_add_is_ink_only_and_seeded():
    page = drawn()
    spoilt = as_photographed(page, np.random.default_rng(5))
    assert np.array_equal(spoilt, as_photographed(page, np.random.default_rng(5)))
    assert (spoilt >= page).all()
    assert (spoilt != page).any()


@pytest.mark.train
@needs_tensorflow
def test_vgg16_is_the_published_one():
    """Thirteen convolutions in five blocks, one dense layer behind a mean over the page."""
    one = ARCHITECTURES["vgg16-page"](1, None)
    assert one.count_params() == VGG16 + 512 + 1
    convolutions = [layer for layer in one.layers if "_conv" in layer.name]
    assert len(convolutions) == 13
    wide = ARCHITECTURES["vgg16-page"](1, 1600)
    assert wide.input_shape == (None, 512, 1600, 1)
    assert wide.get_layer("block5_pool").output.shape == (None, 16, 50, 512)
    assert [type(layer).__name__ for layer in one.layers[-3:]] == [
        "GlobalAveragePooling2D", "Dropout", "Dense",
    ]  # fmt: skip


@pytest.mark.train
@needs_tensorflow
def test_the_small_network_is_small_and_becomes_int8_that_finds_its_answer():
    """Within its bounds; int8 in and out; its logits follow the float network's."""
    from models.quantize import to_int8

    network = ARCHITECTURES["page"](OUTPUTS, PAGE.samples)
    assert network.count_params() <= 500_000
    assert macs(network) <= 250e6
    shown = np.concatenate([as_photographed(drawn(), np.random.default_rng(i)) for i in range(4)])
    x = (shown.astype(np.float32) - PAGE.zero) * PAGE.step
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.tflite"
        path.write_bytes(to_int8(network, x))
        interpreter = runtime(path)
    given, said = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert given["dtype"] is said["dtype"] is np.int8
    assert tuple(given["shape"]) == (1, *PAGE.shape)
    interpreter.set_tensor(given["index"], shown[:1])
    interpreter.invoke()
    step, zero = said["quantization"]
    logits = (interpreter.get_tensor(said["index"])[0].astype(float) - zero) * step
    wanted = network.predict_on_batch(x[:1])[0]
    assert np.abs(logits - wanted).max() < 0.1 * np.ptp(wanted) + 2 * step


def macs(network: object) -> float:
    total = 0.0
    for layer in network.layers:  # type: ignore[attr-defined]
        if hasattr(layer, "kernel"):
            places = np.prod(layer.output.shape[1:3]) if len(layer.output.shape) == 4 else 1
            total += float(places) * float(np.prod(layer.kernel.shape))
    return total


def runtime(path: Path) -> object:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    return interpreter
