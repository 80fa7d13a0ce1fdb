"""Installing a model: how long it takes here and over a line, and what the monitor says meanwhile.

The monitor is a real one, in its processes, on a simulated front end; between it and the command is
a line of the stated rate, both ways, and keyed, as in front of a patient.
"""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from device.config import Config
from device.flash.install import Outcome
from device.link.access import read_key
from device.link.port import PTY
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, decode
from device.link.session import KEY_BYTES
from device.supervisor import Supervisor
from firmware.archive import CARD, SIGNATURES, pack, unpack
from tools import keys
from tools.bench.figures import Figure
from tools.bench.throttle import throttled
from tools.flash import Local, read_keyring
from tools.flash_line import Remote
from tools.host_line import SerialWire
from tools.models_cli import EMBEDDED

FAST, SLOW = 921_600, 115_200
LEAD12 = (sys.executable, "-c", "from tools.entry import main; main()")
STEP_S = 0.1
STARTED_S = 30.0  # by then a monitor has a serial line and calls
FIRST_CALL = 12  # a result a second; the first whole window is there after ten
WATCHED_S = 8.0  # after the switch


class Results:
    """Result lines as they came: when, of which second of the signal, of which model."""

    def __init__(self) -> None:
        self._heard: list[tuple[float, float, str]] = []
        self._lines = LineSplitter(MAX_LINE)

    def __len__(self) -> int:
        return len(self._heard)

    def hear(self, data: bytes) -> None:
        """Bytes of the line."""
        for line in self._lines.push(data):
            with contextlib.suppress(ProtocolError):  # half a line at the beginning
                message = decode(line or b"", crc_required=True)
                if message["type"] == "result":
                    self._heard.append((time.monotonic(), message["t_s"], message["model"]))

    @property
    def switch_s(self) -> float:
        """From the last result of one model to the first of the next; infinite without a switch."""
        gaps = (b[0] - a[0] for a, b in pairwise(self._heard) if a[2] != b[2])
        return max(gaps, default=math.inf)

    @property
    def longest_s(self) -> float:
        """The longest time without a result."""
        return max((b[0] - a[0] for a, b in pairwise(self._heard)), default=math.inf)


class Tap(SerialWire):
    """A port that lets ``results`` hear what is read from it."""

    def __init__(self, port: str, baud: int, results: Results) -> None:
        super().__init__(port, baud)
        self._results = results

    def read(self) -> bytes:
        """What has come in."""
        data = super().read()
        self._results.hear(data)
        return data


def power_cuts() -> list[Figure]:
    """What the store's power-cut simulator finds; it is in the checkout, not in the wheel."""
    root = Path(__file__).parents[2]
    if not (root / "tests").is_dir():
        return []
    simulator = [sys.executable, "-m", "tests.device.power_scenarios"]
    found = json.loads(subprocess.run(simulator, cwd=root, capture_output=True, check=True).stdout)
    part = "power cut anywhere in an install, a trial, a rollback"
    return [
        Figure(part, "distinct places", found["cuts"], "", low=200),
        Figure(part, "distinct disks left behind", found["disks"], ""),
        Figure(part, "bricked, or not the old or the new model", len(found["bad"]), "", high=0),
    ]


