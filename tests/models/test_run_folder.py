"""Weights of a run: only where they belong."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.architectures import ARCHITECTURES
from models.config import TrainError
from models.groups import OUTPUTS
from models.run_folder import load_weights, order, write
from models.train import quiet_keras

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
    ),
]


def two_layers(*, deeper: str) -> Any:
    """Two layers of one shape, as a query and a key: Keras saves the deeper one first."""
    keras = quiet_keras()
    x = keras.Input((4,))
    query, key = (keras.layers.Dense(4)(x) for _ in range(2))
    key, query = (key + 0, query) if deeper == "key" else (key, query + 0)
    return keras.Model(x, keras.layers.Concatenate()([query, key]))


def test_weights_are_refused_where_layers_of_one_shape_were_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "final.weights.h5"
    written, same, other = (two_layers(deeper=which) for which in ("key", "key", "query"))
    write(path, written)
    load_weights(same, path)  # made later, so that its layers count on
    x = np.eye(4, dtype=np.float32)
    np.testing.assert_array_equal(written(x), same(x))
    before = np.asarray(other(x))
    with pytest.raises(
        TrainError, match=rf"^{path} is of a version whose .* another order.*train anew"
    ):
        load_weights(other, path)
    np.testing.assert_array_equal(other(x), before)
    other.load_weights(path)  # which Keras does without a word
    assert np.abs(np.asarray(other(x)) - np.asarray(written(x))).max() > 0.1


def test_weights_without_an_order_are_refused(tmp_path: Path) -> None:
    model = two_layers(deeper="key")
    model.save_weights(tmp_path / "final.weights.h5")  # as earlier versions did
    with pytest.raises(TrainError, match="another order"):
        load_weights(model, tmp_path / "final.weights.h5")


@pytest.mark.parametrize("name", ["separable", "att-resnet", "crnn-gru"])
def test_the_order_is_the_same_for_every_length_and_after_other_networks(name: str) -> None:
    quiet_keras()
    samples = ARCHITECTURES[name].input.samples
    assert order(ARCHITECTURES[name](OUTPUTS, None)) == order(ARCHITECTURES[name](OUTPUTS, samples))
