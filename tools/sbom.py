"""``python -m tools.sbom``: what Lead12 is made of, and what is known to be wrong with it.

dist/lead12-VERSION.cdx.json is a CycloneDX 1.6 bill of the runtime for the Python that makes it:
every package of locks/runtime.txt that applies there, with the hashes of all its files, and the
network that comes with the firmware. The same locks and the same commit give the same bytes.
Libraries that are inside other people's wheels (OpenBLAS in numpy's) are those packages' to name.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from device.bundles import EMBEDDED, read_bundle
from tools.audit import AuditError, audit
from tools.locks import LOCKS, Locked, LockError, read_lock
from tools.wheel import ROOT, WheelError, build_twice, commit_time

DIST, LICENCES = ROOT / "dist", ROOT / "docs" / "licences.md"
RELEASE = ROOT / "build" / "release" / "bin"
US = "the Lead12 authors"
_SPDX = {  # what metadata says in other words
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "Apache 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
}
_PLAIN = {"MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "MPL-2.0 AND MIT"}
_VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(wrong) if wrong else 0)
"""


class SbomError(RuntimeError):
    """It cannot be made; one line."""


def licence(about: metadata.PackageMetadata) -> str:
    """SPDX where the package says it so, or the package's own words; "" where it says nothing."""
    if said := about.get("License-Expression"):
        return said
    classes = about.get_all("Classifier") or []
    text = (about.get("License") or "").strip()
    for one in (text, *classes):
        if one in _PLAIN or one in _SPDX:
            return _SPDX.get(one, one)
    named = [one.rpartition(" :: ")[2] for one in classes if one.startswith("License :: ")]
    return named[0] if named else text.splitlines()[0][:60] if text else ""


def supplier(about: metadata.PackageMetadata) -> str:
    """Who publishes it, without addresses."""
    for key in ("Author", "Maintainer", "Author-email", "Maintainer-email"):
        if said := (about.get(key) or "").strip():
            names = [part.partition("<")[0].strip(' "') or part for part in said.split(">,")]
            return ", ".join(names)
    return f"the {about['Name']} authors"


def runtime() -> list[Locked]:
    """What the lock has for this Python. Raises SbomError: it is not what is installed."""
    here = [one for one in read_lock(LOCKS / "runtime.txt") if one.applies()]
    for one in here:
        try:
            there = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            there = "absent"
        if there != one.version:
            raise SbomError(f"{one.name} is {there}, the lock has {one.version}; make setup first")
    return here


def needs(name: str, among: Iterable[str]) -> list[str]:
    """Of the names ``among``, those that the package of this name asks for here."""
    asked = [Requirement(line) for line in metadata.requires(name) or []]
    named = {
        canonicalize_name(one.name)
        for one in asked
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    return sorted(named.intersection(among))


def _component(one: Locked) -> dict[str, Any]:
    about = metadata.metadata(one.name)
    purl = f"pkg:pypi/{one.name}@{one.version}"
    licensed = licence(about)
    how: dict[str, Any] = {"license": {"name": licensed}}
    if about.get("License-Expression") or " AND " in licensed:
        how = {"expression": licensed}
    elif licensed in _SPDX.values() or licensed in _PLAIN:
        how = {"license": {"id": licensed}}
    return {
        "type": "library",
        "bom-ref": purl,
        "supplier": {"name": supplier(about)},
        "name": one.name,
        "version": one.version,
        "purl": purl,
        "licenses": [how] if licensed else [],
        "externalReferences": [
            {
                "type": "distribution",
                "url": purl,
                "comment": "the files of this version, for all platforms",
                "hashes": [{"alg": "SHA-256", "content": text} for text in one.sha256],
            }
        ],
    }


def _model() -> dict[str, Any]:
    bundle = read_bundle()
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{bundle.name}@{bundle.version}",
        "supplier": {"name": US},
        "name": bundle.name,
        "version": bundle.version,
        "description": f"the network that comes with the firmware, firmware/{EMBEDDED}",
        "hashes": [{"alg": "SHA-256", "content": bundle.digest}],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def bill(packages: list[Locked], wheel_sha256: str) -> dict[str, Any]:
    """The CycloneDX document."""
    version = metadata.version("lead12")
    us = f"pkg:generic/lead12@{version}"
    model = _model()
    refs = {one.name: f"pkg:pypi/{one.name}@{one.version}" for one in packages}
    ours = [*(refs[name] for name in needs("lead12", refs)), model["bom-ref"]]
    graph = [{"ref": us, "dependsOn": ours}]
    graph += [
        {"ref": ref, "dependsOn": [refs[n] for n in needs(name, refs)]}
        for name, ref in refs.items()
    ]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(commit_time(), UTC).isoformat(),
            "authors": [{"name": US}],
            "component": {
                "type": "firmware",
                "bom-ref": us,
                "supplier": {"name": US},
                "name": "lead12",
                "version": version,
                "purl": us,
                "hashes": [{"alg": "SHA-256", "content": wheel_sha256}],
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
            "properties": [
                {"name": "lead12:python", "value": ".".join(platform.python_version_tuple()[:2])},
                {"name": "lead12:machine", "value": platform.machine()},
            ],
        },
        "components": [*map(_component, packages), model],
        "dependencies": [*graph, {"ref": model["bom-ref"]}],
    }
    content = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, content)}"}


def validate(path: Path) -> None:
    """Against CycloneDX's schema, by its own library. Raises SbomError."""
    asked = [str(RELEASE / "python"), "-c", _VALIDATE, str(path)]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode:
        raise SbomError(f"{path} is not CycloneDX: {(done.stderr or '?').strip()[:200]}")


def licences_page(packages: list[Locked]) -> str:
    """docs/licences.md."""
    python = ".".join(platform.python_version_tuple()[:2])
    rows = "\n".join(
        f"| {one.name} | {one.version} | {licence(metadata.metadata(one.name)) or 'says nothing'} |"
        for one in packages
    )
    return f"""# Licences of what Lead12 runs on

Written by `make sbom` from what the packages say of themselves, for Python {python}. Lead12 itself
is under Apache-2.0 ([LICENSE](../LICENSE)).

| package | version | licence |
|---|---|---|
{rows}
"""


def make(dist: Path = DIST) -> tuple[Path, dict[str, Any]]:
    """The bill and the page of licences. Raises SbomError, WheelError, LockError, OSError."""
    packages = runtime()
    _, hashes = build_twice(dist)
    document = bill(packages, hashes[0])
    path = dist / f"lead12-{metadata.version('lead12')}.cdx.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    validate(path)
    LICENCES.write_text(licences_page(packages), encoding="utf-8")
    return path, document


def main() -> None:
    """All of it; exit code 1 when it cannot be made, 2 when only nobody answers the audit."""
    try:
        path, document = make()
        print(f"{path}: {len(document['components'])} components, valid CycloneDX 1.6")
        print(audit(LOCKS / "runtime.txt", RELEASE, DIST))
    except AuditError as error:
        print(f"lead12: {error}", file=sys.stderr)
        sys.exit(error.code)
    except (SbomError, WheelError, LockError, OSError) as error:
        sys.exit(f"lead12: {error}")


if __name__ == "__main__":
    main()
