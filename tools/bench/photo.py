"""``lead12 bench photo``: what is left of a recording after paper and a phone's camera.

Records of PTB-XL's fold 9, each put through the device chain as it is, from the PDF of its report,
and from made-up photos of that page in three grades.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.bundles import load_network
from device.patient import Patient
from firmware.network import Network
from hal.errors import RecordingError
from hal.patient.record import INDEPENDENT_LEADS, Recording
from models.data import ptbxl
from models.data.photos import GRADES, photograph
from models.metrics import macro_auc
from tools.bench.figures import DOCS, Figure, markdown, write_section
from tools.classify import classify_recording
from tools.models_cli import Progress
from tools.photo.as_page import as_page
from tools.photo.picture import DPI
from tools.photo.read import read_page
from tools.report import render
from tools.study import study
from tools.workers import workers

RECORDS = 200
SIGNAL, CLEAN = "the recording", "its PDF"
ROUTES = (SIGNAL, CLEAN, *(f"photo, {grade}" for grade in GRADES))
BY_NETWORK = ", image network"
MATE4, SUPER = "mate4", "superclasses"
II = INDEPENDENT_LEADS.index("II")


@dataclass
class Seen:
    """One record by one route. ``scores`` is {} where it was refused as no page."""

    call: str | None = None
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0  # of CPU, until there was a recording
    off_uv: float = float("nan")  # of lead II, root mean square, from what was printed


def measure(
    image_network: Path | None, data: Path, records: int | None, jobs: int, say: Progress
) -> list[Figure]:
    """Agreement with the recording's own call and scores, AUC against PTB-XL's labels, time.

    image_network : a bundle that reads pages, tried on the same photos. Raises DataError.
    """
    dataset = ptbxl.load(data)
    fold = np.flatnonzero(dataset.fold == ptbxl.VALIDATION_FOLD)
    rows = fold[np.linspace(0, len(fold) - 1, min(records or RECORDS, len(fold))).astype(int)]
    tasks = [(dataset.record_ids[row], dataset.mv(row), int(row)) for row in rows]
    look = partial(_look, image_network)
    found: list[dict[str, Seen]] = []
    with workers(jobs) as pool:
        for seen in pool.map(look, tasks):
            found.append(seen)
            say("reading photos", len(found), len(tasks))
    labels = {MATE4: dataset.mate4[rows], SUPER: dataset.superclasses[rows]}
    return _compared(found, labels)


def _look(
    image_network: Path | None, task: tuple[str, NDArray[np.float64], int]
) -> dict[str, Seen]:
    """One record by all routes; its row seeds the photos."""
    name, mv, row = task
    network, reader = load_network(""), image_network and load_network(str(image_network))
    leads = dict(zip(ptbxl.LEADS8, mv.T, strict=True))
    recording = Recording.from_leads(name, ptbxl.RATE_HZ, leads)
    said = classify_recording(recording, network)
    seen = {SIGNAL: Seen(said["call"], said["scores"])}
    printed = study(Path(name), recording, None, network, 50, Patient())
    sheet = _sheet(render([printed]))
    ii = printed.uv[:, 1] / 1000
    seen |= _read(CLEAN, sheet, network, reader, ii)
    for number, grade in enumerate(GRADES):
        rng = np.random.default_rng((row, number))
        taken = Image.open(io.BytesIO(photograph(sheet, GRADES[grade], rng)))
        seen |= _read(f"photo, {grade}", np.asarray(taken), network, reader, ii)
    return seen


def _sheet(pdf: bytes) -> NDArray[np.uint8]:
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        return np.asarray(document[0].render(scale=DPI / 72).to_pil().convert("RGB"))


def _read(
    route: str,
    picture: NDArray[np.uint8],
    network: Network | None,
    reader: Network | None,
    ii: NDArray[np.float64],
) -> dict[str, Seen]:
    began = time.process_time()
    try:
        read = read_page(picture, route)
    except RecordingError:
        return {route: Seen(), route + BY_NETWORK: Seen()}
    seconds = time.process_time() - began
    said = classify_recording(read.recording, network, None, read.electrodes)
    off = read.recording.mv[:, II] - (ii - np.median(ii))
    off_uv = 1000 * float(np.sqrt((off**2).mean()))
    seen = {route: Seen(said["call"], said["scores"], seconds, off_uv)}
    if reader is not None:
        scores = reader.run(as_page(read.page, read.rows, reader.bundle.input))
        seen[route + BY_NETWORK] = Seen(None, scores, seconds)
    return seen


def _compared(found: Sequence[dict[str, Seen]], labels: dict[str, NDArray[Any]]) -> list[Figure]:
    signal = [record[SIGNAL] for record in found]
    read = [all(seen.scores for seen in record.values()) for record in found]
    out = [Figure("records", "of fold 9", len(found), "")]
    out += [Figure("records", "read by every route, for AUC", sum(read), "")]
    routes = [route for route in found[0] if any(record[route].scores for record in found)]
    for route in routes:
        there = [record.get(route, Seen()) for record in found]
        if not route.endswith(BY_NETWORK):
            out += _calls(route, signal, there)
        for group, name in ((SUPER, "superclasses"), (MATE4, "rhythm groups")):
            kept = np.array(read)
            truth, scores = labels[group][kept], _scores(there, group)[kept]
            labelled = truth.any(axis=1)
            area = macro_auc(truth[labelled], scores[labelled])
            if np.isfinite(area):  # else no label has both kinds of record
                out.append(Figure(route, f"{name}: macro AUC", area, ""))
            if route != SIGNAL:
                both = [bool(seen.scores) for seen in there]
                a, b = _scores(signal, group)[both], _scores(there, group)[both]
                r = float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
                out.append(Figure(route, f"{name}: correlation of scores", r, ""))
    return out


def _calls(route: str, signal: Sequence[Seen], there: Sequence[Seen]) -> Iterable[Figure]:
    if route == SIGNAL:
        called = sum(seen.call is not None for seen in signal)
        return [Figure(route, "called", 100 * called / len(signal), "%")]
    n = len(there)
    pairs = list(zip(signal, there, strict=True))
    same = sum(bool(b.scores) and a.call == b.call for a, b in pairs)
    other = sum(None not in (a.call, b.call) and a.call != b.call for a, b in pairs)
    more = sum(a.call is None and b.call is not None for a, b in pairs)
    read = [seen for seen in there if seen.scores]
    return [
        Figure(route, "read", 100 * len(read) / n, "%"),
        Figure(route, "same call, or none as well", 100 * same / n, "%"),
        Figure(route, "another call", 100 * other / n, "%"),
        Figure(route, "a call where the recording has none", 100 * more / n, "%"),
        Figure(route, "lead II off, median", float(np.median([s.off_uv for s in read])), "uV"),
        Figure(route, "CPU to read it, median", float(np.median([s.seconds for s in read])), "s"),
    ]


def _scores(seen: Sequence[Seen], group: str) -> NDArray[np.float64]:
    """[n, labels]; NaN where nothing was read."""
    width = max(len(one.scores.get(group, ())) for one in seen)
    nothing = [np.nan] * width
    return np.array([list(one.scores[group].values()) if one.scores else nothing for one in seen])


def figures(found: list[Figure]) -> list[Figure]:
    """They are figures already."""
    return found


def write_docs(found: list[Figure]) -> list[Path]:
    """Into docs/photos.md."""
    path = DOCS / "photos.md"
    write_section(path, "photo", markdown(found))
    return [path]
