"""The adapter gives the same results on both interpreters, and refuses in one line."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from firmware import network as adapter
from firmware.bundle import Bundle
from firmware.network import Network, NetworkError, Runtime, installed
from firmware.tflite_file import inspect
from models.inputs import TEN_SECONDS
from tests.firmware.forms import of_form
from tests.firmware.small_network import small_network

EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.from_bytes(EMBEDDED)


@pytest.fixture(scope="module", params=list(Runtime), ids=lambda runtime: runtime.value)
def network(request: pytest.FixtureRequest, bundle: Bundle) -> Network:
    if request.param not in installed() or (
        request.param is Runtime.TFLITE_RUNTIME and np.__version__ >= "2"
    ):
        pytest.skip(f"{request.param} does not run here")
    return Network(bundle, runtime=request.param)


def test_golden_vectors_pass(network: Network) -> None:
    network.self_test()


def test_reference_kernels_give_the_golden_logits_bit_for_bit(
    network: Network, bundle: Bundle
) -> None:
    reference = Network(bundle, runtime=network.runtime, reference=True)
    for golden in bundle.golden:
        np.testing.assert_array_equal(reference.logits(golden.tensor), golden.logits)


def test_both_runtimes_agree_bit_for_bit(network: Network, bundle: Bundle) -> None:
    other = Network(bundle)  # the preferred one
    allowed = 0 if platform.machine() == "x86_64" else 1  # each has kernels of its own for Arm
    rng = np.random.default_rng(3)
    for _ in range(5):
        tensor = rng.integers(-60, 61, (1000, 12)).astype(np.int8)
        ours, theirs = network.logits(tensor), other.logits(tensor)
        assert np.abs(ours.astype(int) - theirs).max() <= allowed


def test_probabilities_of_known_rhythms(network: Network, bundle: Bundle) -> None:
    scores = {golden.name: network.run(golden.tensor) for golden in bundle.golden}
    for groups in scores.values():
        assert sum(groups["mate4"].values()) == pytest.approx(1, abs=1e-5)
        assert all(0 <= p <= 1 for group in groups.values() for p in group.values())
    assert max(scores["sinus-72"]["mate4"].items(), key=lambda item: item[1])[0] == "SR"
    assert max(scores["af-110"]["mate4"].items(), key=lambda item: item[1])[0] == "AFIB"


def test_probabilities_follow_scale_zero_and_temperature(network: Network, bundle: Bundle) -> None:
    golden, group = bundle.golden[0], bundle.groups[1]
    z = network.dequantised(network.logits(golden.tensor))[4:9] / group.temperature
    expected = dict(zip(group.labels, 1 / (1 + np.exp(-z)), strict=True))
    assert network.run(golden.tensor)["superclasses"] == pytest.approx(expected, abs=1e-6)


def test_logits_stand_for_what_the_file_says(network: Network, bundle: Bundle) -> None:
    (output,) = inspect(bundle.model).outputs
    (scale,), (zero,) = output.scales, output.zero_points
    assert zero != 0  # or this would show nothing
    logits = np.array([zero, zero + 1, -128], np.int8)
    expected = [0.0, scale, (-128 - zero) * scale]
    assert network.dequantised(logits).tolist() == pytest.approx(expected)


def test_the_rule_is_the_bundles(network: Network, bundle: Bundle) -> None:
    assert network.rule.model == bundle.id
    assert network.rule.texts["SB"] == "SINUS BRADYCARDIA"
    assert all(0.5 <= least <= 0.9 for least in network.rule.thresholds.values())


def test_self_test_sees_a_wrong_filter_and_a_wrong_network(bundle: Bundle) -> None:
    golden = bundle.golden[0]
    off = golden.tensor.copy()
    off[500, 3] += 1
    with pytest.raises(NetworkError, match="filters do not give"):
        Network(replace(bundle, golden=(replace(golden, tensor=off),))).self_test()
    logits = golden.logits.copy()
    logits[5] ^= 0x20
    with pytest.raises(NetworkError, match="off by"):
        Network(replace(bundle, golden=(replace(golden, logits=logits),))).self_test()


def test_self_test_sees_differences_beyond_eight_bits(bundle: Bundle) -> None:
    golden = bundle.golden[0]
    highest = int(golden.logits.argmax())
    assert golden.logits[highest] > 0
    logits = golden.logits.copy()
    logits[highest] = -128
    wrong = replace(golden, logits=logits)
    with pytest.raises(NetworkError, match="128 are allowed"):
        Network(replace(bundle, golden=(wrong,), tolerance=128)).self_test()


@pytest.mark.parametrize(
    "tensor",
    [np.zeros((1000, 12), np.float32), np.zeros((999, 12), np.int8), np.zeros((12, 1000), np.int8)],
)
def test_another_input_is_refused(network: Network, tensor: np.ndarray) -> None:
    with pytest.raises(NetworkError, match="pass int8"):
        network.run(tensor)


def test_a_broken_model_is_refused_in_one_line(network: Network, bundle: Bundle) -> None:
    broken = bundle.model[:8] + bytes(200)
    with pytest.raises(NetworkError, match="refuses the model") as caught:
        Network(replace(bundle, model=broken), runtime=network.runtime)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_lies_about_the_network_is_refused(bundle: Bundle) -> None:
    with pytest.raises(NetworkError, match="its manifest says"):
        Network(replace(bundle, groups=bundle.groups[:1]))


def test_no_interpreter_says_what_to_install(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for runtime in Runtime:
        monkeypatch.setitem(sys.modules, f"{runtime}.interpreter", None)
    assert installed() == ()
    with pytest.raises(NetworkError, match=r"ai-edge-litert or .* install Lead12 again"):
        Network(bundle)


def test_tflite_runtime_with_numpy_2_says_numpy_below_2(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Runtime.TFLITE_RUNTIME not in installed():
        pytest.skip("tflite-runtime is not installed")
    monkeypatch.setattr(adapter.np, "__version__", "2.1.0")
    with pytest.raises(
        NetworkError, match=r"does not work with NumPy 2\.1\.0; install Lead12 again"
    ):
        Network(bundle, runtime=Runtime.TFLITE_RUNTIME)


def test_a_network_in_another_measure_than_its_manifest_is_refused() -> None:
    bundle = of_form(TEN_SECONDS)
    other = replace(bundle, model=small_network(*bundle.input.shape, step=0.04))
    with pytest.raises(NetworkError, match=r"steps of 0\.04 from 0, its manifest says 0\.02"):
        Network(other)
    shifted = replace(bundle, model=small_network(*bundle.input.shape, step=0.02, zero=-128))
    with pytest.raises(NetworkError, match="from -128"):
        Network(shifted)
