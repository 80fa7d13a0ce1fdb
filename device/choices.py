"""What the settings page offers: each setting's values in the order of the button, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device.config import Config
from device.link.commands import SETTINGS
from firmware.events import LEADS

# Setting -> its name on the page, and its values with their words; English, before ``state.tr``.
CHOICES: Mapping[str, tuple[str, Mapping[Any, str]]] = {
    "night": ("NIGHT", {False: "OFF", True: "ON"}),
    "naming": ("ELECTRODES", {"AHA": "AHA", "IEC": "IEC"}),
    "lead": ("LEAD", {lead: lead for lead in LEADS}),
    "profile": ("FILTER", {"monitor": "MONITOR", "diagnostic": "DIAGNOSTIC"}),
    "mains_hz": ("MAINS", {50: "50 Hz", 60: "60 Hz", 0: "NO NOTCH"}),
    "language": ("LANGUAGE", {"en": "ENGLISH", "de": "DEUTSCH"}),
}


def listed(config: Config) -> tuple[tuple[str, str], ...]:
    """(name, value) of each, as the page shows them."""
    return tuple(
        (name, words[config.get(SETTINGS[setting])]) for setting, (name, words) in CHOICES.items()
    )


def following(config: Config, step: int) -> tuple[str, Any]:
    """The setting that is shown at ``step``, and the value after the one it has."""
    setting = list(CHOICES)[step % len(CHOICES)]
    values = list(CHOICES[setting][1])
    return setting, values[(values.index(config.get(SETTINGS[setting])) + 1) % len(values)]
