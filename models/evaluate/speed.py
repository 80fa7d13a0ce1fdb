"""Latency and memory of a network under one interpreter, in a process of its own."""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from firmware.bundle import Bundle
from firmware.network import Network, Runtime, installed

RUNS, WARM_UP = 500, 20
ENOUGH_S, FEWEST = 20.0, 5  # slow networks run for so long, and so often at least


def speed(bundle: Path) -> dict[str, dict[str, Any]]:
    """{runtime: latency of one thread, peak memory} of each interpreter installed here."""
    found = {}
    for runtime in installed():
        done = subprocess.run(
            [sys.executable, "-m", "models.evaluate.speed", str(bundle), runtime.value],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            found[runtime.value] = {"error": last}
        else:
            found[runtime.value] = json.loads(done.stdout)
    return found


def parameters(bundle: Bundle) -> int:
    """Weights and biases of the network: its constant tensors that have a scale."""
    module = importlib.import_module(f"{installed()[0]}.interpreter")
    network = module.Interpreter(model_content=bundle.model)
    return sum(
        int(np.prod(tensor["shape"], dtype=int))
        for tensor in network.get_tensor_details()
        if len(tensor["quantization_parameters"]["scales"]) and _constant(network, tensor["index"])
    )


def _constant(network: Any, index: int) -> bool:
    """Before allocation only constants hold data."""
    try:
        network.get_tensor(index)
    except ValueError:
        return False
    return True


def _measure(path: Path, runtime: Runtime) -> dict[str, Any]:
    before = _peak_mib()
    bundle = Bundle.from_bytes(path.read_bytes())
    network = Network(bundle, threads=1, runtime=runtime)
    rng = np.random.default_rng(0)
    tensor = rng.integers(-60, 60, bundle.input.shape).astype(np.int8)
    took: list[float] = []
    begun = time.perf_counter()
    while len(took) < WARM_UP + RUNS:
        if len(took) >= FEWEST and time.perf_counter() - begun > ENOUGH_S:
            break
        start = time.perf_counter_ns()
        network.logits(tensor)
        took.append((time.perf_counter_ns() - start) / 1e6)
    ms = np.array(took[min(WARM_UP, len(took) // 2) :])
    return {
        "median_ms": float(np.median(ms)),
        "p99_ms": float(np.quantile(ms, 0.99)),
        "peak_rss_mib": _peak_mib(),
        "python_rss_mib": before,
    }


def _peak_mib() -> float:
    """Of this program alone: getrusage's peak is inherited from the process that started it."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # no procfs: the inherited peak is an upper bound
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), Runtime(sys.argv[2]))))
