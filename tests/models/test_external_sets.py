"""Sets for evaluation only: each publisher's form, written here in little, and the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

pytest.importorskip("h5py", reason="h5py is not installed")

from models.data import external, ludb, packed, ptbxl
from models.data.dataset import DataError, Recordings, read_table
from models.data.labels import CNN_TE, MATE4, STATEMENTS, SUPERCLASSES
from tests.models.data_folders import (
    EIGHT,
    LEADS,
    ecg_uv,
    twelve,
    write_csv,
    write_packed,
    write_wfdb,
)

CHALLENGE = {  # record: comments
    "training/cpsc_2018/A0001": ("Age: 74", "Sex: Male", "Dx: 59118001"),
    "training/georgia/E00002": (" Age: NaN", " Sex: Female", " Dx: 426177001,39732003"),
    "training/ptb-xl/HR00003": ("Age: 50", "Sex: Male", "Dx: 426783006"),
    "training/chapman/JS00004": ("Age: 85", "Sex: Unknown", "Dx: 164889003,,164934002,"),
    "training/ningbo/JS10647": ("Age: 30", "Sex: Female", "Dx: 427084000,427393009"),
}


def challenge(folder: Path) -> Recordings:
    for i, (name, comments) in enumerate(CHALLENGE.items()):
        write_wfdb(folder / name, twelve(ecg_uv(i, 3000)), 500, comments, ".mat")
    return external.load(folder)


def ludb_folder(folder: Path) -> Recordings:
    for i, number in enumerate((2, 10)):
        comments = (
            "<age>: >89" if i else "<age>: 51",
            "<sex>: F",
            "<diagnoses>:",
            "Rhythm: Sinus bradycardia." if i else "Rhythm: Atrial fibrillation.",
            "Electric axis of the heart: left axis deviation.",
            "Stemi: anterior wall.",
        )
        leads = [lead.lower() for lead in LEADS]
        uv = twelve(ecg_uv(i, 5000))
        write_wfdb(folder / "data" / str(number), uv, 500, comments, leads=leads)
    (folder / "ludb.csv").write_text("ID\n")
    return external.load(folder)


def chapman_folder(folder: Path) -> Recordings:
    (folder / "ECGData").mkdir()
    rows = []
    for i, (rhythm, beat) in enumerate([("SB", "RBBB TWC"), ("SAAWR", "NONE")]):
        name = f"MUSE_{i}"
        lines = [",".join(LEADS)]
        lines += [",".join(f"{v:g}" for v in row) for row in twelve(ecg_uv(i, 5000))]
        (folder / "ECGData" / f"{name}.csv").write_text("\n".join(lines) + "\n")
        rows.append(
            {
                "FileName": name,
                "Rhythm": rhythm,
                "Beat": beat,
                "PatientAge": 60 + i,
                "Gender": ["MALE", "FEMALE"][i],
            }
        )
    write_csv(folder / "Diagnostics.csv", rows)
    return external.load(folder)


def packed_folder(folder: Path) -> Recordings:
    steps = np.stack([twelve(ecg_uv(i, 5000)).T for i in range(3)]).astype(np.int16)
    steps[1, :, 4000:] = 0
    write_packed(folder, "ecg_500hz", steps, 1.0, 500, LEADS)
    shape = {"age": "", "sex": "F", "patient_id": "", "mate4": ""}
    snomed, text = "SNOMED-CT (CinC 2020/2021 header)", "LUDB text diagnoses"
    write_csv(
        folder / "ecg_500hz.csv",
        [
            {
                "record_id": f"X{i}",
                "source_dataset": source,
                "labels": labels,
                "label_system": system,
                "valid_samples": valid,
                **shape,
            }
            for i, (source, labels, system, valid) in enumerate(
                [
                    ("PTB-XL", "NORM|SR", "SCP-ECG (PTB-XL)", 5000),
                    ("CPSC2018", "164889003", snomed, 4000),
                    ("LUDB", "Sinus rhythm|Ischemia: septal\nStemi: septal", text, 5000),
                ]
            )
        ],
    )
    return external.load(folder)


def said(data: Recordings, group: str, row: int) -> set[str]:
    labels = {
        "mate4": MATE4,
        "statements": STATEMENTS,
        "superclasses": SUPERCLASSES,
        "cnn_te": tuple(CNN_TE),
    }[group]
    return {label for label, has in zip(labels, getattr(data, group)[row], strict=True) if has}


def test_challenge_records_of_all_sources_but_ptb_xl(tmp_path: Path) -> None:
    data = challenge(tmp_path)
    assert data.meta.record_ids == ("JS00004", "A0001", "E00002", "JS10647")
    assert data.meta.source.tolist() == ["Chapman-Shaoxing", "CPSC2018", "Georgia G12EC", "Ningbo"]
    assert [said(data, "mate4", row) for row in range(4)] == [{"AFIB"}, set(), {"SB"}, {"GSVT"}]
    assert said(data, "statements", 0) == {"AFIB", "TAB_"}
    assert said(data, "cnn_te", 2) == {"SB", "LAD"}
    assert said(data, "superclasses", 1) == {"CD"}
    assert data.codes[0] == {"164889003", "164934002"}
    assert data.meta.sex.tolist() == ["", "M", "F", "F"]
    assert data.meta.age[[0, 1, 3]].tolist() == [85, 74, 30]
    assert np.isnan(data.meta.age[2])
    assert data.rate_hz.tolist() == [500] * 4
    np.testing.assert_allclose(data.mv(1), ecg_uv(0, 3000) / 1000)


def test_ludb_words_become_labels(tmp_path: Path) -> None:
    data = ludb_folder(tmp_path)
    assert data.meta.record_ids == ("LUDB_002", "LUDB_010")
    assert data.meta.age.tolist() == [51, 90]
    assert [said(data, "mate4", row) for row in (0, 1)] == [{"AFIB"}, {"SB"}]
    assert said(data, "cnn_te", 0) == {"AF", "LAD", "MI"}
    assert said(data, "superclasses", 0) == {"MI"}
    np.testing.assert_allclose(data.mv(1), ecg_uv(1, 5000) / 1000)


def test_ludb_waves_are_what_wfdb_wrote(tmp_path: Path) -> None:
    marks = [(300, "("), (310, "p"), (324, ")"), (1400, "("), (1420, "N"), (70000, "t")]
    wfdb.wrann(
        "7",
        "ii",
        np.array([sample for sample, _ in marks]),
        [symbol for _, symbol in marks],
        write_dir=str(tmp_path),
    )
    assert ludb.waves(tmp_path, 7, "II") == marks
    file = tmp_path / "7.ii"
    file.write_bytes(file.read_bytes()[:6])
    with pytest.raises(DataError, match=r"7\.ii ends in the middle"):
        ludb.waves(tmp_path, 7, "II")
    with pytest.raises(DataError, match=r"7\.v6 cannot be read"):
        ludb.waves(tmp_path, 7, "V6")


def test_chapman_rhythm_and_beats(tmp_path: Path) -> None:
    data = chapman_folder(tmp_path)
    assert [said(data, "mate4", row) for row in (0, 1)] == [{"SB"}, {"GSVT"}]
    assert said(data, "statements", 0) == {"SBRAD", "CRBBB", "TAB_"}
    assert data.meta.sex.tolist() == ["M", "F"]
    np.testing.assert_allclose(data.mv(1), ecg_uv(1, 5000) / 1000)


def test_the_packed_set_without_its_ptb_xl_records(tmp_path: Path) -> None:
    data = packed_folder(tmp_path)
    assert data.meta.record_ids == ("X1", "X2")
    assert data.mv(0).shape == (4000, 8)  # without the padding
    np.testing.assert_allclose(data.mv(1), ecg_uv(2, 5000) / 1000)
    assert [said(data, "mate4", row) for row in (0, 1)] == [{"AFIB"}, {"SR"}]
    assert said(data, "cnn_te", 1) == {"NSR", "MI", "MIs"}
    judged = data.judged("mate4")
    assert judged[:, MATE4.index("AFIB")].tolist() == [True, False]
    assert judged[:, MATE4.index("SR")].tolist() == [False, True]


@pytest.mark.parametrize("make", [challenge, ludb_folder, chapman_folder, packed_folder])
def test_no_external_set_can_be_trained_on(
    tmp_path: Path, make: Callable[[Path], Recordings]
) -> None:
    assert not hasattr(make(tmp_path), "fold")
    with pytest.raises(DataError):
        ptbxl.load(tmp_path)


def test_the_digest_follows_signals_and_labels(tmp_path: Path) -> None:
    first = challenge(tmp_path).digest
    header = tmp_path / "training/cpsc_2018/A0001.hea"
    header.write_text(header.read_text().replace("59118001", "164909002"))
    second = external.load(tmp_path).digest
    signals = header.with_suffix(".mat")
    adc = np.frombuffer(signals.read_bytes(), "<i2").copy()
    adc[[1200, 1212]] = adc[[1212, 1200]]  # same sum: the header still fits
    signals.write_bytes(adc.tobytes())
    assert len({first, second, external.load(tmp_path).digest}) == 3


@pytest.mark.parametrize(
    ("make", "file", "right", "wrong", "message"),
    [
        (challenge, "training/cpsc_2018/A0001.hea", "Dx", "Dg", "A0001: no '# Dx:' line"),
        (challenge, "training/cpsc_2018/A0001.hea", "59118001", "1", "A0001: SNOMED-CT code 1 is"),
        (challenge, "training/cpsc_2018/A0001.hea", "Male", "Horse", "sex 'Horse' is neither"),
        (challenge, "training/cpsc_2018/A0001.hea", "A0001 12", "A1 12", "A1 is no record name"),
        (challenge, "training/cpsc_2018/A0001.hea", "A0001 12", "A0001 13", "announces 13 signals"),
        (ludb_folder, "data/2.hea", "Atrial fib", "Atrial fub", "atrial fubrillation is not in"),
        (ludb_folder, "data/2.hea", "<diagnoses>", "<findings>", "2 is no record of LUDB"),
        (chapman_folder, "Diagnostics.csv", "RBBB TWC", "RBBB XX", "Zheng 2020 code XX is not in"),
        (chapman_folder, "Diagnostics.csv", "Beat", "Beats", "no column Beat"),
        (chapman_folder, "Diagnostics.csv", "MUSE_1", "MUSE_0", "record MUSE_0 is there twice"),
        (chapman_folder, "Diagnostics.csv", "MUSE_1", "MUSE_2", "MUSE_2.csv is missing"),
        (packed_folder, "ecg_500hz.csv", "4000", "6000", "X1: valid_samples '6000' is wrong"),
        (packed_folder, "ecg_500hz.csv", "label_system", "system", "no column label_system"),
    ],
)
def test_bad_labels_are_refused_in_one_line(
    tmp_path: Path,
    make: Callable[[Path], Recordings],
    file: str,
    right: str,
    wrong: str,
    message: str,
) -> None:
    make(tmp_path)
    text = (tmp_path / file).read_text()
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong))
    with pytest.raises(DataError, match=message) as error:
        external.load(tmp_path)
    assert "\n" not in str(error.value)


def test_bad_signals_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    data = challenge(tmp_path / "a")
    file = tmp_path / "a/training/cpsc_2018/A0001.mat"
    file.write_bytes(file.read_bytes()[:-24])
    with pytest.raises(DataError, match=r"A0001: A0001\.mat is truncated, 2999 of 3000"):
        data.mv(1)
    file.unlink()
    with pytest.raises(DataError, match=r"A0001.mat is missing"):
        external.load(tmp_path / "a")
    (tmp_path / "b").mkdir()
    data = chapman_folder(tmp_path / "b")
    file = tmp_path / "b/ECGData/MUSE_0.csv"
    whole = file.read_text()
    file.write_text(whole.replace("V6", "V7"))
    with pytest.raises(DataError, match="MUSE_0: lead V6 missing"):
        data.mv(0)
    file.write_text(whole.replace("-", "x", 1))
    with pytest.raises(DataError, match=r"MUSE_0.csv is no table"):
        data.mv(0)
    lines = whole.splitlines()
    file.write_text("\n".join([*lines[:9], "nan" + lines[9][lines[9].index(",") :], *lines[10:]]))
    with pytest.raises(DataError, match="MUSE_0: lead I has 1 missing samples"):
        data.mv(0)


def test_folders_without_a_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.hea"):
        external.load(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        external.load(tmp_path / "nowhere")
    (tmp_path / "ptbxl_database.csv").touch()
    with pytest.raises(DataError, match="is PTB-XL, which is trained on"):
        external.load(tmp_path)


def test_the_real_packed_set(recordings: Path) -> None:
    data = packed.load_external(recordings)
    assert len(data) == 291
    assert data.mate4.sum(0).tolist() == [32, 21, 33, 110]
    assert "PTB-XL" not in data.meta.source
    table = {
        row["record_id"]: row
        for row in read_table(recordings / "ecg_500hz.csv", ("record_id", "mate4"))
    }
    differ = [
        record
        for record, row in zip(data.meta.record_ids, data.mate4, strict=True)
        if table[record]["mate4"] != "".join(MATE4[i] for i in np.flatnonzero(row))
    ]
    print(f"mate4 from the label table differs from the set's own in {len(differ)} of {len(data)}")
    assert not differ
    one = wfdb.rdrecord(str(recordings / "wfdb" / "LUDB_038"))
    row = data.meta.record_ids.index("LUDB_038")
    np.testing.assert_allclose(data.mv(row), one.p_signal[:, EIGHT], atol=1e-9)
