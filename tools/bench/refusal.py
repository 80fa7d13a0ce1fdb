"""What is refused: signals that are no ECG must be, and ECGs that people recorded must not.

The thresholds of ``firmware.plausible`` were set on PTB-XL's folds 1-8 and on other seeds of
``tools.bench.not_ecg``; only fold 9, other sources and fresh seeds are measured here. Of the CinC
2011 records eight were looked at, and two rules mended for them.
``lead12 bench refusal [--data FOLDER] [--json]``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from device.bundles import load_network
from firmware.events import Call, Refusal
from firmware.network import Network
from firmware.pipeline import Pipeline
from hal.frontend import SAMPLE_RATE_HZ
from hal.patient.record import Recording
from models.metrics import wilson
from tools.bench import not_ecg
from tools.bench.figures import PERFORMANCE, Figure, write_section
from tools.bench.recordings import Packed, frames_of, packed
from tools.classify import classify_recording

DRAWS = 400
FIRST_SEED = 1000
LEAST_REFUSED, MOST_REFUSED = 99.0, 3.0
PTBXL_RATE_HZ = 100
NOT_ECG = "no ECG"
LABELLED = {  # PTB-XL statements whose records are easily taken for noise, or noise for them
    "atrial fibrillation or flutter (AFIB, AFLT)": {"AFIB", "AFLT"},
    "paced (PACE)": {"PACE"},
    "fast, not sinus (SVTAC, PSVT, SVARR)": {"SVTAC", "PSVT", "SVARR"},
    "extrasystoles, bigeminy, trigeminy (PVC, BIGU, TRIGU)": {"PVC", "BIGU", "TRIGU"},
    "low voltage (LVOLT)": {"LVOLT"},
    "bundle branch block (CLBBB, CRBBB)": {"CLBBB", "CRBBB"},
}


@dataclass(frozen=True, slots=True)
class Share(Figure):
    """Share of ``n`` signals of one kind that is refused, and how often for each reason.

    One whose text names another rhythm was read and is not among the ``refused``.
    """

    n: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def refusal_of(kind: str, seed: int, network: Network) -> Refusal | None:
    """What the monitor says of one signal that is no ECG, after it has settled."""
    first_call = not_ecg.SAMPLES // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ
    pipeline = Pipeline(not_ecg.NV_PER_COUNT, profile=None, network=network, first_call=first_call)
    events = pipeline.push(frames_of(not_ecg.draw(kind, seed)))
    return [event for event in events if isinstance(event, Call)][-1].refusal


def not_ecgs(network: Network) -> Iterator[Share]:
    """One share per kind of signal that is no ECG."""
    for kind in not_ecg.KINDS:
        seeds = range(FIRST_SEED, FIRST_SEED + DRAWS)
        low = None if kind == not_ecg.HARD else LEAST_REFUSED
        yield _share(NOT_ECG, kind, (refusal_of(kind, seed, network) for seed in seeds), low=low)


def recorded(data: Path, network: Network) -> Iterator[Share]:
    """Shares of real recordings, through ``lead12 classify``: whole sets, then by label."""

    def reason(record: Packed, rate_hz: int) -> str | None:
        found = classify_recording(Recording(record.record, rate_hz, record.mv), network)
        return found["reason"] or None

    fold = [(r, reason(r, PTBXL_RATE_HZ)) for r in packed(data, "ptbxl_100hz", fold="9")]
    part = "PTB-XL fold 9, 100 Hz"
    yield _of(part, "all", fold, lambda _: True)
    for name, codes in LABELLED.items():
        yield _of(part, name, fold, lambda r, codes=codes: not codes.isdisjoint(r.labels))
    sharp = [(r, reason(r, SAMPLE_RATE_HZ)) for r in packed(data, "ecg_500hz")]
    ours = "PTB-XL, 500 Hz"
    yield _of(ours, "all", sharp, lambda r: r.source == "PTB-XL")
    part = "other hospitals, 500 Hz"
    yield _of(part, "all", sharp, lambda r: r.source != "PTB-XL")
    for source in sorted({r.source for r, _ in sharp} - {"PTB-XL"}):
        yield _of(part, source, sharp, lambda r, source=source: r.source == source)
    yield _of(part, "atrial fibrillation or flutter", sharp, _external_af)
    people = [(r, reason(r, SAMPLE_RATE_HZ)) for r in packed(data, "cinc2011_quality")]
    part = "CinC 2011, judged by people"
    for judged in ("acceptable", "indeterminate", "unacceptable"):
        yield _of(part, judged, people, lambda r, judged=judged: judged in r.labels)


def _external_af(record: Packed) -> bool:
    return record.source != "PTB-XL" and record.group == "AFIB"


def _of(
    part: str,
    name: str,
    found: Sequence[tuple[Packed, str | None]],
    wanted: Callable[[Packed], bool],
) -> Share:
    high = MOST_REFUSED if name == "all" else None
    return _share(part, name, (reason for record, reason in found if wanted(record)), high=high)


def _share(
    part: str,
    name: str,
    found: Iterable[str | None],
    *,
    low: float | None = None,
    high: float | None = None,
) -> Share:
    every = list(found)
    reasons = Counter(str(reason) for reason in every if reason is not None)
    refused = reasons.total() - reasons[str(Refusal.OTHER_RHYTHM)]
    share = 100 * refused / max(len(every), 1)
    counted = dict(reasons.most_common())
    return Share(part, name, share, "% refused", low, high, len(every), refused, counted)


def measure(data: Path) -> list[Share]:
    """Every share."""
    network = load_network()
    return [*not_ecgs(network), *recorded(data, network)]


def write_docs(figures: Sequence[Figure]) -> None:
    """Tables with intervals and reasons."""
    shares = [figure for figure in figures if isinstance(figure, Share)]
    lines: list[str] = []
    for part in dict.fromkeys(share.part for share in shares):
        lines += [
            "",
            f"| {part} | n | refused | 95 % interval | reasons |",
            "|---|---|---|---|---|",
        ]
        for one in shares:
            if one.part == part:
                low, high = (100 * edge for edge in wilson(one.refused, one.n))
                why = ", ".join(f"{reason} {n}" for reason, n in one.reasons.items())
                broken = "" if one.ok else " **(broken)**"
                refused = f"{one.value:.1f} %{broken} | {low:z.1f}-{high:.1f}"
                lines.append(f"| {one.name} | {one.n} | {refused} | {why} |")
    write_section(PERFORMANCE, "refusal", "\n".join(lines[1:]))
