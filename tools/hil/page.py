"""A run as one HTML page for the reviewer who signs it: verdicts, traces and screens."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.archive import sha256
from hal.frontend import SAMPLE_RATE_HZ
from tools.hil.ecg_svg import GRID, strip
from tools.hil.outcome import Moment, Outcome, Status
from tools.hil.requirements import PAGE, ROOT, read_page

SHOWN_S = 5.0  # of a moment's trace: the seconds that lead to it
SHOWN_LEADS = ("II", "V1", "V5")  # where all is well; of what failed all twelve
SHOWN_MOMENTS = 2  # where all is well: the last thing that was done, and the end
_WORDS = {Status.PASSED: "passed", Status.FAILED: "FAILED", Status.KNOWN: "known gap"}
_STYLE = """
body{font:15px/1.45 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:.6em 0}td,th{border:1px solid #ccc;padding:.15em .5em;
text-align:left;vertical-align:top;font-size:90%}th{background:#eee}
.passed{color:#176117}.failed{color:#b00020;font-weight:bold}.known{color:#8a5a00}
details{border-top:1px solid #ccc;padding:.3em 0}summary{cursor:pointer}
figure{margin:.6em 0}figcaption{font-size:90%;color:#555}code{word-break:break-all;font-size:85%}
svg{max-width:100%;height:auto}img{image-rendering:pixelated;width:512px;max-width:100%}
td:first-child{white-space:nowrap}.sign td{height:2.2em;min-width:14em}
"""


def page(outcomes: Sequence[Outcome], made: Mapping[str, str]) -> str:
    """The page's text; it holds everything it shows.

    made : when, by what and from which sources, as ``runner.made_by`` tells
    """
    bad = sum(not outcome.ok for outcome in outcomes)
    gaps = sum(v.status is Status.KNOWN for outcome in outcomes for v in outcome.verdicts)
    title = f"Lead12: {len(outcomes)} scenarios, {bad} failed, {gaps} known gaps"
    parts = [
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style>{GRID}",
        f"<h1>{title}</h1>",
        *_about(outcomes, made),
        *_requirements(outcomes),
        "<h2>Scenarios</h2>",
        *(part for outcome in outcomes for part in _scenario(outcome)),
        *_sign(),
        "</html>\n",
    ]
    return "\n".join(parts)


def _about(outcomes: Sequence[Outcome], made: Mapping[str, str]) -> Iterator[str]:
    """What was run: the device says it itself."""
    hellos = [m for outcome in outcomes for m in outcome.messages if m["type"] == "hello"]
    facts = {
        "firmware": {str(hello["firmware"]) for hello in hellos},
        "model": {str(hello["model"] or "none") for hello in hellos},
        "front end": {str(hello["frontend"]["detail"]) for hello in hellos if hello["frontend"]},
        "run": {outcome.target for outcome in outcomes},
        "signal": {f"{sum(outcome.seconds for outcome in outcomes):.0f} s"},
    }
    rows = ((what, ", ".join(sorted(values)) or "never said") for what, values in facts.items())
    yield _table(("", ""), (*made.items(), *rows))
    yield "<p>Not a medical device. The tests of one product by its makers, not a certificate.</p>"


def _requirements(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What each requirement's scenarios came to."""
    numbered = ROOT / PAGE  # in a checkout; a wheel has no docs
    known = read_page(numbered.read_text()) if numbered.is_file() else {}
    shown: dict[str, list[Status]] = {}
    for outcome in outcomes:
        for verdict in outcome.verdicts:
            for name in verdict.shows:
                shown.setdefault(name, []).append(verdict.status)
    yield "<h2>Requirements shown</h2>"
    rows = (
        (
            name,
            known[name].text if name in known else "",
            ", ".join(f"{n} {_WORDS[s]}" for s in Status if (n := statuses.count(s))),
        )
        for name, statuses in sorted(shown.items())
    )
    yield _table(("", "requirement", "expectations"), rows)


def _scenario(outcome: Outcome) -> Iterator[str]:
    gaps = any(verdict.status is Status.KNOWN for verdict in outcome.verdicts)
    status = Status.FAILED if not outcome.ok else Status.KNOWN if gaps else Status.PASSED
    word = "passed, known gaps" if status is Status.KNOWN else _WORDS[status]
    if outcome.skipped:
        status, word = Status.KNOWN, "not run"
    yield f"<details{'' if outcome.ok else ' open'}>"
    yield (
        f'<summary><b>{escape(outcome.name)}</b> <span class="{status}">{word}</span> '
        f"{escape(outcome.about)}</summary>"
    )
    if outcome.skipped:
        yield f"<p>{escape(outcome.skipped)}</p></details>"
        return
    if outcome.error:
        yield f'<p class="failed">{escape(outcome.error)}</p>'
    rows = (
        (one.sentence, ", ".join(one.shows), _WORDS[one.status], _seen(one.evidence, one.known))
        for one in outcome.verdicts
    )
    yield _table(("expected", "shows", "", "seen"), rows)
    account = ", ".join(f"{name} {value:g}" for name, value in outcome.account.items())
    source = Path(outcome.file)
    sha = f" (SHA-256 {sha256(source.read_bytes())[:16]})" if source.is_file() else ""
    yield f"<p>{escape(outcome.file)}{sha}; {outcome.seconds:g} s; {escape(account)}"
    yield f"<br>digest <code>{outcome.digest}</code></p>" if outcome.digest else "</p>"
    shown = outcome.moments if not outcome.ok else outcome.moments[-SHOWN_MOMENTS:]
    for moment in shown:
        yield _moment(moment, None if not outcome.ok else SHOWN_LEADS)
    if outcome.log:
        yield f"<pre>{escape(chr(10).join(outcome.log))}</pre>"
    yield "</details>"


def _seen(evidence: str, known: str) -> str:
    return f"{evidence} (known: {known})" if known else evidence


def _moment(moment: Moment, leads: Sequence[str] | None) -> str:
    traces: dict[str, NDArray[np.int16]] = {
        lead: moment.uv[-round(SHOWN_S * SAMPLE_RATE_HZ) :, column]
        for column, lead in enumerate(moment.leads)
        if leads is None or lead in leads
    }
    end_s = moment.first_s + len(moment.uv) / SAMPLE_RATE_HZ
    screen = ""
    if moment.screen:
        data = base64.b64encode(moment.screen).decode()
        screen = f'<br><img alt="the screen then" src="data:image/png;base64,{data}">'
    return (
        f"<figure><figcaption>{moment.t_s:g} s, {escape(moment.why)}; the trace ends at "
        f"{end_s:.2f} s, 25 mm/s, 10 mm/mV</figcaption>{strip(traces)}{screen}</figure>"
    )


def _sign() -> Iterator[str]:
    yield "<h2>Reviewed</h2>"
    rows = "".join(f"<tr><th>{what}</th><td></td></tr>" for what in ("name", "date", "signature"))
    yield f'<table class="sign">{rows}</table>'


def _table(head: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    classes: Mapping[str, str] = {word: status for status, word in _WORDS.items()}
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "\n".join(
        "<tr>"
        + "".join(f'<td class="{classes.get(cell, "")}">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>\n{body}</table>".replace(' class=""', "")
