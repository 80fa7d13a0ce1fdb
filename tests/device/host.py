"""The host's end of a serial line in tests: real file descriptors, whole lines."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from device.link.port import FdPort
from device.link.protocol import LineSplitter, decode

SCHEMA = json.loads(resources.files("device").joinpath("schema/serial-v1.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


class Host:
    """Reads and checks what a device sends; ``messages`` is all of it so far."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_blocking(fd, False)
        self._lines = LineSplitter(1 << 20)
        self.messages: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """What is new: every line whole, with its CRC, as the schema says."""
        new = []
        with contextlib.suppress(OSError):  # nothing there now, or nobody yet
            while data := os.read(self._fd, 65_536):
                for line in self._lines.push(data):
                    assert line is not None
                    message = decode(line, crc_required=True)
                    VALIDATOR.validate(message)
                    new.append(message)
        self.messages += new
        return new

    def of(self, kind: str, **members: object) -> list[dict[str, Any]]:
        """Messages so far of one type and with these members."""
        return [
            m
            for m in self.messages
            if m["type"] == kind and all(m.get(name) == value for name, value in members.items())
        ]

    def write(self, data: bytes) -> None:
        os.write(self._fd, data)


class Wire:
    """Two connected ends: ``port`` for the device, ``host`` for the test."""

    def __init__(self) -> None:
        self._device, self._host = socket.socketpair()
        self.port = FdPort(self._device.fileno(), self._device.close)
        self.host = Host(self._host.fileno())

    @property
    def device_fd(self) -> int:
        return self._device.fileno()

    def hang_up(self) -> None:
        self._host.close()
