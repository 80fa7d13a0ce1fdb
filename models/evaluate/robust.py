"""What is lost when electrodes are off or swapped, when there is noise, when an input is railed.

int8 network behind the chip model and the device's filters; every loss is against the same
records unspoiled. Electrodes off are a matter of zeroed leads and measured on all records; the
rest is spoiled before the chip, on a fixed sub-sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import Bundle
from firmware.call import CHEST, LIMB, MAX_CHEST_OFF, RL
from firmware.leads import leads_lost
from firmware.network import Network
from hal.frontend import electrode_mask
from models.data.ptbxl import Dataset
from models.data.stress import NAMED, Stress, stressed_tensor
from models.evaluate.outputs import ByGroup, int8_logits, probabilities
from models.evaluate.system import HEADLINES, headline, measured
from models.train import Progress

SAMPLE = 600  # records; 95 % of them spoiled within some minutes on one core
SEED = 9


def sample(records: int, size: int = SAMPLE) -> NDArray[np.int64]:
    """The rows that are spoiled: always the same ones."""
    rng = np.random.default_rng(SEED)
    return np.sort(rng.choice(records, min(size, records), replace=False))


def robustness(
    bundle: Bundle,
    dataset: Dataset,
    tensors: NDArray[np.int8],
    truth: ByGroup,
    say: Progress,
    *,
    size: int = SAMPLE,
    stresses: Mapping[str, Stress] = NAMED,
) -> dict[str, Any]:
    """Figures of each stress on ``dataset``, whose tensors and truth are given row by row."""
    network = Network(bundle)
    some = sample(len(dataset), size)
    every = np.arange(len(dataset))
    clean = {len(r): _headlines(network, tensors[r], truth, r, say) for r in (some, every)}
    table = {}
    for name, stress in stresses.items():
        only_off = stress == Stress(off=stress.off)
        chosen = every if only_off else some
        if only_off:
            windows = tensors.copy()
            windows[:, :, leads_lost(electrode_mask(stress.off))] = 0
        else:
            windows = np.empty((len(chosen), *tensors.shape[1:]), np.int8)
            for at, row in enumerate(chosen):
                rng = np.random.default_rng((SEED, int(row)))
                windows[at] = stressed_tensor(dataset.mv(int(row)), stress, rng)
                say(name, at + 1, len(chosen))
        found = _headlines(network, windows, truth, chosen, say, name)
        before = clean[len(chosen)]
        table[name] = {
            "records": len(chosen),
            "no_call": _no_call(electrode_mask(stress.off)),
            **{key: {"value": found[key], "loss": before[key] - found[key]} for key in found},
        }
    return {"clean": clean[len(dataset)], "sub_sample": len(some), "rows": table}


def _headlines(
    network: Network,
    tensors: NDArray[np.int8],
    truth: ByGroup,
    rows: NDArray[np.int64],
    say: Progress,
    what: str = "clean",
) -> dict[str, float]:
    p = probabilities(network.bundle.groups, int8_logits(network, tensors, say, what))
    figures = measured({name: y[rows] for name, y in truth.items()}, p).figures
    return {name: value for name in HEADLINES if not np.isnan(value := headline(figures, name))}


def _no_call(off: int) -> bool:
    """Whether the monitor makes no call with these electrodes off, whatever the network says."""
    return bool(off & (LIMB | RL)) or (off & CHEST).bit_count() > MAX_CHEST_OFF
