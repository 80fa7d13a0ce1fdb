"""``lead12 doctor``: in order on a laptop, and each thing that can be wrong found and named."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from device import doctor as examination
from device.config import Config, ConfigError
from firmware.fixedpoint import BiquadBank
from firmware.network import Network, NetworkError
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.faults import Faults
from hal.clock import VirtualClock
from hal.frontend import Check
from hal.linux_gpio import Pins
from hal.patient.presets import preset
from tests.hal.fake_board import Board, with_gpiod
from tools.doctor import doctor

ALWAYS = {"python", "packages", "fixed point", "network", "SPI", "front end", "shared memory"}
ALWAYS |= {"real-time priority", "timer", "serial", "display", "disk"}


def found(changes: dict[str, object] | None = None) -> dict[str, Check]:
    """Findings by name for the default settings with ``changes``; no real time passes."""
    checks = examination.checks(Config().override(changes or {}), VirtualClock())
    for check in checks:
        assert check.evidence
        assert check.ok or check.act, f"{check.name} failed without saying what to do"
        assert "\n" not in check.evidence + check.act
    return {check.name: check for check in checks}


@pytest.fixture(autouse=True)
def _laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPIO, no spidev module, wherever the tests run."""
    monkeypatch.setitem(sys.modules, "spidev", None)
    monkeypatch.setitem(sys.modules, "gpiod", None)


def test_a_laptop_is_in_order_and_says_what_is_not_here() -> None:
    checks = found()
    assert set(checks) >= ALWAYS
    assert {name: check.evidence for name, check in checks.items() if not check.ok} == {}
    for name in ("SPI", "GPIO"):
        assert checks[name].evidence.startswith("not here")
    assert "golden vectors right" in checks["network"].evidence
    assert "AVDD" in checks["supplies"].evidence


def test_command_prints_evidence_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("all ok")
    assert any(line.startswith("ok") and "ADS1298 id 0x92" in line for line in lines)


def test_json_is_one_object_a_line_and_failure_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text('[model]\npath = "/nonexistent.l12"\n')
    assert doctor(config, as_json=True) == 1
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(set(check) == {"name", "ok", "evidence", "act"} for check in checks)
    assert [check["name"] for check in checks if not check["ok"]] == ["network"]


def test_failures_are_printed_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text('[serial]\nport = "/dev/ttyNONE"\n')
    assert doctor(config) == 1
    out = capsys.readouterr().out
    assert "FAIL  serial" in out
    assert "/dev/ttyNONE does not exist" in out
    assert "→ plug it in" in out
    assert "1 failed" in out


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text("[frontend]\nbackends = 1\n")
    with pytest.raises(ConfigError, match=r"frontend\.backends"):
        doctor(config)


def test_hardware_that_is_asked_for_must_be_there() -> None:
    checks = found({"frontend.backend": "ads1298"})
    assert not checks["SPI"].ok
    assert "/dev/spidev0.0" in checks["SPI"].evidence
    assert not checks["GPIO"].ok
    assert not checks["front end"].ok
    assert "supplies" not in checks


def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults) -> dict[str, Check]:
    """Findings on a Pi with a chip that has ``faults``."""
    clock = VirtualClock()
    chip = SimulatedChip(preset("sinus-70"), clock, 0, faults)
    with_gpiod(Board(chip, clock, Pins()), monkeypatch, tmp_path)
    config = Config().override({"frontend.backend": "ads1298"})
    return {check.name: check for check in examination.checks(config, clock)}


