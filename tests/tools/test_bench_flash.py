"""``lead12 bench flash``: what it measures is measured right, and what must be refused is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from device.config import Config
from device.link.protocol import encode, pack
from tests.device.link_kit import RESULT
from tools import keys
from tools.bench import flash
from tools.bench.flash import Results, bundles, refusals
from tools.flash import Local, read_keyring


def result(t_s: float, model: str) -> bytes:
    return encode(0, "result", pack({**RESULT, "t_s": t_s, "model": model}))


def test_the_gap_is_between_the_old_models_last_and_the_new_ones_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = Results()
    assert results.switch_s == math.inf  # so that a bench that hears nothing breaks its limit
    for now, model in ((0.0, "old"), (3.0, "old"), (4.25, "new"), (5.0, "new")):
        monkeypatch.setattr(flash.time, "monotonic", lambda now=now: now)
        results.hear(result(now, model))
    assert results.switch_s == 1.25
    assert results.longest_s == 3.0


def test_what_must_be_refused_is_refused(tmp_path: Path) -> None:
    first, second = bundles(tmp_path, 2)
    local = Local(Config().override({"model.store": str(tmp_path / "models")}))
    local.trust(read_keyring(tmp_path / keys.KEYRING), "bench")
    assert local.install(first.read_bytes(), "bench", lambda stage, text: None).ok
    local.confirm("bench")
    outcomes = list(refusals(local, second))
    reasons = [outcome.reason for outcome in outcomes]
    broken = ["not_a_bundle"]
    assert reasons == ["unsigned", "bad_signature", *broken * 2, "unsigned", *broken]
    assert local.list()["running"] == "a"
