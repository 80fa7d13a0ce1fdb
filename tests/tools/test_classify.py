"""``lead12 classify``: the contract of its lines, and that a bad file harms no other."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from firmware.archive import MANIFEST, SUMS, pack, unpack
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
from hal.patient.presets import preset
from tools import cli
from tools.bench.throughput import write_wfdb
from tools.classify import classify, readable


def record(folder: Path, name: str, seconds: float = 10.0, start_s: float = 5.0) -> Path:
    first, points = int(start_s * ANALOG_RATE_HZ), int(seconds * ANALOG_RATE_HZ)
    volts = preset(name).potentials(first, points).volts[::ANALOG_OVERSAMPLING]
    return write_wfdb(folder / name, volts)


def lead12(capture: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The command as a shell sees it: exit code, standard output, standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lead12", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    out, err = capture.readouterr()
    return int(ended.value.code or 0), out, err


def test_one_line_per_file_in_order_and_the_keys_of_the_contract(tmp_path, capsys):
    files = [record(tmp_path, name) for name in ("af-90", "sinus-40", "sinus-70")]
    code, out, err = lead12(capsys, "classify", *files, "--json", "--jobs", 2)
    results = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [r["record"] for r in results] == ["af-90", "sinus-40", "sinus-70"]
    assert [r["call"] for r in results] == ["AFIB", "SB", "SR"]
    for result in results:
        assert set(result["scores"]["mate4"]) == {"AFIB", "GSVT", "SB", "SR"}
        assert result["reason"] is None
        assert result["quality"] == "good"
        assert result["electrodes_off"] == []
    assert results[1]["rate_bpm"] == pytest.approx(40, abs=2)


def test_a_file_of_another_kind_is_told_what_is_read(tmp_path, capsys):
    for name in ("x.heic", "rot.bmp", "a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    code, out, _ = lead12(capsys, "classify", tmp_path / "x.heic", tmp_path / "rot.bmp")
    assert code == 1
    for line in out.splitlines():
        assert line.endswith("give a WFDB record, a .csv, or a JPEG, PNG, TIFF, WebP or PDF")
    for name, *command in (
        ("a.jpg", "report", "-o", tmp_path / "a.pdf"),
        ("x.heic", "export", "-f", "edf", "-o", tmp_path / "a.edf"),
        ("a.jpg", "run", "--record"),
    ):
        code, _, err = lead12(capsys, *command, tmp_path / name)
        assert code == 1
        assert err.endswith(
            "is no recording; give a WFDB record or a .csv; only lead12 classify reads pictures\n"
        )


def with_findings(folder: Path) -> Path:
    """The firmware's own bundle with three findings and a measured rate beside its network."""
    files = unpack(resources.files("firmware").joinpath("embedded.l12").read_bytes())
    del files[SUMS]
    manifest = json.loads(files[MANIFEST])
    manifest["findings"] = [
        {"code": code, "text": text, "act": "", "priority": priority, "instead": instead,
         "any": [["statements", label, 0.3]]}
        for code, text, priority, label, instead in (
            ("paced", "PACED RHYTHM", "medium", "PACE", True),
            ("lbbb", "LBBB", "medium", "CLBBB", False),
            ("pvc", "VENTRICULAR ECTOPY", "low", "PVC", False),
        )
    ]  # fmt: skip
    manifest["fusion"] = {"mate4": {"SB": [-3.0, 2.0, 0.0, 0.0, 0.0, 0.0]}}
    path = folder / "findings.l12"
    path.write_bytes(pack({**files, MANIFEST: json.dumps(manifest).encode()}))
    return path


def test_findings_are_in_the_json_and_in_the_readable_line(tmp_path):
    names = ["paced-60", "lbbb-70", "pvc-70", "stemi-anterior", "sinus-70"]
    files = [record(tmp_path, name) for name in names]
    results = list(classify(files, model=str(with_findings(tmp_path))))
    paced, lbbb, pvc, stemi, sinus = results
    assert (paced["call"], paced["reason"], paced["text"]) == (
        None, "other_rhythm", "PACED RHYTHM",
    )  # fmt: skip
    assert (lbbb["call"], lbbb["text"]) == ("SR", "SINUS RHYTHM + LBBB")
    assert (pvc["call"], pvc["text"]) == ("SR", "SINUS RHYTHM")
    assert (stemi["call"], stemi["text"]) == ("SR", "ST ELEVATION? + SINUS RHYTHM")
    assert sinus["findings"] == []
    (finding,) = lbbb["findings"]
    assert finding == {
        "code": "lbbb", "text": "LBBB", "priority": "medium",
        "probability": pytest.approx(lbbb["scores"]["statements"]["CLBBB"], abs=1e-4),
    }  # fmt: skip
    assert stemi["findings"][0]["probability"] is None
    assert ": no call (other_rhythm)  ! PACED RHYTHM  60/min" in readable(paced)
    assert "  + VENTRICULAR ECTOPY  " in readable(pvc)


