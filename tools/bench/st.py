"""How often ST elevation is warned of: normal records, infarctions, simulated infarctions.

The limits are published ones; only that both J + 20 and J + 60 ms must exceed them was chosen here,
on PTB-XL's folds 1-9. ``lead12 bench st [--data FOLDER] [--json]``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.qrs import QrsDetector
from firmware.raw_window import WINDOW
from firmware.st_level import st_levels
from hal.clock import VirtualClock
from hal.frontend import CHANNELS, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools.bench.figures import Figure
from tools.bench.recordings import LEAD_IN, chip_counts, packed

SEEDS = 20
INFARCTIONS = ("stemi-anterior", "stemi-inferior")
OTHERS = ("sinus-70", "sinus-120", "af-90", "lbbb-70", "rbbb-70", "pvc-70", "tall-t", "noisy-70")
_MI = ("IMI", "ASMI", "ILMI", "AMI", "ALMI", "LMI", "IPLMI", "IPMI", "PMI")
CLASSES = {  # PTB-XL statements
    "normal (NORM)": {"NORM"},
    "infarction of any age (IMI, ASMI, ...)": set(_MI),
    "subendocardial injury (INJ..)": {"INJAS", "INJAL", "INJIN", "INJLA", "INJIL"},
    "bundle branch block or paced": {"CLBBB", "CRBBB", "PACE"},
    "left ventricular hypertrophy (LVH)": {"LVH"},
}


def elevated(counts: NDArray[np.int32], nv_per_count: float) -> bool:
    """Whether the last ten seconds of raw counts [n, 8] are warned of."""
    beats = QrsDetector(nv_per_count).push(0, counts, np.ones(CHANNELS, np.bool_))
    first = len(counts) - WINDOW
    levels = st_levels(
        counts[first:], [beat - first for beat in beats], np.ones(12, np.bool_), nv_per_count
    )
    return levels is not None and bool(levels.elevated())


def on_records(data: Path) -> dict[str, list[bool]]:
    """Per class of CLASSES, whether each PTB-XL record of 500 Hz is warned of."""
    found: dict[str, list[bool]] = defaultdict(list)
    for record in packed(data, "ecg_500hz", only="PTB-XL"):
        classes = [name for name, codes in CLASSES.items() if codes.intersection(record.labels)]
        if classes:
            nv_per_count, counts = chip_counts(record)
            warned = elevated(counts[: LEAD_IN + len(record.mv)], nv_per_count)
            for name in classes:
                found[name].append(warned)
    return found


def on_presets(names: Iterable[str]) -> list[bool]:
    """Whether each of SEEDS persons of each preset is warned of."""
    return [_simulated(name, seed) for name in names for seed in range(SEEDS)]


def _simulated(name: str, seed: int) -> bool:
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    counts = frontend.read(WINDOW + 1000, timeout_s=1.0).counts
    frontend.close()
    return elevated(counts, info.nv_per_count)


def measure(data: Path) -> list[Figure]:
    """Every figure."""
    limits = {"normal (NORM)": 2.0}
    figures = [
        Figure(
            f"PTB-XL, {len(found)} records", name, 100 * float(np.mean(found)), "%",
            high=limits.get(name),
        )
        for name, found in on_records(data).items()
    ]  # fmt: skip
    acute, others = on_presets(INFARCTIONS), on_presets(OTHERS)
    return [
        *figures,
        Figure(
            f"simulated, {len(acute)}", "infarctions", 100 * float(np.mean(acute)), "%", low=100
        ),
        Figure(f"simulated, {len(others)}", "others", 100 * float(np.mean(others)), "%", high=2),
    ]
