"""A run as a JUnit file: a suite per scenario, a case per expectation; what CI servers read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from xml.etree import ElementTree

from tools.hil.outcome import Outcome, Status, Verdict

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")


def junit(outcomes: Sequence[Outcome]) -> str:
    """The file's text; a known gap is skipped with its reason."""
    root = ElementTree.Element("testsuites", name="lead12 hil")
    for outcome in outcomes:
        _suite(root, outcome)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, outcome: Outcome) -> None:
    statuses = [verdict.status for verdict in outcome.verdicts]
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=_text(outcome.name),
        tests=str(len(statuses) + bool(outcome.error or outcome.skipped)),
        failures=str(statuses.count(Status.FAILED)),
        errors=str(int(bool(outcome.error))),
        skipped=str(statuses.count(Status.KNOWN) + bool(outcome.skipped)),
        time=f"{outcome.took_s:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {
        "file": outcome.file,
        "target": outcome.target,
        "seconds": f"{outcome.seconds:g}",
        "digest": outcome.digest,
        **outcome.account,
    }.items():
        ElementTree.SubElement(properties, "property", name=name, value=_text(str(value)))
    where = ".".join(PurePath(outcome.file).with_suffix("").parts[-2:]) or outcome.name
    for verdict in outcome.verdicts:
        _case(suite, where, verdict)
    if outcome.skipped:
        case = ElementTree.SubElement(suite, "testcase", classname=_text(where), name="it runs")
        ElementTree.SubElement(case, "skipped", message=_text(outcome.skipped))
    if outcome.error:
        case = ElementTree.SubElement(suite, "testcase", classname=_text(where), name="it runs")
        ElementTree.SubElement(case, "error", message=_text(outcome.error))
    if outcome.log:
        ElementTree.SubElement(suite, "system-out").text = _text("\n".join(outcome.log))


def _case(suite: ElementTree.Element, where: str, verdict: Verdict) -> None:
    name = f"{verdict.sentence} ({', '.join(verdict.shows)})"
    case = ElementTree.SubElement(suite, "testcase", classname=_text(where), name=_text(name))
    match verdict.status:
        case Status.FAILED:
            said = f"holds after all: {verdict.known}" if verdict.known else verdict.evidence
            failure = ElementTree.SubElement(
                case, "failure", message=_text(said), type="expectation"
            )
            failure.text = _text(f"{verdict.sentence}\n{said}")
        case Status.KNOWN:
            ElementTree.SubElement(
                case, "skipped", message=_text(f"{verdict.known}; {verdict.evidence}")
            )
        case Status.PASSED:
            ElementTree.SubElement(case, "system-out").text = _text(verdict.evidence)


def _text(value: str) -> str:
    """Without the control characters that XML has no way to write."""
    return _NOT_XML.sub("?", value)
