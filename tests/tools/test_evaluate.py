"""The device chain as the evaluation uses it: the same answers from any number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hal.patient.record import Recording
from tools.classify import classify
from tools.evaluate import DeviceChain

EMBEDDED = Path(__file__).parents[2] / "firmware" / "embedded.l12"


def quiet(what: str, done: int, total: int) -> None:
    pass


def beating(seed: int) -> Recording:
    t = np.arange(1000) / 100
    beat = np.exp(-(((t * (1 + 0.2 * seed) + 0.3) % 1 - 0.5) ** 2) / 0.001)
    noise = np.random.default_rng(seed).normal(0, 0.01, (1000, 8))
    return Recording(f"r{seed}", 100.0, beat[:, None] + noise)


def test_answers_are_those_of_classify_in_order_whatever_the_number_of_processes(
    tmp_path: Path,
) -> None:
    recordings = [beating(seed) for seed in range(3)]
    told: list[tuple[int, int]] = []
    alone = DeviceChain().recordings(EMBEDDED, iter(recordings), 3, quiet)
    together = DeviceChain(jobs=2).recordings(
        EMBEDDED, iter(recordings), 3, lambda _, done, total: told.append((done, total))
    )
    assert alone == together
    assert told[-1] == (3, 3)
    assert alone[0]["scores"] != alone[1]["scores"]
    path = tmp_path / "r0.csv"
    rows = ["# rate_hz=100", "I_mV,II_mV,V1_mV,V2_mV,V3_mV,V4_mV,V5_mV,V6_mV"]
    rows += [",".join(map(repr, row)) for row in recordings[0].mv.tolist()]
    path.write_text("\n".join(rows) + "\n")
    said = next(iter(classify([path], model=str(EMBEDDED))))
    assert {key: said[key] for key in alone[0]} == alone[0]


def test_simulated_patients_are_watched_from_their_first_whole_window() -> None:
    sinus, silence = DeviceChain().patients(
        EMBEDDED, [("sinus-70", 1), ("asystole", 1)], 13.0, quiet
    )
    assert {result["call"] for result in sinus} == {"SR"}
    assert 3 <= len(sinus) <= 5  # at 10, 11, 12 and 13 s
    assert all(result["rate_bpm"] is not None for result in sinus)
    assert {result["call"] for result in silence} == {None}
