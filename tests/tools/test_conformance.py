"""The conformance table: its verdicts can fail, and a broken instrument makes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import firmware.pipeline
import hal.ads1298.analog
from firmware.profiles import MONITOR
from hal.frontend import Electrode
from hal.patient import Patient
from hal.patient.calibration import Calibration, steady
from hal.patient.electrodes import WithElectrodeFaults, swapped
from hal.patient.presets import preset
from tools.bench.figures import RecordingsAbsentError
from tools.cli import app
from tools.conformance import (
    amplitude,
    baseline,
    bench,
    cli,
    ec57,
    electrodes,
    elsewhere,
    pacing,
    rate,
    report,
    response,
)
from tools.conformance.bench import Recording, phasors, record, twelve
from tools.conformance.clause import SOURCES, Reading, Row, Verdict, percent
from tools.conformance.ec57 import Beats, compare

EVERY = 25  # of the annotated records


def row(*readings: Reading, **more: object) -> Row:
    return Row("clause", "o", "asks", "limit", readings, **more)  # type: ignore[arg-type]


class TestVerdict:
    @pytest.mark.parametrize("value", [1.0, 2.0, 1.5])
    def test_within_its_limits_a_reading_holds(self, value: float) -> None:
        assert Reading("", value, "", 1.0, 2.0).ok

    @pytest.mark.parametrize("value", [0.999, 2.001, None, float("nan"), float("inf")])
    def test_beyond_its_limits_blank_or_no_number_it_does_not(self, value: float | None) -> None:
        assert not Reading("", value, "", 1.0, 2.0).ok

    def test_one_reading_fails_the_row(self) -> None:
        good, bad = Reading("", 0.0, "", 0.0, 1.0), Reading("", 2.0, "", 0.0, 1.0)
        assert row(good, good).verdict is Verdict.PASSED
        assert row(good, bad, good).verdict is Verdict.FAILED

    def test_what_measures_nothing_does_not_pass(self) -> None:
        assert row().verdict is Verdict.NOT_TESTABLE
        assert row(Reading("for information", 1.0, "")).verdict is Verdict.NOT_TESTABLE
        assert row(run=False).verdict is Verdict.NOT_RUN

    def test_a_deviation_counts_to_both_sides(self) -> None:
        found = [percent("", ratio, 5.0).ok for ratio in (0.94, 0.96, 1.04, 1.06)]
        assert found == [False, True, True, False]

    def test_a_rate_that_was_blank_once_is_no_rate(self) -> None:
        assert rate.rate_reading("", [80.0, 81.0], 80).ok
        assert not rate.rate_reading("", [80.0, None, 80.0], 80).ok
        assert not rate.rate_reading("", [80.0, 89.0, 80.0], 80).ok
        assert not rate.rate_reading("", [], 80).ok

    @pytest.mark.parametrize(("bpm", "off"), [(30, 5.0), (50, 5.0), (80, 8.0), (300, 30.0)])
    def test_what_a_rate_may_be_off(self, bpm: float, off: float) -> None:
        assert rate.allowed_bpm(bpm) == pytest.approx(off)


class TestBench:
    def test_tones_are_told_apart_in_amplitude_and_phase(self) -> None:
        t = np.arange(2000) / 500
        y = 3 * np.sin(2 * np.pi * 10 * t) + 4 * np.cos(2 * np.pi * 20 * t) + 5 + 2 * t
        found = phasors(y[:, None], [10.0, 20.0], 1.0)[:, 0]
        assert found == pytest.approx([3 + 0j, 4j], abs=1e-9)

    def test_derived_leads_follow_einthoven_and_goldberger(self) -> None:
        leads = twelve({"I": 1.0, "II": 3.0, "V4": 7.0})
        assert leads.real.tolist() == [1, 3, 2, -2, -0.5, 2.5, 0, 0, 0, 7, 0, 0]

    def test_row_0_of_the_leads_is_sample_0(self) -> None:
        wave = Calibration("step", {"V1": lambda t: np.where(t >= 1.0, 1.0, 0.0)})
        y = record(wave, 2.0).lead("diagnostic", "V1")
        assert abs(int(np.argmax(y > 500)) - 501) <= 1


@pytest.fixture(scope="module")
def amplitudes() -> list[Row]:
    return list(amplitude.rows())


class TestTheInstrumentPasses:
    def test_amplitude(self, amplitudes: list[Row]) -> None:
        assert [one.asks for one in amplitudes if one.verdict is not Verdict.PASSED] == []
        assert len(amplitudes) == 6

    def test_a_rate_and_what_is_no_beat(self) -> None:
        assert rate.measured("", preset("qrs-500uv-40ms-80bpm"), 80).ok
        assert not rate.measured("", Calibration("flat", steady(0.0)), 80).ok
        assert not rate.measured("", preset("qrs-500uv-40ms-80bpm"), 100).ok

    def test_pulses_alone_are_no_beats(self) -> None:
        said = pacing._said(Calibration("flat", {}), pacing.Pulse(20.0, 2.0))
        assert bench.beats_of(said) == []

    def test_electrodes_are_named_alone_and_in_time(self) -> None:
        rows = list(electrodes.rows((Electrode.V3, Electrode.RL)))
        assert [one.verdict for one in rows] == [Verdict.PASSED] * 3


def wrong_scale(patient: Patient, seconds: float, **settings: int) -> Recording:
    good = record(patient, seconds, **settings)
    return replace(good, nv_per_count=1.06 * good.nv_per_count)


def swapped_leads(patient: Patient, seconds: float, **settings: int) -> Recording:
    wrong = WithElectrodeFaults(patient, [swapped(Electrode.V1, Electrode.V2)])
    return record(wrong, seconds, **settings)


class TestABrokenInstrumentFails:
    def test_a_gain_6_percent_high(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(amplitude, "record", wrong_scale)
        assert next(amplitude.rows()).verdict is Verdict.FAILED

    def test_channels_in_the_wrong_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(amplitude, "record", swapped_leads)
        assert amplitude._networks().verdict is Verdict.FAILED
        assert amplitude._crosstalk().verdict is Verdict.FAILED

    def test_the_monitor_filter_in_the_place_of_the_diagnostic(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        profiles = {"diagnostic": MONITOR, "monitor": MONITOR}
        monkeypatch.setattr(firmware.pipeline, "PROFILES", profiles)
        middle, upper, edge, monitor = response._frequency()
        assert [one.verdict for one in (middle, upper, edge)] == [Verdict.FAILED] * 3
        assert monitor.verdict is Verdict.PASSED
        assert response._triangle().verdict is Verdict.FAILED
        assert next(response._impulse()).verdict is Verdict.FAILED

    def test_no_notch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Recording, "leads", without_notch(Recording.leads))
        assert next(response._notch()).verdict is Verdict.FAILED

    def test_ten_times_the_noise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(baseline, "NOISE_RUN_S", 2)
        monkeypatch.setattr(hal.ads1298.analog, "NOISE_INPUT_V", 3.5e-6)
        assert baseline._noise().verdict is Verdict.FAILED

    def test_a_front_end_too_quiet_to_be_true(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(baseline, "NOISE_RUN_S", 2)
        monkeypatch.setattr(hal.ads1298.analog, "NOISE_INPUT_V", 0.0)
        monkeypatch.setattr(hal.ads1298.analog, "NOISE_OUTPUT_V", 0.0)
        assert baseline._noise().verdict is Verdict.FAILED

    def test_electrodes_that_take_their_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(firmware.pipeline, "SETTLE", 600)
        off, on, _ = electrodes.rows((Electrode.V3,))
        assert (off.verdict, on.verdict) == (Verdict.PASSED, Verdict.FAILED)

    def test_an_electrode_named_for_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = hal.ads1298.analog.AnalogFrontEnd._comparators

        def shifted(*arguments: object) -> object:
            statp, statn = original(*arguments)  # type: ignore[arg-type]
            return statp << np.uint16(1), statn

        monkeypatch.setattr(
            hal.ads1298.analog.AnalogFrontEnd, "_comparators", staticmethod(shifted)
        )
        off, _, others = electrodes.rows((Electrode.V3,))
        assert (off.verdict, others.verdict) == (Verdict.FAILED, Verdict.FAILED)


def without_notch(
    leads: Callable[..., bench.Samples],
) -> Callable[[Recording, str, int | None], bench.Samples]:
    return lambda self, profile, mains_hz=None: leads(self, profile)


class TestEc57:
    @pytest.mark.parametrize(
        ("reference", "detected", "expected"),
        [
            ([100, 300], [110, 290], (2, 0, 0)),
            ([100, 300], [175, 376], (1, 1, 1)),  # 150 ms and 152 ms
            ([100, 300], [100], (1, 1, 0)),
            ([100], [60, 100, 140], (1, 0, 2)),
            ([100, 160], [150], (1, 1, 0)),  # nearer to the second
            ([], [5], (0, 0, 1)),
            ([5], [], (0, 1, 0)),
        ],
    )
    def test_beats_pair_one_to_one_with_the_nearer(
        self, reference: list[int], detected: list[int], expected: tuple[int, int, int]
    ) -> None:
        beats = compare("", reference, detected, ec57.MATCH)
        assert (beats.true, beats.missed, beats.extra) == expected

    def test_gross_counts_beats_and_average_counts_records(self) -> None:
        records = [Beats("a", 90, 10, 0), Beats("b", 0, 1, 1), Beats("none", 0, 0, 0)]
        assert ec57.gross(records).sensitivity == pytest.approx(90 / 101)
        assert ec57.average(records) == (pytest.approx(0.45), pytest.approx(0.5))

    def test_missed_beats_fail_the_report(self) -> None:
        tables = {"x": [Beats("a", 994, 6, 0)], "y": [Beats("a", 996, 4, 4)]}
        bad, good, *_ = ec57.rows(tables, "")
        assert (bad.verdict, good.verdict) == (Verdict.FAILED, Verdict.PASSED)

    def test_absent_recordings_are_said_to_be(self) -> None:
        absent = next(one for one in ec57.rows({}, "no ecg_500hz.h5") if not one.run)
        assert (absent.verdict, absent.why) == (Verdict.NOT_RUN, "no ecg_500hz.h5")

    def test_a_preset_against_its_own_truth(self) -> None:
        (beats,) = ec57.simulated(["sinus-120"])
        assert (beats.missed, beats.extra) == (0, 0)
        assert beats.true >= 50

    @pytest.mark.data
    def test_annotated_records(self, recordings: Path) -> None:
        beats = ec57.ludb(recordings, every=EVERY)
        assert len(beats) == 5
        assert ec57.gross(beats).true > 30
        assert (ec57.gross(beats).missed, ec57.gross(beats).extra) == (0, 0)


def few(failing: bool) -> Callable[[str], object]:
    """Modules of a table that is measured at once."""

    class Group:
        @staticmethod
        def rows() -> Iterator[Row]:
            yield row(Reading("gain", 2.0 if failing else 0.0, "%", -1.0, 1.0))

    return lambda name: elsewhere if name.endswith("elsewhere") else Group


class TestCommand:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report, "GROUPS", {"amplitude": "Amplitude", "elsewhere": "Elsewhere"})
        monkeypatch.setattr(ec57, "annotated_folder", lambda data: Path("."))

    @pytest.mark.parametrize(("failing", "code"), [(False, 0), (True, 1)])
    def test_one_json_object_per_row(
        self, failing: bool, code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cli, "import_module", few(failing))
        result = CliRunner().invoke(app, ["hil", "conformance", "--json"])
        first, *rest = [json.loads(line) for line in result.stdout.splitlines()]
        assert result.exit_code == code
        assert first["verdict"] == ("failed" if failing else "passed")
        assert first["readings"] == [
            {
                "name": "gain",
                "value": 2.0 if failing else 0.0,
                "unit": "%",
                "low": -1.0,
                "high": 1.0,
                "ok": not failing,
            }
        ]
        assert {one["verdict"] for one in rest} == {"not testable in software"}
        assert all(one["why"] for one in rest)

    def test_the_page_shows_every_row_and_names_what_failed(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(cli, "import_module", few(failing=True))
        monkeypatch.setattr(report, "PAGE", tmp_path / "conformance.md")
        result = CliRunner().invoke(app, ["hil", "conformance", "--update-docs"])
        page = (tmp_path / "conformance.md").read_text(encoding="utf-8")
        assert result.exit_code == 1
        assert "1 failed, 14 not testable in software" in page
        assert "- asks: gain 2.0 %" in page
        assert "**gain 2.0 %** | **failed** |" in page
        assert all(one.why in page for one in elsewhere.rows())

    def test_the_page_is_not_written_without_the_annotated_recordings(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def absent(data: Path | None) -> Path:
            raise RecordingsAbsentError("no ecg_500hz.h5")

        monkeypatch.setattr(ec57, "annotated_folder", absent)
        with pytest.raises(RecordingsAbsentError, match="no ecg_500hz"):
            cli.measure(update_docs=True, as_json=False, data=None)


class TestThePage:
    PAGE = report.PAGE.read_text(encoding="utf-8")

    def test_it_is_the_table_of_this_code(self, amplitudes: list[Row]) -> None:
        for one in amplitudes:
            line = next(line for line in self.PAGE.splitlines() if f" | {one.asks} | " in line)
            assert line.startswith(f"| {one.clause} `{one.sources}`")
            assert line.endswith(f"| {one.verdict} |")
        for one in elsewhere.rows():
            assert f"| {one.asks} | {one.why} |" in self.PAGE

    def test_it_says_what_it_is_not(self) -> None:
        assert "Not a medical device" in self.PAGE.splitlines()[2]

    def test_every_letter_is_explained(self) -> None:
        cells = [
            line.split("`")[1]
            for line in self.PAGE.splitlines()
            if line.startswith("| ") and "`" in line
        ]
        assert {letter for cell in cells for letter in cell.split()} <= set(SOURCES)
        assert all(f"- `{letter}`: {what}" in self.PAGE for letter, what in SOURCES.items())
