"""A link in tests: an instrument that notes what it is told, and a clock that is turned by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.config import ConfigError
from device.controls import Button
from device.link.link import Link
from device.patient import Patient
from device.records.interface import Why
from tests.device.host import Wire

SECOND_NS = 1_000_000_000
SHA = "0" * 64
RESULT = {"index": 4999, "t_s": 9.998, "span": 5000, "call": "SR", "text": "SINUS RHYTHM",
          "refusal": None, "act": "", "probability": 0.97, "findings": [],
          "scores": {"mate4": {"SR": 0.97}},
          "rate_bpm": 70.1, "irregularity": 0.02, "quality": "good", "faults": {}, "doubtful": [],
          "measurements": None,
          "electrodes_off": [], "model": "rhythm-0.1"}  # fmt: skip


class Stub:
    """An instrument with a known snapshot, that notes what is set."""

    def __init__(self, samples: int = 5000) -> None:
        self.applied: list[tuple[str, Any]] = []
        self.kept = True
        self.storage = ""
        rows = np.arange(samples, dtype=np.int16)[:, None]
        self.uv: NDArray[np.int16] = rows - 1000 * np.arange(12, dtype=np.int16)

    def hello(self) -> dict[str, Any]:
        leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
        chosen = {"mains_hz": 50, "profile": "monitor", "naming": "AHA", "lead": "II",
                  "night": False, "language": "en"}  # fmt: skip
        return {"product": "Lead12", "notice": "not a medical device", "firmware": "0.2.0",
                "protocol": 1, "model": "", "model_state": "none", "model_sha256": "",
                "failed": None, "frontend": None, "sample_rate_hz": 500,
                "leads": leads, "settings": chosen, "faults": {}, "alarms": {},
                "audio": "quiet", "access": "open", "index": 0,
                "utc": None}  # fmt: skip

    def set(self, setting: str, value: Any, *, keep: bool = True) -> Any:
        if value == "bad":
            raise ConfigError("set: filters.profile must be one of ...")
        self.applied.append((setting, value))
        self.kept = keep
        return value

    def press(self, button: Button, *, held: bool) -> None:
        self.applied.append((button, held))

    def silence(self) -> None:
        self.applied.append(("alarm", "silence"))

    def pause(self) -> None:
        self.applied.append(("alarm", "pause"))

    def record(self, why: Why) -> str:
        self.applied.append(("record", why))
        return self.storage

    def set_patient(self, patient: Patient) -> None:
        self.applied.append(("patient", patient))

    def snapshot(self) -> tuple[int, NDArray[np.int16]]:
        return 700, self.uv


class Rig:
    """A link on a wire, and a clock that is turned by hand."""

    def __init__(self, samples: int = 5000) -> None:
        self.wire = Wire()
        self.host = self.wire.host
        self.stub = Stub(samples)
        self.link = Link("wire", 115_200, self.stub, port=self.wire.port)
        self.now_ns = SECOND_NS

    def poll(self, times: int = 1, step_ns: int = 10_000_000) -> list[dict[str, Any]]:
        new = []
        for _ in range(times):
            self.now_ns += step_ns
            self.link.poll(self.now_ns)
            new += self.host.read()
        return new

    def ask(self, line: bytes | dict[str, Any]) -> list[dict[str, Any]]:
        text = line if isinstance(line, bytes) else json.dumps(line).encode()
        self.host.write(text + b"\n")
        return self.poll(3)
