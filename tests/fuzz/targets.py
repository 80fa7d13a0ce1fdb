"""What can be fuzzed, by name, and the modules whose code guides the search.

Only the target that is asked for is imported, so that the fuzzer sees these imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from tests.fuzz.watch import Target

CORPUS = Path(__file__).parent / "corpus"
FINDINGS = CORPUS / "findings.toml"  # what each was, in a line
_FLASH = ("device.flash.document", "device.flash.keyring")
_LINK = ("device.link",)
MODULES: Mapping[str, tuple[str, ...]] = {
    "spi": ("hal.ads1298.driver", "hal.ads1298.decode", "hal.ads1298.frame",
            "hal.ads1298.edge_count", "hal.edge_reader", "device.acquire", "device.ring"),
    "config": ("device.config", "device.config_sections", "device.settings_store",
               "device.last_good", "tomllib"),
    "inject": ("device.inject_pipe", "device.link.inject", "device.link.upload", "hal.injected",
               "hal.ads1298.decode", "hal.ads1298.frame", "device.acquire", "device.ring"),
    "host": ("tools.listen", "tools.host_line", "tools.flash_line", "tools.line_session",
             "device.link.protocol"),
    "capture": ("hal.capture_file", "hal.replay"),
    "scenario": ("tools.hil.scenario", "tools.hil.positions", "tools.hil.schema_check",
                 "tools.hil.sentences", "tools.hil.fields", "tools.hil.patients"),
    "state": ("device.flash", "device.alarm_memory", "firmware.alarms",
              "firmware.alarm_conditions"),
    "records": ("hal.patient.wfdb", "hal.patient.csv_format", "hal.patient.record",
                "hal.patient.recording", "hal.patient.resample", "device.records",
                "device.flash.files", "tools.own_record"),
    "sealed": ("device.records", "tools.unsealing", "hal.patient.wfdb"),
    "bundle": (*_FLASH, "firmware.archive", "firmware.bundle", "firmware.flatbuffer",
               "firmware.tflite_file"),
    "serial": (*_LINK, "device.instrument", "device.controls", "device.choices", "device.patient"),
    "upload": (*_LINK, "device.flash.files"),
}  # fmt: skip


def load(name: str) -> Target:
    """The target of that name."""
    target: Target = import_module(f"tests.fuzz.{name}_target").TARGET
    return target
