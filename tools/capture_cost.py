"""What capturing costs: ``python -m tools.capture_cost [SECONDS]`` (of signal, 120).

Printed: the acquiring thread's processor time per frame with and without the tap on the same
replayed wires (medians of five), bytes per sample before and after compression, and how fast a
replay runs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from hal.ads1298.driver import Ads1298
from hal.capture import captured_driver
from hal.capture_file import CaptureReader
from hal.clock import VirtualClock
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError
from hal.frontend import SAMPLE_RATE_HZ, FrontendConfig
from hal.replay import Tape, TapeDataReady, TapePins, TapeSpi
from tools.capture import capture

TIMES = 5


def read_all(driver: Ads1298, tape: Tape) -> tuple[float, int]:
    """Processor seconds of this thread from start to the end of the tape, and its samples."""
    driver.configure(tape.settings() or FrontendConfig())
    driver.start()
    samples, began_s = 0, time.thread_time()
    try:
        while True:
            samples += len(driver.read(4, 0.5))
    except FrontendError:
        return time.thread_time() - began_s, samples
    finally:
        driver.close()


def replay(file: Path, copy: Path | None) -> tuple[float, int]:
    """Read ``file`` again, with a tap that writes ``copy`` where one is asked for."""
    clock = VirtualClock()
    tape = Tape(file, clock)
    part = tape.next_part()
    spi, line, pins = TapeSpi(tape, part), TapeDataReady(tape), TapePins(tape)
    if copy is None:
        return read_all(Ads1298(spi, EdgePacedReader(spi, line), pins, line, clock), tape)
    copy.unlink(missing_ok=True)
    driver = captured_driver(spi, line, pins, clock, file=copy, frontend="replay", bus="replay")
    return read_all(driver, tape)


def main(arguments: list[str]) -> int:
    seconds = float(arguments[0]) if arguments else 120.0
    with tempfile.TemporaryDirectory() as folder:
        file, copy = Path(folder) / "x.l12cap", Path(folder) / "copy.l12cap"
        capture(file, preset="sinus-70", duration_s=seconds)
        plain_s, tapped_s, samples = [], [], 0
        for _ in range(TIMES):
            took_s, samples = replay(file, None)
            plain_s.append(took_s)
            tapped_s.append(replay(file, copy)[0])
        reader = CaptureReader(file)
        for _ in reader:
            pass
        per_sample = file.stat().st_size / samples
    plain, tapped = statistics.median(plain_s), statistics.median(tapped_s)
    print(f"tap: {(tapped - plain) / samples * 1e6:.1f} us per frame in the acquiring thread")
    print(
        f"file: {per_sample:.1f} bytes per sample of {reader.raw_bytes / samples:.1f} before "
        f"compression, {per_sample * SAMPLE_RATE_HZ * 3600 / 1e6:.0f} MB per hour"
    )
    print(f"replay: {samples / SAMPLE_RATE_HZ / plain:.0f} times real time")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
