"""How often exchanged electrodes are noticed, and how often they are suspected where none are.

Recordings pass the simulated chip with their electrodes exchanged before it, as in
``hal.patient.electrodes``, and one window of ten seconds is judged, as in ``lead12 classify``. The
network was fitted on PTB-XL's folds 1-8 (``models/swaps.py``): here are fold 9 and other sources;
the choice of the threshold has seen the latter. None of them is known to be free of true swaps.
``lead12 bench swaps [--data FOLDER] [--json]``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from firmware.events import Call
from firmware.findings import SWAP
from firmware.pipeline import Pipeline
from firmware.raw_window import RawWindow
from firmware.swaps import CHEST, FLAT_LEAD, LIMBS, Swap, suspected
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, Electrode, FrontendConfig
from hal.patient.electrodes import swapped
from hal.patient.presets import preset, presets
from hal.simulated import simulated_frontend
from models.metrics import wilson
from tools.bench.figures import PERFORMANCE, Figure, write_section
from tools.bench.recordings import LEAD_IN, Packed, chip_counts, frames_of, packed

WINDOW_END = LEAD_IN + 10 * SAMPLE_RATE_HZ
EVERY_FOLD9, EVERY_OTHER = 8, 2
MOST_SUSPECTED = 1.0
PTBXL_RATE_HZ = 100
SEEDS = range(3)
NOT_WHOLE = {"la-ra-swap", "v1-v2-swap", "v3-off", "ra-off", "demo"}
_RA, _LA, _LL, _RL = Electrode.RA, Electrode.LA, Electrode.LL, Electrode.RL
LEGS: dict[str, tuple[Swap, str]] = {  # by what is exchanged: how, and what should be said
    "RA/RL": (((_RA, _RL),), FLAT_LEAD["II"]),
    "LA/RL": (((_LA, _RL),), FLAT_LEAD["III"]),
    "RA/RL and LA/LL": (((_RA, _RL), (_LA, _LL)), FLAT_LEAD["I"]),
    "RA/LL and LA/RL": (((_RA, _LL), (_LA, _RL)), FLAT_LEAD["I"]),
    "LL/RL": (((_LL, _RL),), ""),
}
EVERY_SWAP = {**{name: (swap, name) for name, swap in LIMBS.items()}, **LEGS} | {
    name: (swap, name) for name, swap in CHEST.items()
}


@dataclass(frozen=True, slots=True)
class Noticed(Figure):
    """Of ``n`` windows in ``noticed`` something is said, in ``named`` what is exchanged."""

    n: int = 0
    noticed: int = 0
    named: int = 0
    says: str = ""  # what, and how often, commonest first


def said(record: Packed, rate_hz: int, swap: Swap = ()) -> str | None:
    """What the pipeline says is exchanged ("LA/RA"); None where it suspects nothing."""
    events = [swapped(*pair) for pair in swap]
    nv_per_count, counts = chip_counts(record, rate_hz, events)
    pipeline = Pipeline(nv_per_count, profile=None, first_call=WINDOW_END)
    return _in([e for e in pipeline.push(frames_of(counts)) if isinstance(e, Call)][:1])


def _in(calls: Iterable[Call]) -> str | None:
    found = (finding for call in calls for finding in call.findings if finding.code == SWAP)
    return next((finding.text.removesuffix(" SWAPPED?") for finding in found), None)


def on_records(data: Path) -> Iterator[Noticed]:
    """Recordings as they are, then each swap on a part of them."""
    fold = [(record, PTBXL_RATE_HZ) for record in packed(data, "ptbxl_100hz", fold="9")]
    sharp = (record for record in packed(data, "ecg_500hz") if record.source != "PTB-XL")
    whole = 10 * SAMPLE_RATE_HZ
    others = [(record, SAMPLE_RATE_HZ) for record in sharp if len(record.mv) >= whole]
    sets = (("PTB-XL fold 9", fold, EVERY_FOLD9), ("other hospitals", others, EVERY_OTHER))
    for name, records, _ in sets:
        found = [said(record, rate_hz) for record, rate_hz in records]
        yield _noticed("nothing exchanged", name, found, "", high=MOST_SUSPECTED)
    for name, records, every in sets:
        for what, (swap, right) in EVERY_SWAP.items():
            found = [said(record, rate_hz, swap) for record, rate_hz in records[::every]]
            yield _noticed(f"exchanged, {name}", what, found, right)


def on_presets() -> Noticed:
    """Simulated patients with nothing exchanged, twenty seconds each."""
    names = sorted(set(presets()) - NOT_WHOLE)
    found = [_in(_simulated(name, seed)) for name in names for seed in SEEDS]
    return _noticed("nothing exchanged", "simulated patients", found, "", high=MOST_SUSPECTED)


def _simulated(name: str, seed: int) -> Iterator[Call]:
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    block = frontend.read(20 * SAMPLE_RATE_HZ, timeout_s=1.0)
    frontend.close()
    pipeline = Pipeline(info.nv_per_count, profile=None)
    return (event for event in pipeline.push(block) if isinstance(event, Call))


def _noticed(
    part: str, name: str, found: Sequence[str | None], right: str, high: float | None = None
) -> Noticed:
    says = Counter(what for what in found if what is not None)
    noticed, n = says.total(), len(found)
    words = ", ".join(f"{what} {times}" for what, times in says.most_common(4))
    share = 100 * noticed / max(n, 1)
    return Noticed(part, name, share, "% noticed", None, high, n, noticed, says[right], words)


def cost(data: Path) -> Figure:
    """Time that a window takes, in the mean of a hundred."""
    record = next(packed(data, "ecg_500hz"))
    nv_per_count, counts = chip_counts(record)
    raw = RawWindow(nv_per_count)
    raw.push(counts[:WINDOW_END])
    for beat in range(LEAD_IN, WINDOW_END, 200):  # 150 /min: as many beats as are looked at
        raw.beat(beat)
    begun = perf_counter()
    for _ in range(100):
        suspected(raw, WINDOW_END, {})
    return Figure("time", "per window", 10 * (perf_counter() - begun), "ms", high=2)


def measure(data: Path) -> list[Figure]:
    """Every figure."""
    return [*on_records(data), on_presets(), cost(data)]


def write_docs(figures: Sequence[Figure]) -> None:
    """Tables with intervals."""
    shares = [figure for figure in figures if isinstance(figure, Noticed)]
    lines: list[str] = []
    for part in dict.fromkeys(share.part for share in shares):
        lines += ["", f"| {part} | n | noticed | 95 % interval | rightly named | said |"]
        lines += ["|---|---|---|---|---|---|"]
        for one in shares:
            if one.part == part:
                low, high = (100 * edge for edge in wilson(one.noticed, one.n))
                broken = "" if one.ok else " **(broken)**"
                named = f"{100 * one.named / one.n:.1f} %" if one.named else ""
                lines.append(
                    f"| {one.name} | {one.n} | {one.value:.1f} %{broken} | {low:z.1f}-{high:.1f} "
                    f"| {named} | {one.says} |"
                )
    lines += ["", *(f"Time per window: {f.value:.1f} ms." for f in figures if f.part == "time")]
    write_section(PERFORMANCE, "swaps", "\n".join(lines[1:]))
