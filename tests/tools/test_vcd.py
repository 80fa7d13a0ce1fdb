"""The dump of a capture: every bit where it belongs, as any reader of the format finds it."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from hal.capture import Recorder
from hal.capture_file import CaptureReader, Event, Fell, Part, PinName, PinSet, Transfer
from hal.clock import VirtualClock
from hal.frontend import FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools.capture import vcd
from tools.vcd import TICK_NS, write_vcd

NAMES = ["SCLK", "MOSI", "MISO", "CS", "DRDY", "PWDN", "RESET", "START"]
Wires = dict[str, list[tuple[int, str]]]


def parse(text: str) -> Wires:
    """Every change (ns, level) by wire; the form is checked on the way."""
    head, body = text.split("$enddefinitions $end\n")
    assert f"$timescale {TICK_NS} ns $end" in head
    codes = {}
    for line in head.splitlines():
        if line.startswith("$var"):
            _, kind, width, code, name, end = line.split()
            assert (kind, width, end) == ("wire", "1", "$end")
            codes[code] = name
    assert list(codes.values()) == NAMES
    wires: Wires = {name: [] for name in NAMES}
    t_ns = -1
    for line in body.splitlines():
        if line.startswith("#"):
            assert int(line[1:]) * TICK_NS > t_ns
            t_ns = int(line[1:]) * TICK_NS
        elif not line.startswith("$"):
            level, name = line[0], codes[line[1:]]
            assert level in "01z"
            wires[name].append((t_ns, level))
    return wires


def dumped(events: Iterable[Event], **span: float) -> Wires:
    out = io.StringIO()
    write_vcd(events, out, **span)
    return parse(out.getvalue())


def falls(wire: list[tuple[int, str]]) -> list[int]:
    return [t for (_, before), (t, now) in pairwise(wire) if (before, now) == ("1", "0")]


def at(wire: list[tuple[int, str]], t_ns: int) -> str:
    return next(level for t, level in reversed(wire) if t <= t_ns)


def bytes_of(wires: Wires, mode: int) -> list[tuple[bytes, bytes]]:
    """What a chip, and a host, in SPI ``mode`` would have read in each low pulse of CS."""
    got: list[tuple[bytes, bytes]] = []
    samples_at = "1" if mode in (0, 3) else "0"
    pulses = [t for t, _ in wires["CS"][1:]]
    for begin, end in zip(pulses[::2], pulses[1::2], strict=True):
        clocks = [t for t, level in wires["SCLK"] if begin < t < end and level == samples_at]
        assert len(clocks) % 8 == 0
        both = []
        for name in ("MOSI", "MISO"):
            bits = "".join(at(wires[name], t) for t in clocks)
            both.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
        got.append((both[0], both[1]))
    return got


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("vcd") / "x.l12cap"
    frontend = simulated_frontend(preset("sinus-70", 1), VirtualClock(9_000_000_123), capture=file)
    frontend.configure(FrontendConfig(rl_check_every=10))
    frontend.start()
    for _ in range(4):
        frontend.read(8, 0.1)
    frontend.close()
    return file


def test_every_byte_edge_and_pin_of_the_capture_is_in_the_dump(file: Path) -> None:
    events = list(CaptureReader(file))
    wires = dumped(events)
    begin_ns = events[0].t_ns
    transfers = [event for event in events if isinstance(event, Transfer)]
    assert bytes_of(wires, 1) == [(event.mosi, event.miso) for event in transfers]
    for t, event in zip(falls(wires["CS"]), transfers, strict=True):
        assert 0 <= event.t_ns - begin_ns - t < TICK_NS
    edges = [event.edge_ns - begin_ns for event in events if isinstance(event, Fell)]
    assert falls(wires["DRDY"]) == [t // TICK_NS * TICK_NS for t in edges]
    for name in PinName:
        level = {
            event.t_ns - begin_ns: "01"[event.asserted != (name is not PinName.START)]
            for event in events
            if isinstance(event, PinSet) and event.pin is name
        }
        assert all(at(wires[name], t) == value for t, value in level.items())
        assert len(wires[name]) == {"PWDN": 4, "RESET": 3, "START": 1}[name]


def test_drdy_rises_with_the_first_clock_of_a_read(file: Path) -> None:
    wires = dumped(CaptureReader(file))
    rises = [t for t, level in wires["DRDY"][1:] if level == "1"]
    clocks = {t for t, level in wires["SCLK"] if level == "1"}
    assert len(rises) == 23
    assert all(t in clocks for t in rises)


def test_drdy_that_nobody_answers_pulses_before_each_edge() -> None:
    wires = dumped(
        [Part(0, "x", "x", 1, 2_000_000), *(Fell(n * 1000 + 9, n, n) for n in (10_000, 2_010_000))]
    )
    assert wires["DRDY"] == [(0, "1"), (10_000, "0"), (2_008_040, "1"), (2_010_000, "0")]


@pytest.mark.parametrize("mode", range(4))
def test_bits_are_where_each_spi_mode_samples_them(mode: int) -> None:
    transfers = [(b"\xa5\x0f\x80", b"\x01\xff\x5a"), (b"\x00", b"\x33")]
    events: list[Event] = [Part(0, "x", "x", mode, 4_000_000)]
    events += [Transfer(n * 6000, 6000, *both) for n, both in enumerate(transfers)]
    wires = dumped(events)
    assert bytes_of(wires, mode) == transfers
    assert wires["SCLK"][-1][1] == str(mode >> 1)  # idle again


def test_edges_told_late_are_put_where_they_fell() -> None:
    ms = 1_000_000
    events: list[Event] = [Part(0, "x", "x", 1, 2_000_000)]
    for n in range(20, 420):
        events.append(Transfer(n * ms, 108_000, bytes(27), bytes(27)))
        events.append(Fell(n * ms + 200_000, n, (n - 10) * ms + 500_000))
    assert falls(dumped(events)["DRDY"]) == [n * ms + 500_000 for n in range(10, 410)]


def test_a_span_of_the_capture_begins_with_the_levels_it_finds() -> None:
    transfers = [(b"\x00", bytes([n])) for n in range(4)]
    events: list[Event] = [Part(0, "x", "x", 1, 2_000_000)]
    for n, both in enumerate(transfers):
        t_ns = n * 100_000
        events += [Fell(t_ns + 9, n, t_ns), Transfer(t_ns + 5000, 4000, *both)]
    part = dumped(events, begin_s=102_500e-9, seconds=200_000e-9)
    assert part["DRDY"][0] == (0, "0")  # it fell before, and was not answered yet
    assert bytes_of(part, 1) == transfers[1:3]
    assert falls(part["DRDY"]) == [97_500, 197_500]


def test_the_command_says_what_it_wrote_and_what_is_missing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, out = tmp_path / "cut.l12cap", tmp_path / "x.vcd"
    cut.write_bytes(file.read_bytes()[:-3])
    assert vcd(cut, out) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{out}: ")
    assert said.err == (
        f"{cut} is cut off within its last block; what came before is in the dump\n"
    )
    parse(out.read_text())


@pytest.mark.skipif(not shutil.which("sigrok-cli"), reason="sigrok-cli is not installed")
@pytest.mark.parametrize("mode", range(4))
def test_sigrok_reads_the_same_bytes(mode: int, tmp_path: Path) -> None:
    clock = VirtualClock()
    recorder = Recorder(tmp_path / "x.l12cap", clock)

    class Bus:
        speed_hz = 4_000_000

    bus = Bus()
    bus.mode = mode  # type: ignore[attr-defined]
    recorder.part("x", "x", bus)  # type: ignore[arg-type]
    transfers = [(bytes([n, 255 - n]), bytes([n ^ 0x5A, n])) for n in range(0, 256, 7)]
    for n, (mosi, miso) in enumerate(transfers):
        recorder.transfer(1000 + n * 4000, 4000, mosi, miso)
    recorder.close()
    vcd(tmp_path / "x.l12cap", tmp_path / "x.vcd")
    decoder = f"spi:clk=SCLK:mosi=MOSI:miso=MISO:cs=CS:cpol={mode >> 1}:cpha={mode & 1}"
    command = ["sigrok-cli", "-i", tmp_path / "x.vcd", "-I", "vcd", "-P", decoder]
    for part, name in enumerate(("mosi-transfer", "miso-transfer")):
        done = subprocess.run(
            [*command, "-A", f"spi={name}"], capture_output=True, text=True, check=True
        )
        lines = [line.removeprefix("spi-1: ") for line in done.stdout.splitlines()]
        assert lines == [both[part].hex(" ").upper() for both in transfers]
