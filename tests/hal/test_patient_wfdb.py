"""WFDB files: decoded as the wfdb package decodes them, and refused when they are broken."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import RecordingError
from hal.patient.record import INDEPENDENT_LEADS
from hal.patient.recording import read_recording

ALL_LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def adc(samples: int = 1000, bits: int = 12) -> np.ndarray:
    """ADC units [samples, 12] over most of the range, the lowest value (missing) not among them."""
    high = 2 ** (bits - 1) - 1
    return np.random.default_rng(2).integers(-high, high, (samples, 12))


def write(
    folder: Path,
    units: np.ndarray | None = None,
    *,
    record: str = "r 12 500 1000",
    line: str = "{file} 16{offset} 1000(0)/mV 16 0 {initial} {checksum} 0 {lead}",
    prefix: bytes = b"",
    file: str = "r.dat",
    comments: str = "",
) -> Path:
    """A format-16 record written by hand."""
    units = adc() if units is None else units
    lines = [
        line.format(
            file=file,
            offset=f"+{len(prefix)}" if prefix else "",
            initial=column[0] if len(column) else 0,
            checksum=int(column.sum()) & 0xFFFF,
            lead=lead,
        )
        for lead, column in zip(ALL_LEADS, units.T, strict=True)
    ]
    (folder / "r.hea").write_text("\n".join([record, *lines, comments]) + "\n")
    (folder / file).write_bytes(prefix + units.astype("<i2").tobytes())
    return folder / "r"


@pytest.mark.parametrize("form", ["16", "212", "24", "32", "80"])
@pytest.mark.parametrize("samples", [1000, 1001])
def test_formats_as_the_wfdb_package_writes_them(tmp_path, form, samples):
    wfdb = pytest.importorskip("wfdb")
    bits = {"80": 8, "212": 12}.get(form, int(form) if form in ("16", "24", "32") else 16)
    units = adc(samples, bits)
    wfdb.wrsamp(
        "r", fs=360, units=["mV"] * 12, sig_name=ALL_LEADS, d_signal=units,
        fmt=[form] * 12, adc_gain=[200.5] * 12, baseline=[17] * 12, write_dir=str(tmp_path),
    )  # fmt: skip
    ours = read_recording(tmp_path / "r")
    theirs = wfdb.rdrecord(str(tmp_path / "r"))
    assert ours.rate_hz == 360
    columns = [theirs.sig_name.index(lead) for lead in INDEPENDENT_LEADS]
    np.testing.assert_allclose(ours.mv, theirs.p_signal[:, columns], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.mv, (units[:, columns] - 17) / 200.5)


def test_format_61_is_big_endian(tmp_path):
    path = write(tmp_path, line="{file} 61 1000(0)/mV 16 0 {initial} {checksum} 0 {lead}")
    (tmp_path / "r.dat").write_bytes(adc().astype(">i2").tobytes())
    np.testing.assert_allclose(read_recording(path).mv[:, 0], adc()[:, 0] / 1000)


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_path_with_or_without_suffix(tmp_path, suffix):
    path = Path(f"{write(tmp_path)}{suffix}")
    assert read_recording(path).name == "r"
    assert read_recording(str(path)).mv.shape == (1000, 8)


def test_challenge_mat_file(tmp_path):
    """Format 16 behind the 24 bytes of a MATLAB level 4 matrix, column by column."""
    head = np.array([30, 12, 1000, 0, 4], "<i4").tobytes() + b"val\0"
    dx = "#Age: 74\n#Dx: 426783006,164889003"
    path = write(tmp_path, prefix=head, file="r.mat", comments=dx)
    record = read_recording(path.with_suffix(".mat"))
    np.testing.assert_allclose(record.mv[:, 1], adc()[:, 1] / 1000)
    assert record.labels == ("426783006", "164889003")
    assert record.comments[0] == "Age: 74"


@pytest.mark.parametrize(
    ("gain", "mv_per_unit", "zero"),
    [
        ("1000.0(0)/mV", 1e-3, 0),
        ("1000/mV", 1e-3, 5),  # baseline follows the ADC zero
        ("1(0)/uV", 1e-3, 0),
        ("0.2(-7)/uV", 5e-3, -7),
        ("4.88e2(3)", 1 / 488, 3),
        ("1000000(0)/V", 1e-3, 0),
    ],
)
def test_gain_baseline_and_units(tmp_path, gain, mv_per_unit, zero):
    line = f"{{file}} 16 {gain} 16 5 {{initial}} {{checksum}} 0 {{lead}}"
    np.testing.assert_allclose(
        read_recording(write(tmp_path, line=line)).mv[:, 0], (adc()[:, 0] - zero) * mv_per_unit
    )


def test_short_header_lines(tmp_path):
    """Neither a number of samples nor checksums: both are optional in header(5)."""
    units = adc()[:, :1]
    lines = [f"r.dat 16 1000/mV 16 0 0 {int(units.sum()) & 0xFFFF} 0 {x}" for x in ALL_LEADS[:1]]
    (tmp_path / "r.hea").write_text("r 1 500\n" + "\n".join(lines))
    (tmp_path / "r.dat").write_bytes(units.astype("<i2").tobytes())
    with pytest.raises(RecordingError, match=r"lead II, V1.*missing \(found I\)"):
        read_recording(tmp_path / "r")


def test_one_file_per_lead_and_lower_case_names(tmp_path):
    lines = ["r 12 500/1000(0) 1000 10:00:00 01/01/2020"]
    for lead, column in zip(ALL_LEADS, adc().T, strict=True):
        (tmp_path / f"{lead}.dat").write_bytes(column.astype("<i2").tobytes())
        lines.append(f"{lead}.dat 16 1000(0)/mV 16 0 {column[0]} {column.sum()} 0 {lead.lower()}")
    (tmp_path / "r.hea").write_text("\n".join(lines))
    np.testing.assert_allclose(read_recording(tmp_path / "r").mv[:, 7], adc()[:, 11] / 1000)


def missing_sample() -> np.ndarray:
    units = adc()
    units[500, 6] = -32768
    return units


GOOD = "{file} 16 1000(0)/mV 16 0 {initial} {checksum} 0 {lead}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": "r 12 500 2000"}, r"r\.dat is truncated, 1000 of 2000 samples; copy it again"),
        (
            {"units": missing_sample()},
            r"lead V1 has 1 missing samples \(NaN\), the first at 1\.000 s",
        ),
        ({"units": np.zeros((1000, 12), int)}, "every lead is flat"),
        ({"units": np.zeros((0, 12), int), "record": "r 12 500"}, r"lasts 0\.00 s"),
        ({"record": "r 12 0 1000"}, "sampling rate 0 Hz"),
        ({"record": "r 12 5x0 1000"}, "no WFDB record line"),
        ({"record": "r/3 12 500 1000"}, "several segments"),
        ({"record": "r 13 500 1000"}, "announces 13 signals and describes 12"),
        ({"line": GOOD.replace("1000(0)", "0(0)")}, "lead I has gain 0"),
        ({"line": "{file} 16"}, "found none"),
        ({"line": GOOD.replace("mV", "mmHg")}, "lead I is in 'mmHg'; use mV or uV"),
        ({"line": GOOD.replace(" 16 1000", " 310 1000")}, "format 310 is not one of 16"),
        ({"line": GOOD.replace(" 16 1000", " 16x4 1000")}, "several samples per frame"),
        ({"line": GOOD.replace("{checksum}", "12345")}, "checksum of signal I does not match"),
        ({"line": GOOD.replace("{lead}", "V1")}, "lead V1 appears twice"),
        ({"line": "nonsense"}, "cannot read the signal line 'nonsense'"),
    ],
)
def test_broken_records_are_refused_in_one_line(tmp_path, options, message):
    path = write(tmp_path, **options)
    with pytest.raises(RecordingError, match=message) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)
    assert caught.value.act


def test_missing_files_are_named(tmp_path):
    with pytest.raises(RecordingError, match=r"nothing\.hea does not exist"):
        read_recording(tmp_path / "nothing")
    write(tmp_path)
    (tmp_path / "r.dat").unlink()
    with pytest.raises(RecordingError, match=r"signal file .*r\.dat cannot be read \(No such file"):
        read_recording(tmp_path / "r")
    (tmp_path / "r.hea").write_text("")
    with pytest.raises(RecordingError, match="no WFDB record line"):
        read_recording(tmp_path / "r")


def test_development_records_as_the_wfdb_package_reads_them(recordings):
    wfdb = pytest.importorskip("wfdb")
    for header in sorted((recordings / "wfdb").glob("*.hea"))[::6]:
        theirs = wfdb.rdrecord(str(header.with_suffix("")))
        upper = [name.upper() for name in theirs.sig_name]
        columns = [upper.index(lead) for lead in INDEPENDENT_LEADS]
        np.testing.assert_allclose(
            read_recording(header).mv, theirs.p_signal[:, columns], atol=1e-12
        )


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 500), junk=st.text(max_size=6))
def test_junk_in_a_header_is_read_or_refused_but_never_crashes(tmp_path_factory, position, junk):
    path = write(tmp_path_factory.mktemp("wfdb"))
    header = path.with_suffix(".hea")
    text = header.read_text()
    text = text[:position] + junk + text[position + len(junk) :]
    header.write_text(text, encoding="utf-8")
    with contextlib.suppress(RecordingError):
        assert read_recording(path).mv.shape[1] == 8
