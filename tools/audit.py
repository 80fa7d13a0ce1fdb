"""Known vulnerabilities of what is installed, by pip-audit; its report lies beside the bill.

pip-audit counts a package that its service does not know as skipped and then says that nothing
was found; here nobody having answered is told, and is no good news.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

SERVICES = ("pypi", "osv")
NO_ANSWER, FOUND = 2, 3  # exit codes
LIMIT_S = 120


class AuditError(RuntimeError):
    """code : for the shell"""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def audit(lock: Path, tools: Path, dist: Path) -> str:
    """Ask the services in turn; one line. Raises AuditError: vulnerable, or nobody answers."""
    report = dist / "pip-audit.json"
    report.unlink(missing_ok=True)
    for service in SERVICES:
        asked = [
            str(tools / "pip-audit"), "--vulnerability-service", service, "--require-hashes",
            "--disable-pip", "--progress-spinner", "off", "--format", "json",
            "--output", str(report), "--requirement", str(lock),
        ]  # fmt: skip
        try:
            subprocess.run(asked, capture_output=True, timeout=LIMIT_S)
            found = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
            continue
        unknown = sorted(one["name"] for one in found if "skip_reason" in one)
        if len(unknown) == len(found):
            continue
        return told(found, unknown, service)
    report.unlink(missing_ok=True)
    raise AuditError(
        f"no vulnerability service answers ({' and '.join(SERVICES)}): nothing is known of "
        "vulnerabilities; run make sbom where there is a network",
        NO_ANSWER,
    )


def told(found: list[dict[str, object]], unknown: list[str], service: str) -> str:
    """What a service said that answered. Raises AuditError: vulnerable, or not all is known."""
    bad = [f"{one['name']} {one['version']}" for one in found if one.get("vulns")]
    if bad:
        raise AuditError(f"known vulnerabilities ({service}) in {', '.join(bad)}", FOUND)
    if unknown:
        missing = ", ".join(unknown)
        raise AuditError(
            f"{service} does not know {missing}; of the rest none is vulnerable", FOUND
        )
    return f"pip-audit ({service}): no known vulnerabilities in {len(found)} packages"
