"""Settings: defaults that run anywhere, and one clear line for what cannot be used."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from device.config import Config, ConfigError, from_json, load, ring_path
from device.config_sections import BACKENDS
from hal import backends


def test_file_names_only_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "lead12.toml"
    file.write_text(
        '[frontend]\nbackend = "ads1298"\nlead_off_threshold_percent = 90\n'
        "[frontend.options]\ndata_ready = 22\n[filters]\nmains_hz = 60\n"
    )
    config = load(file)
    assert config.frontend.backend == "ads1298"
    assert config.frontend.options == {"data_ready": 22}
    assert config.frontend.settings().lead_off_threshold_percent == 90.0
    assert config == Config(
        frontend=config.frontend, filters=dataclasses.replace(config.filters, mains_hz=60)
    )


def test_a_models_place_is_relative_to_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "device" / "lead12.toml"
    file.parent.mkdir()
    file.write_text('[model]\nstore = "models"\npath = "m.l12"\n')
    monkeypatch.chdir(tmp_path)
    for given in (file, Path("device/lead12.toml")):
        config = load(given)
        assert config.model.store == str(file.parent / "models")
        assert config.model.path == str(file.parent / "m.l12")
    assert config.override({"model.path": "other.l12"}).model.path == "other.l12"
    file.write_text('[model]\nstore = "/models"\npath = "none"\n')
    assert (load(file).model.store, load(file).model.path) == ("/models", "none")
    file.write_text("")
    assert load(file) == Config()


def test_the_names_of_the_front_ends_are_those_that_can_be_built() -> None:
    assert tuple(backends.BACKENDS) == BACKENDS


def test_the_monitor_loads_no_driver_of_a_front_end() -> None:
    """It reads the ring; what only acquisition needs would lengthen a board's start."""
    ask = "import device.monitor, sys; print('hal.backends' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_child_process_gets_the_same_settings() -> None:
    config = Config().override({"display.lead": "aVR", "frontend.options": {"spi_bus": 1}})
    assert from_json(config.to_json()) == config


def test_options_override_and_none_leaves_alone() -> None:
    config = Config().override({"patient.preset": "af-90", "serial.port": None})
    assert (config.patient.preset, config.serial.port) == ("af-90", "")


def test_ring_path_is_configured_or_where_systemd_says_or_in_shared_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert ring_path(Config()).name == "lead12.ring"
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/lead12:/run/other")
    assert ring_path(Config()) == Path("/run/lead12/lead12.ring")
    assert ring_path(Config().override({"ring.path": "/run/lead12/ring"})) == Path(
        "/run/lead12/ring"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[frontend]\ngian = 6", "unknown key frontend.gian; did you mean gain?"),
        ("[fronted]", "unknown section fronted; did you mean frontend?"),
        ("[filters]\nzzz = 1", "unknown key filters.zzz; known: profile, mains_hz"),
        ("frontend = 3", "[frontend] must be a table"),
        ('[frontend]\ngain = "6"', 'frontend.gain must be a whole number, not "6"'),
        ("[frontend]\ngain = 5", "frontend.gain must be one of 1, 2, 3, 4, 6, 8, 12, not 5"),
        ("[frontend]\ngain = true", "frontend.gain must be a whole number, not true"),
        ("[patient]\nloop = 1", "patient.loop must be true or false, not 1"),
        ("[frontend]\noptions = 1", "frontend.options must be a table, not 1"),
        ("[display]\nlead = 2", "display.lead must be a string, not 2"),
        ("[patient]\nseed = -1", "patient.seed must be 0 to"),
        ("[serial]\nbaud = nan", "serial.baud must be a whole number"),
        ("[frontend]\nlead_off_threshold_percent = nan", "must be 70.0 to 95.0, not NaN"),
        ("[model]\ntrust = 'all'", 'model.trust must be one of "production", "development"'),
        ("[model]\nconfirm_windows = 0", "model.confirm_windows must be 1 to 3600, not 0"),
        ("gain = = 6", "not valid TOML"),
        ("[electrodes]\nnaming = 'DIN'", 'electrodes.naming must be one of "AHA", "IEC"'),
        (
            "[alarms]\nbrady_bpm = 30\n",
            "alarms.extreme_brady_bpm must not be above alarms.brady_bpm",
        ),
        (
            "[alarms]\ntachy_bpm = 180\n",
            "alarms.extreme_tachy_bpm must not be below alarms.tachy_bpm",
        ),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read \(No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(tmp_path / "binary.toml")
    with pytest.raises(ConfigError, match="not valid JSON"):
        from_json("{")