def measure() -> list[Figure]:
    """Install four models, here and over two lines; try what must be refused; cut the power."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, second, third, fourth = bundles(folder, 4)
        changes = {"model.store": str(folder / "models"), "serial.port": PTY}
        key = new_key(folder / "serial.key")
        changes |= {"serial.access": "keyed", "serial.key_file": str(key)}
        config = Config().override({**changes, "display.device": "none"})
        local = Local(config)
        local.trust(read_keyring(folder / keys.KEYRING), "bench")
        settings = folder / "lead12.toml"
        settings.write_text(f'[model]\nstore = "{config.model.store}"\n')

        here_s = command_s(first, "--config", settings)
        local.confirm("bench")
        outcomes = list(refusals(local, second))
        results = Results()
        with monitor(config) as device:
            with throttled(device, FAST) as line:
                wait_for_calls(line.port)
                fast_s = command_s(second, *over(line.port, FAST, key))
                local.confirm("bench")
                watch_install(third, line.port, results, read_key(key))
                local.confirm("bench")
            with throttled(device, SLOW) as line:
                slow_s = command_s(fourth, *over(line.port, SLOW, key))
        size = f"{first.stat().st_size} bytes"
        part = f"lead12 model install, {size}"
        return [
            Figure(part, "here", here_s, "s", high=2),
            Figure(part, f"over a keyed line of {FAST} baud", fast_s, "s", high=10),
            Figure(part, f"over a keyed line of {SLOW} baud", slow_s, "s", high=60),
            Figure("result lines", "between the old model's last and the new one's first",
                   results.switch_s, "s", high=2),
            Figure("result lines", "longest pause, upload and install included",
                   results.longest_s, "s", high=2),
            Figure("bundles that must be refused", "refused", sum(not o.ok for o in outcomes),
                   f"of {len(outcomes)}", low=len(outcomes)),
            *power_cuts(),
        ]  # fmt: skip


def bundles(folder: Path, n: int) -> list[Path]:
    """The embedded bundle under ``n`` versions, signed with keys made in ``folder``."""
    now = datetime.now(UTC)
    keys.new(folder, name="bench", development=False, days=1, passphrase=None, now=now)
    data, paths = EMBEDDED.read_bytes(), []
    for i in range(1, n + 1):
        paths.append(folder / f"{i}.l12")
        paths[-1].write_bytes(keys.sign(data, folder, now=now, version=f"9.{i}", counter=i))
    return paths


def refusals(local: Local, whole: Path) -> Iterator[Outcome]:
    """What becomes of bundles that must not be installed; ``whole`` may be, and is not."""
    data = whole.read_bytes()
    files = unpack(data)
    unsigned = {name: of for name, of in files.items() if name != SIGNATURES}
    middle = len(data) // 2
    for bad in (
        pack(unsigned),
        pack({**files, CARD: b"# A better one\n"}),  # hashes anew, the old signature
        data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        data[:middle],
        EMBEDDED.read_bytes(),  # unsigned, and of a lower counter
        b"",
    ):
        yield local.install(bad, "bench", lambda stage, text: None)


def new_key(path: Path) -> Path:
    """A file with a key of a serial line."""
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(KEY_BYTES))
    return path


def over(port: str, baud: int, key: Path) -> tuple[object, ...]:
    """Options of a command that goes over a line."""
    return "--port", port, "--baud", baud, "--key", key


def command_s(bundle: Path, *options: object) -> float:
    """Seconds of the command, its start included."""
    command = [*LEAD12, "model", "install", bundle, *options, "--as", "bench"]
    begin = time.monotonic()
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    return time.monotonic() - begin


@contextlib.contextmanager
def monitor(config: Config) -> Iterator[str]:
    """A running instrument; the name of its pseudo-terminal."""
    supervisor = Supervisor(config, lambda line: None)
    run = threading.Thread(target=supervisor.run)
    run.start()
    try:
        until = time.monotonic() + STARTED_S
        while not supervisor.serial_name and time.monotonic() < until:
            time.sleep(STEP_S)
        yield supervisor.serial_name
    finally:
        supervisor.stop()
        run.join()


def wait_for_calls(port: str) -> None:
    """Until the monitor has judged a window."""
    results, tap = Results(), Tap(port, FAST, Results())
    until = time.monotonic() + STARTED_S
    while len(results) < FIRST_CALL and time.monotonic() < until:
        results.hear(tap.read())
    tap.close()


def watch_install(bundle: Path, port: str, results: Results, key: bytes) -> None:
    """Install, and listen on for a while. Raises RemoteError."""
    data = bundle.read_bytes()

    def tapped(name: str, baud: int) -> Tap:
        return Tap(name, baud, results)

    with Remote(port, FAST, key=key, open_wire=tapped) as remote:
        remote.upload(data)
        remote.install(data, "bench", lambda stage, text: None)
        until = time.monotonic() + WATCHED_S
        while time.monotonic() < until:
            remote.list()