def test_a_board_is_examined_over_its_own_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = board(tmp_path, monkeypatch, Faults())
    assert "gpiochip0 is behind the header" in checks["GPIO"].evidence
    assert checks["front end"].ok
    assert "/dev/spidev0.0" in checks["front end"].evidence
    assert checks["test signal"].ok
    assert checks["input noise"].ok


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(chip_id=0x90), "ADS1294"),
        (Faults(miso_stuck=0x00), "no chip answers"),
        (Faults(miso_stuck=0xFF), "no chip answers"),
        (Faults(drdy_stops_at=0), "no data-ready edge"),
    ],
)
def test_a_sick_board_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults, words: str
) -> None:
    checks = board(tmp_path, monkeypatch, faults)
    failed = [c for c in checks.values() if not c.ok and words in c.evidence]
    assert len(failed) == 1
    assert failed[0].act


def test_wrong_options_and_recordings_fail_the_front_end(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("not,a,recording\n")
    for changes in (
        {"frontend.backend": "ads1289"},
        {"frontend.options": {"speed": 1}},
        {"patient.preset": "nobody"},
        {"patient.record": str(broken)},
    ):
        assert not found(changes)["front end"].ok


def test_arithmetic_that_loses_its_low_bits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow(BiquadBank):
        """State of 32 bits, as plain q31 filters have."""

        def process(self, x: np.ndarray) -> np.ndarray:
            y, out = 0, np.empty_like(x)
            for n, value in enumerate(x[0].tolist()):
                y += (value - y) >> 10
                out[0, n] = y
            return out

    monkeypatch.setattr(examination, "BiquadBank", Narrow)
    check = found()["fixed point"]
    assert not check.ok
    assert "1023 short" in check.evidence


def test_a_damaged_or_absent_network_is_found_and_none_is_allowed(tmp_path: Path) -> None:
    damaged = tmp_path / "model.l12"
    damaged.write_bytes(b"PK\x03\x04 no more")
    for path in (str(damaged), str(tmp_path / "absent.l12")):
        assert not found({"model.path": path})["network"].ok
    assert found({"model.path": "none"})["network"].ok


def test_a_network_that_fails_its_golden_vectors_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(network: Network) -> None:
        raise NetworkError("self-test af: the network is off by 99 steps")

    monkeypatch.setattr(Network, "self_test", wrong)
    check = found()["network"]
    assert not check.ok
    assert "99 steps" in check.evidence


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "PACKAGES", ("numpy", "no-such-package"))
    check = found()["packages"]
    assert not check.ok
    assert "no-such-package" in check.evidence


def test_real_time_refused_matters_only_with_a_real_front_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert found()["real-time priority"].ok
    assert not found({"frontend.backend": "ads1298"})["real-time priority"].ok


class LateClock(VirtualClock):
    """Every tenth wake-up is 3 ms late."""

    _wakes = 0

    def sleep_until_ns(self, t_ns: int) -> None:
        self._wakes += 1
        super().sleep_until_ns(t_ns + (3_000_000 if self._wakes % 10 == 0 else 0))


def test_a_late_timer_is_measured() -> None:
    for backend, ok in (("simulated", True), ("ads1298", False)):
        config = Config().override({"frontend.backend": backend})
        (check,) = (c for c in examination.checks(config, LateClock()) if c.name == "timer")
        assert "25 of 250 edges missed" in check.evidence
        assert "3000 µs p99" in check.evidence
        assert check.ok is ok
        assert check.act


def test_ring_folder_that_does_not_exist(tmp_path: Path) -> None:
    check = found({"ring.path": str(tmp_path / "absent" / "ring")})["shared memory"]
    assert not check.ok
    assert "absent" in check.evidence


def test_serial_ports() -> None:
    master, slave = os.openpty()
    try:
        assert found({"serial.port": os.ttyname(slave)})["serial"].ok
    finally:
        os.close(master)
        os.close(slave)
    assert found({"serial.port": "pty"})["serial"].ok
    assert found({"serial.port": "socket://127.0.0.1:1"})["serial"].ok


def test_displays(tmp_path: Path) -> None:
    assert found({"display.device": f"png:{tmp_path}"})["display"].ok
    for spec in ("ssd1306", "ssd1322", "ssd9999"):
        assert not found({"display.device": spec})["display"].ok
