"""Every network of the papers, as int8: ``python -m tests.models.convert_networks [NAME...]``.

Weights are random, windows noise in the network's own measure: it shows that they convert and run,
what they are made of and how much processor time they take, not how good they are.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.network import installed
from models.architectures import ARCHITECTURES, DEVICE
from models.evaluate.op_types import op_types
from models.groups import OUTPUTS
from models.quantize import to_int8
from models.train import quiet_keras


def logits(model: bytes, windows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Of float windows, in each interpreter installed here, dequantised."""
    out = {}
    for runtime in installed():
        runs = _load(runtime, model)
        (given,), (gives,) = runs.get_input_details(), runs.get_output_details()
        (step, zero), (scale, offset) = given["quantization"], gives["quantization"]
        found = []
        for tensor in np.clip(np.rint(windows / step + zero), -128, 127).astype(np.int8):
            runs.set_tensor(given["index"], tensor[None])
            runs.invoke()
            found.append(runs.get_tensor(gives["index"])[0].astype(np.float32))
        out[runtime.value] = (np.array(found) - offset) * scale
    return out


def milliseconds(model: bytes, runs: int = 5) -> dict[str, float]:
    """Processor time, the least of a few runs of one thread, as the device runs it."""
    out = {}
    for runtime in installed():
        network = _load(runtime, model)
        took = []
        for _ in range(runs):
            start = time.process_time()
            network.invoke()
            took.append((time.process_time() - start) * 1e3)
        out[runtime.value] = round(min(took), 1)
    return out


def _load(runtime: str, model: bytes) -> Any:
    """Without XNNPACK, which the device does without."""
    module = importlib.import_module(f"{runtime}.interpreter")
    kernels = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    network = module.Interpreter(
        model_content=model, num_threads=1, experimental_op_resolver_type=kernels
    )
    network.allocate_tensors()
    return network


def main(names: list[str]) -> None:
    """A line of JSON per network."""
    keras = quiet_keras()
    for name in names or DEVICE:
        keras.utils.set_random_seed(1)
        contract = ARCHITECTURES[name].input
        rng = np.random.default_rng(1)
        windows = rng.normal(0, 40 * contract.step, (2, *contract.shape)).astype(np.float32)
        network = ARCHITECTURES[name](OUTPUTS, contract.samples)
        start = time.process_time()
        model = to_int8(network, windows)
        row: dict[str, Any] = {"network": name, "seconds": round(time.process_time() - start, 1)}
        row |= asdict(op_types(model)) | {"ms": milliseconds(model)}
        del row["operators"]
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