def test_the_measured_rate_is_in_the_scores(tmp_path):
    files = [record(tmp_path, name) for name in ("sinus-40", "sinus-70")]
    alone = list(classify(files))
    fused = list(classify(files, model=str(with_findings(tmp_path))))
    slow, normal = (
        (f["scores"]["mate4"], a["scores"]["mate4"]) for f, a in zip(fused, alone, strict=True)
    )
    assert slow[0]["SB"] > slow[1]["SB"]
    assert normal[0]["SB"] < normal[1]["SB"]
    assert fused[0]["scores"]["statements"] == alone[0]["scores"]["statements"]


def test_jobs_do_not_change_a_byte(tmp_path):
    files = [record(tmp_path, name) for name in ("af-140", "sinus-120", "lbbb-70", "vt-160")]
    assert list(classify(files, jobs=1)) == list(classify(files, jobs=2))


def test_a_bad_file_gets_its_line_and_the_others_theirs(tmp_path, capsys):
    good = record(tmp_path, "sinus-70")
    nan = tmp_path / "nan.csv"
    leads = "I,II,V1,V2,V3,V4,V5,V6"
    nan.write_text(f"# rate_hz=500\n{leads}\n" + "0.1,nan,0,0,0,0,0,0\n" * 5000)
    code, out, err = lead12(capsys, "classify", tmp_path / "absent", nan, good, "--json")
    results = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert err == ""
    assert "does not exist" in results[0]["error"]
    assert results[1]["record"] == "nan"
    assert "error" in results[1]
    assert results[2]["call"] == "SR"


def test_a_short_record_gets_scores_but_no_call(tmp_path):
    (result,) = classify([record(tmp_path, "sinus-70", seconds=6.0)])
    assert (result["call"], result["reason"]) == (None, "short")
    assert result["scores"]["mate4"]["SR"] > 0.5
    assert result["rate_bpm"] == pytest.approx(70, abs=3)


def test_a_long_record_is_called_from_all_its_windows(tmp_path):
    (result,) = classify([record(tmp_path, "af-90", seconds=30.0)])
    assert result["call"] == "AFIB"
    assert result["windows"] == 21


@pytest.mark.parametrize("rate_hz", [100, 250, 360, 1000])
def test_the_rate_of_the_recording_does_not_change_the_call(tmp_path, rate_hz):
    volts = preset("af-90").potentials(0, 12 * ANALOG_RATE_HZ).volts
    t = np.arange(10 * rate_hz) / rate_hz
    grid = np.arange(len(volts)) / ANALOG_RATE_HZ
    smooth = np.apply_along_axis(np.convolve, 0, volts, np.ones(9) / 9, "same")
    resampled = np.stack([np.interp(t + 1, grid, column) for column in smooth.T], axis=1)
    path = write_wfdb(tmp_path / f"at{rate_hz}", resampled)
    path.write_text(path.read_text().replace(" 500 ", f" {rate_hz} "))
    (result,) = classify([path])
    assert (result["call"], result["seconds"]) == ("AFIB", 10.0)


def test_a_flat_record_is_refused_but_scored(tmp_path):
    volts = np.random.default_rng(0).normal(0, 2e-6, (5000, 10))  # a cable on the table
    (result,) = classify([write_wfdb(tmp_path / "flat", volts)])
    assert result["call"] is None
    assert result["reason"] == "no_signal"
    assert result["rate_bpm"] is None


def test_a_bundle_that_is_none_is_one_line(tmp_path, capsys):
    good = record(tmp_path, "sinus-70")
    code, out, err = lead12(capsys, "classify", good, "--model", good)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "not a model bundle" in err


@pytest.mark.data
def test_real_records_are_read_and_scored(recordings):
    files = sorted((recordings / "wfdb").glob("*.hea"))
    results = list(classify(files, jobs=2))
    assert not [r for r in results if "error" in r]
    answered = sum(r["call"] is not None for r in results) / len(results)
    assert answered > 0.9
