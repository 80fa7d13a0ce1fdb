"""The bill of materials, the audit beside it, and the wheel they are of."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from device.bundles import read_bundle
from tools import sbom
from tools.audit import FOUND, NO_ANSWER, AuditError, audit
from tools.locks import LOCKS, read_lock
from tools.wheel import build_twice, sources

COMMIT = "1700000000"
WHEEL = "ab" * 32


@pytest.fixture(scope="module")
def bill() -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", COMMIT)
        return sbom.bill(sbom.runtime(), WHEEL)


def test_the_minimum_fields_of_ntia_are_there(bill: dict) -> None:
    about = bill["metadata"]
    assert about["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert about["authors"]
    refs = {one["ref"] for one in bill["dependencies"]}
    for one in (about["component"], *bill["components"]):
        assert one["supplier"]["name"]
        assert one["name"]
        assert one["version"]
        assert one["bom-ref"] in refs
        assert one["licenses"], one["name"]
    assert len({one["bom-ref"] for one in bill["components"]}) == len(bill["components"])


def test_all_is_reached_from_the_product_and_has_its_hashes(bill: dict) -> None:
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    reached, left = set(), [bill["metadata"]["component"]["bom-ref"]]
    while left:
        ref = left.pop()
        reached.add(ref)
        left += [other for other in needs[ref] if other not in reached]
    assert reached == set(needs)
    *packages, model = bill["components"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": read_bundle().digest}]
    locked = {one.name: one.sha256 for one in read_lock(LOCKS / "runtime.txt") if one.applies()}
    for one in packages:
        (files,) = one["externalReferences"]
        assert tuple(h["content"] for h in files["hashes"]) == locked[one["name"]]


def test_the_same_input_gives_the_same_bill(bill: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", COMMIT)
    assert json.dumps(sbom.bill(sbom.runtime(), WHEEL)) == json.dumps(bill)
    assert sbom.bill(sbom.runtime(), "cd" * 32)["serialNumber"] != bill["serialNumber"]


def test_the_page_of_licences_names_every_package() -> None:
    rows = [line for line in sbom.LICENCES.read_text().splitlines() if line.startswith("| ")]
    named = {line.split(" | ")[0].strip("| ") for line in rows[1:]}
    here = {"python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": "linux",
            "platform_machine": "x86_64"}  # fmt: skip
    locked = read_lock(LOCKS / "runtime.txt")
    assert named == {one.name for one in locked if one.applies(here)}, "make sbom"


# pip-audit


def _tool(folder: Path, report: dict[str, object] | None) -> Path:
    """What stands where pip-audit does, and writes what a service has said."""
    body = "" if report is None else f"cat > \"${{10}}\" <<'END'\n{json.dumps(report)}\nEND\n"
    tool = folder / "pip-audit"
    tool.write_text(f"#!/bin/sh\n{body}exit 1\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return folder


def _said(*packages: dict[str, object]) -> dict[str, object]:
    return {"dependencies": [{"version": "1", **one} for one in packages]}


GOOD, BAD = {"name": "good", "vulns": []}, {"name": "bad", "vulns": [{"id": "CVE-1"}]}
SKIPPED = {"name": "odd", "skip_reason": "not found"}


def test_nobody_answering_is_not_taken_for_good_news(tmp_path: Path) -> None:
    for report in (None, _said(SKIPPED), _said(SKIPPED, SKIPPED)):
        with pytest.raises(AuditError, match="no vulnerability service answers") as refused:
            audit(LOCKS / "runtime.txt", _tool(tmp_path, report), tmp_path)
        assert refused.value.code == NO_ANSWER
        assert not (tmp_path / "pip-audit.json").exists()


def test_what_a_service_says_is_told(tmp_path: Path) -> None:
    lock = LOCKS / "runtime.txt"
    said = audit(lock, _tool(tmp_path, _said(GOOD, GOOD)), tmp_path)
    assert said == "pip-audit (pypi): no known vulnerabilities in 2 packages"
    for found, words in ((BAD, "known vulnerabilities .* in bad 1"), (SKIPPED, "not know odd")):
        with pytest.raises(AuditError, match=words) as refused:
            audit(lock, _tool(tmp_path, _said(GOOD, found)), tmp_path)
        assert refused.value.code == FOUND
        assert (tmp_path / "pip-audit.json").exists()


# The wheel


def test_two_builds_are_the_same_bytes_and_hold_what_runs_and_no_test(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    wheel, hashes = build_twice(tmp_path)
    assert len(set(hashes)) == 1
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {info.external_attr >> 16 & 0o777 for info in archive.infolist()} <= {0o644, 0o755}
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if "dist-info" not in top} == {
        "hal", "firmware", "device", "models", "tools",
    }  # fmt: skip
    data = {
        str(path)
        for path in sources()
        if path.suffix in (".npz", ".l12", ".mo", ".json", ".csv") or "recipes" in path.parts
    }
    assert "firmware/embedded.l12" in data
    assert "device/locale/de/LC_MESSAGES/lead12.mo" in data
    assert data <= set(names)
