"""Events of the pipeline as members of serial messages; numbers rounded to what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device.bundles import Model
from device.controls import Page
from device.link.protocol import VERSION
from firmware.alarms import AlarmEvent, Alarms, Audio
from firmware.events import LEADS, Call, ElectrodeChange, Gap
from firmware.measurements import Measurements
from hal.frontend import SAMPLE_RATE_HZ, FrontendInfo, electrodes_in

MAX_TEXT, MAX_NAME = 500, 100  # characters of sentences and names: at six bytes each in a line


def hello(
    firmware: str,
    model: Model,
    info: FrontendInfo | None,
    *,
    settings: Mapping[str, Any],
    faults: Mapping[str, str],
    alarms: Alarms,
    access: str,
    index: int,
    utc: str | None,
) -> dict[str, Any]:
    """``hello``: who this is and how it is set."""
    return {
        "product": "Lead12",
        "notice": "not a medical device",
        "firmware": firmware,
        "protocol": VERSION,
        "model": model.id,
        "model_state": model.state,
        "model_sha256": model.sha256,
        "failed": model.failed,
        "frontend": info
        and {
            "name": info.name,
            "detail": info.detail,
            "gain": info.gain,
            "nv_per_count": round(info.nv_per_count, 6),
        },
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "leads": list(LEADS),
        "settings": settings,
        "faults": faults,
        "alarms": {alarm.code: alarm.state for alarm in alarms.active},
        "audio": alarms.audio,
        "access": access,
        "index": index,
        "utc": utc,
    }


def electrode_names(mask: int) -> list[str]:
    """AHA codes of the electrodes in ``mask``."""
    return [electrode.name for electrode in electrodes_in(mask)]


def result(call: Call, measured: Measurements | None = None) -> dict[str, Any]:
    """``result``: the call of this second with its evidence, and the measurements of its window."""
    return {
        "index": call.index,
        "t_s": round(call.index / SAMPLE_RATE_HZ, 3),
        "span": call.span,
        "call": call.label,
        "text": call.headline,
        "refusal": call.refusal,
        "act": call.act,
        "probability": _rounded(call.probability, 3),
        "findings": [
            {
                "code": finding.code,
                "text": finding.text,
                "act": finding.act,
                "priority": finding.priority,
                "probability": _rounded(finding.probability, 3),
            }
            for finding in call.findings
        ],
        "scores": {
            group: {label: round(float(p), 3) for label, p in labels.items()}
            for group, labels in call.scores.items()
        },
        **({"scores_age": call.scores_age} if call.scores_age else {}),
        "rate_bpm": _rounded(call.rate_bpm, 1),
        "irregularity": _rounded(call.irregularity, 3),
        "quality": call.quality.name.lower(),
        "faults": {str(lead): str(fault) for lead, fault in call.faults.items()},
        "doubtful": list(call.doubtful),
        "electrodes_off": electrode_names(call.electrodes_off),
        "measurements": measurements(measured),
        "model": call.model,
    }


def measurements(measured: Measurements | None) -> dict[str, Any] | None:
    """Whole milliseconds, degrees and microvolts; the rate stands in the result."""
    if measured is None:
        return None
    return {
        "beats": measured.beats,
        "pr_ms": _whole(measured.pr_ms),
        "qrs_ms": _whole(measured.qrs_ms),
        "qt_ms": _whole(measured.qt_ms),
        "qtcb_ms": _whole(measured.qtcb_ms),
        "qtcf_ms": _whole(measured.qtcf_ms),
        "axis_deg": _whole(measured.axis_deg),
        "st_uv": [_whole(uv) for uv in measured.st_uv],
    }


def electrode_event(change: ElectrodeChange) -> dict[str, Any]:
    """``event``: the electrodes that are off now."""
    return {"event": "electrodes", "index": change.index, "off": electrode_names(change.off)}


def gap_event(gap: Gap) -> dict[str, Any]:
    """``event``: samples are missing before ``index``."""
    return {"event": "gap", "index": gap.index, "lost": gap.lost}


def alarm_event(change: AlarmEvent) -> dict[str, Any]:
    """``event``: an alarm began, latched or ended."""
    alarm = change.alarm
    return {
        "event": "alarm",
        "index": change.index,
        "code": alarm.code,
        "text": alarm.text,
        "act": alarm.act,
        "priority": alarm.priority,
        "technical": alarm.technical,
        "state": alarm.state,
        "since": alarm.since,
    }


def audio_event(index: int, audio: Audio, left_s: int) -> dict[str, Any]:
    """``event``: what is heard of the alarms from here on; ``left_s`` of a pause."""
    return {"event": "audio", "index": index, "audio": audio, "left_s": left_s}


def page_event(index: int, page: Page) -> dict[str, Any]:
    """``event``: the page that is shown from here on."""
    return {"event": "page", "index": index, "page": page}


def fault_event(index: int, part: str, text: str) -> dict[str, Any]:
    """``event``: what is wrong with a part of the instrument; an empty text when it is well."""
    return {"event": "fault", "index": index, "part": part, "text": text}


def model_event(index: int, model: Model) -> dict[str, Any]:
    """``event``: the network that makes the calls from here on, "" for none, and why it does."""
    why = model.why[:MAX_TEXT]
    return {"event": "model", "index": index, "model": model.id, "state": model.state, "why": why}


def flash_event(index: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """``event``: one line of the installer, ``{stage, text}``, or its last with the outcome.

    The last is ``{outcome, reason, text, model, sha256, head}``; members beyond these are not sent.
    """
    end = ("outcome", "reason", "model", "sha256", "head")
    names = {
        name: str(said.get(name, "")).encode("ascii", "replace").decode()[:MAX_NAME]
        for name in (end if "outcome" in said else ("stage",))
    }
    text = "".join(c if c <= "\uffff" else "?" for c in str(said.get("text", ""))[:MAX_TEXT])
    return {"event": "flash", "index": index, **names, "text": text}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
