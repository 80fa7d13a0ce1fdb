"""Two processes that share a batch learn what one learns. Needs JAX; see docs/training.md."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]
TRAIN = """
import sys
from pathlib import Path
from tests.models.test_train import CONFIG, claim, fit, lesson, quiet
out = Path(sys.argv[1])
claim(out, CONFIG, "0" * 64, "rhythm")
fit(out, CONFIG, lesson(), quiet)
"""


def trained(out: Path, processes: int) -> tuple[list[dict[str, float]], dict[str, list[str]]]:
    """History and training.json of a run of so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    running = []
    for number in range(processes):
        if processes > 1:
            environment |= {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
            }
        running.append(subprocess.Popen([sys.executable, "-c", TRAIN, out], env=environment))
    assert [one.wait(600) for one in running] == [0] * processes
    return (
        json.loads((out / "history.json").read_text()),
        json.loads((out / "training.json").read_text()),
    )


def test_two_processes_have_the_curve_of_one_with_the_same_batch(tmp_path: Path) -> None:
    alone, _ = trained(tmp_path / "alone", 1)
    both, how = trained(tmp_path / "both", 2)
    assert len(how["devices"]) == 2
    for one, other in zip(alone, both, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=5e-4)
        assert other["superclass_auc"] == pytest.approx(one["superclass_auc"], abs=0.02)
