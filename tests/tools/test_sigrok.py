"""sigrok's view of our captures, through our decoder: the driver's own samples, to the count."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hal.ads1298 import registers as reg
from hal.ads1298.frame import pack, status_word
from hal.ads1298.settings import settings_for
from hal.ads1298.wiring import INPUTS, STATUS_BITS
from hal.capture import Recorder
from hal.clock import VirtualClock
from hal.frontend import Electrode, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools import sigrok_table
from tools.capture import vcd

DECODER = Path(sigrok_table.TABLE).parent
FRAMES = 20
QUICK = "vcd:compress=10000"  # idle spells of more than 0.1 ms shortened

needs_sigrok = pytest.mark.skipif(
    not shutil.which("sigrok-cli"), reason="sigrok-cli is not installed (apt install sigrok-cli)"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decoder alone, as a user copies it: nothing of this firmware is near it."""
    folder = tmp_path_factory.mktemp("decoders")
    shutil.copytree(DECODER, folder / "ads1298", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def decoded(capture: Path, installed: Path) -> list[tuple[str, str]]:
    """The decoder's annotations in order: row and text."""
    dump = capture.with_suffix(".vcd")
    vcd(capture, dump)
    stack = "spi:clk=SCLK:mosi=MOSI:miso=MISO:cs=CS:cpha=1,ads1298"
    command = ["sigrok-cli", "-i", dump, "-I", QUICK, "-P", stack, "-A", "ads1298"]
    done = subprocess.run(
        [*command, "--protocol-decoder-jsontrace"],
        capture_output=True,
        text=True,
        check=True,
        cwd=installed,
        env={**os.environ, "SIGROKDECODE_DIR": str(installed)},
    )
    assert done.stderr == ""
    trace = json.loads(done.stdout)["traceEvents"]
    return [(event["tid"], event["name"]) for event in trace if event["ph"] == "B"]


def texts(found: list[tuple[str, str]], row: str) -> list[str]:
    """The texts of a row."""
    return [text for of, text in found if of == row]


class Said:
    """A capture made by hand: one low pulse of chip-select after the other."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._clock = VirtualClock()
        self._recorder = Recorder(file, self._clock)
        self._recorder.part("x", "x", self)  # type: ignore[arg-type]

    mode, speed_hz = 1, 4_000_000

    def send(self, mosi: bytes, miso: bytes | None = None) -> Said:
        took_ns = 2000 * len(mosi)
        self._recorder.transfer(self._clock.now_ns(), took_ns, mosi, miso or bytes(len(mosi)))
        self._clock.advance_ns(took_ns + 2000)
        return self

    def frame(self, status: int, counts: list[int]) -> Said:
        data = pack(np.array([status], np.uint32), np.array([counts], np.int32)).tobytes()
        return self.send(bytes(len(data)), data)

    def decoded(self, installed: Path) -> list[tuple[str, str]]:
        self._recorder.close()
        return decoded(self.file, installed)


@pytest.fixture
def said(tmp_path: Path) -> Said:
    return Said(tmp_path / "said.l12cap")


def test_the_table_is_in_step_with_the_declarations() -> None:
    assert sigrok_table.TABLE.read_text(encoding="utf-8") == sigrok_table.render(), (
        "run: python -m tools.sigrok_table"
    )


@needs_sigrok
@pytest.mark.parametrize(("name", "gain"), [("sinus-70", 6), ("v3-off", 2)])
def test_start_up_and_frames_are_those_of_the_driver(
    name: str, gain: int, tmp_path: Path, installed: Path
) -> None:
    file = tmp_path / "x.l12cap"
    config = FrontendConfig(gain=gain)
    frontend = simulated_frontend(preset(name, 1), VirtualClock(), capture=file)
    frontend.configure(config)
    frontend.start()
    block = frontend.read(FRAMES, 0.1)
    frontend.close()
    assert len(block) == FRAMES
    found = decoded(file, installed)

    written = settings_for(config)
    chip = {r.name: r.reset for r in reg.REGISTERS} | written
    registers = [f"{r} = {value:02X}" for values in (written, chip) for r, value in values.items()]
    config3 = f"CONFIG3 = {written['CONFIG3']:02X}"
    assert texts(found, "Registers") == ["ID = 92", *registers, config3]
    at = [n for n, (row, _) in enumerate(found) if row == "Registers"]
    for n, (register, value) in zip(at[1:], written.items(), strict=False):
        for bits, line in zip(reg.BY_NAME[register].fields, found[n + 1 :], strict=False):
            number = bits.get(value)
            meaning = f" ({bits.meanings[number]})" if number in bits.meanings else ""
            assert line == ("Fields", f"{bits.name} = {number}{meaning}")
    commands = [line for line in texts(found, "Commands") if "REG" not in line]
    assert commands == ["RESET", "SDATAC", "START", "RDATAC", "SDATAC", "STOP"]
    assert texts(found, "Errors") == []

    lines = texts(found, "Frames")
    assert len(lines) == (3 + FRAMES) * 9  # three unsettled ones come first
    lines = lines[3 * 9 :]
    for n in range(FRAMES):
        status, channels = lines[9 * n], lines[9 * n + 1 : 9 * n + 9]
        assert int(status[:6], 16) == block.status[n]
        off = [e for e in Electrode if block.electrodes_off[n] >> e & 1]
        assert set(status[7:].removeprefix("off: ").split()) == (
            {e.name for e in off} or {"all", "electrodes", "on"}
        )
        for entry, counts, line in zip(INPUTS, block.counts[n], channels, strict=True):
            mv = counts * reg.volts_per_count(gain) * 1e3
            assert line == f"{entry.lead} {counts} = {mv:.6f} mV"


@needs_sigrok
def test_electrodes_are_named_by_their_bits(said: Said, installed: Path) -> None:
    said.send(bytes([reg.Opcode.RDATAC]))
    for bit in STATUS_BITS.values():
        said.frame(status_word() | 1 << bit, [0] * 8)
    all_but_ra = sum(1 << bit for who, bit in STATUS_BITS.items() if who is not Electrode.RA)
    said.frame(status_word() | all_but_ra, [0] * 8)
    lines = texts(said.decoded(installed), "Frames")[::9]
    for (who, bit), line in zip(STATUS_BITS.items(), lines, strict=False):
        assert line == f"{0xC00000 | 1 << bit:06X} off: {who.name}"
    assert set(lines[-1].split()[2:]) == {e.name for e in Electrode if e is not Electrode.RA}


@needs_sigrok
def test_counts_have_their_sign_and_millivolts_the_gain_last_set(
    said: Said, installed: Path
) -> None:
    counts = [0, 1, -1, reg.FULL_SCALE, -reg.FULL_SCALE - 1, 1000, -1000, 123456]
    wreg = reg.Opcode.WREG | reg.CHANNELS[5].address
    said.send(bytes([reg.Opcode.RESET])).send(bytes([reg.Opcode.SDATAC]))
    said.send(bytes([wreg, 1, reg.GAIN_CODES[12] << 4, reg.GAIN_CODES[1] << 4]))
    said.send(bytes([reg.Opcode.RDATAC])).frame(0xC00000, counts)
    said.send(bytes([reg.Opcode.RESET])).frame(0xC00000, counts)
    lines = texts(said.decoded(installed), "Frames")
    lines = lines[1:9] + lines[10:]
    for gains, part in (([6, 6, 6, 6, 6, 12, 1, 6], lines[:8]), ([6] * 8, lines[8:])):
        assert part == [
            f"{entry.lead} {n} = {n * reg.volts_per_count(gain) * 1e3:.6f} mV"
            for entry, n, gain in zip(INPUTS, counts, gains, strict=True)
        ]


@needs_sigrok
def test_what_is_wrong_on_the_wires_is_said(said: Said, installed: Path) -> None:
    said.send(bytes([reg.Opcode.RDATAC]))
    said.frame(0x400000, [1] * 8).send(bytes(9), bytes(9)).send(bytes(30), bytes(30))
    said.send(bytes([reg.Opcode.RREG, 0, 0]), bytes(3))
    said.send(bytes([reg.Opcode.WREG | 1, 0, 0x86]))
    said.send(bytes([reg.Opcode.RDATA]) + bytes(27), bytes([0]) + b"\xc0" + bytes(26))
    said.send(bytes([reg.Opcode.SDATAC])).send(bytes(27), bytes(27))
    said.send(bytes([reg.Opcode.WREG | 1, 1, 0x86])).send(bytes([reg.Opcode.WREG]))
    said.send(bytes([reg.Opcode.RREG | 25, 1, 0, 0])).send(bytes([0x1F]))
    assert texts(said.decoded(installed), "Errors") == [
        "bad status 400000: a frame begins with C",
        "torn frame: 9 of 27 bytes",
        "torn frame: 30 of 27 bytes",
        "RREG in RDATAC: not heard, send SDATAC first",
        "WREG in RDATAC: not heard, send SDATAC first",
        "RDATA in RDATAC: not heard",
        "read outside RDATAC: nothing comes",
        "WREG cut short: 1 of 2",
        "WREG cut short: no count",
        "no register 1A",
        "unknown command 1F",
    ]


@needs_sigrok
def test_registers_written_in_vain_change_no_scale(said: Said, installed: Path) -> None:
    said.send(bytes([reg.Opcode.RDATAC]))
    said.send(bytes([reg.Opcode.WREG | reg.CHANNELS[0].address, 0, reg.GAIN_CODES[1] << 4]))
    said.frame(0xC00000, [100] * 8)
    found = said.decoded(installed)
    assert texts(found, "Registers") == []
    assert texts(found, "Frames")[1] == f"V6 100 = {100 * reg.volts_per_count(6) * 1e3:.6f} mV"


@needs_sigrok
def test_a_single_frame_read_by_rdata_is_decoded(said: Said, installed: Path) -> None:
    data = pack(np.array([0xC00000], np.uint32), np.array([range(8)], np.int32)).tobytes()
    said.send(bytes([reg.Opcode.SDATAC]))
    said.send(bytes([reg.Opcode.RDATA]) + bytes(27), b"\0" + data)
    found = said.decoded(installed)
    assert texts(found, "Commands") == ["SDATAC", "RDATA"]
    assert texts(found, "Errors") == []
    assert [line.split()[1] for line in texts(found, "Frames")[1:]] == [str(n) for n in range(8)]
