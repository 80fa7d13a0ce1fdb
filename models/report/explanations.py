"""docs/explanations.md: where the evidence of each class lies, and whether maps tell anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.explain import CELL_MS
from models.evaluate.saliency import PARTS_MS, SPAN_MS, Aggregate
from models.report.blocks import Block, Heading, Items, Picture, Table, Text, markdown
from models.report.plots import png
from models.report.tables import number, spanned

NAME = "explanations"
COMMAND = "lead12 bench saliency [RUN] --data FOLDER --update-docs"
ALIKE, WON = 0.3, 90.0  # rank correlation with random weights at most, share of records at least


def page(networks: Sequence[Mapping[str, Any]]) -> str:
    """The page as Markdown, its pictures in pictures/ beside it."""
    return markdown(list(_blocks(networks)), "pictures")


def _blocks(networks: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    yield Heading("Explanations", 1)
    parts = ", ".join(f"{name} {a} to {b}" for name, (a, b) in PARTS_MS.items())
    yield Text(
        f"Written by `{COMMAND}`. Not a medical device. Which leads and which part of the beat "
        "speak for a superclass, over records of PTB-XL fold 9 that carry it, in cells of one lead "
        f"and {CELL_MS} ms folded onto the beat, as in ECG-SMART-NET's figure 7: shares of the "
        "leads from each record's map, then each lead normalised by itself, then the mean. Parts "
        f"of the beat, in ms from R: {parts}; *time* is what each would have of a map that is the "
        "same everywhere. A map shows what the network looks at, not what is ill. Words: "
        "[glossary](glossary.md)."
    )
    yield Text(
        "*occlusion*: the device's own, pieces taken away from the int8 network's trace (no artery "
        "is meant); "
        "*gradient*: absolute gradient of the float network's logit; *Grad-CAM* and *CAM*: of its "
        "last feature map, which mostly has no leads and is coarse. CAM is exact: it adds up to "
        "the logit. Only the device's own has to pass the checks; what the others show is told."
    )
    for network in networks:
        yield Heading(f"{network['name']} ({network['id']})")
        yield Items([sentence for name in network["methods"] for sentence in _said(network, name)])
        of_leads = {name: m for name, m in network["methods"].items() if "classes" in m}
        for name, method in of_leads.items():
            yield Heading(f"{network['name']}: {name}", 3)
            yield _shares(method)
        for picture in network["pictures"]:
            label = picture.rpartition("-")[2].upper()
            over = "the median beat, twelve leads" if of_leads else "the page"
            yield Picture(picture, f"{label}: mean map over {over}")


def _said(network: Mapping[str, Any], name: str) -> Iterator[str]:
    """What the checks and the shares of one method show, whichever way they came out."""
    method = network["methods"][name]
    checks = method["checks"]
    worst, (won, *won_span), (effect, *span) = (
        max(checks["random"]),
        checks["won"],
        checks["effect"],
    )
    held = worst <= ALIKE and 100 * won >= WON and span[0] > 0
    yield (
        f"{name}: {'holds' if held else '**does not hold**'}. Networks of random weights give maps "
        f"with a rank correlation of {worst:.2f} at most (wanted: {ALIKE} or less); without the "
        f"top 10 % of its cells {100 * won:.0f} % ({100 * won_span[0]:.0f}-{100 * won_span[1]:.0f})"
        f" of {checks['records']} records lose more than without random ones (wanted: {WON:.0f}), "
        f"{spanned(effect, span, 2)} more of log odds."
    )
    if located := method.get("infarctions"):
        facing, n = located["facing"], located["records"]
        low = located["interval"][0]
        yield (
            f"{name}, MI: V1-V4 have {facing['anterior']['anterior']:.0%} of the map in "
            f"{n['anterior']} anterior infarctions and {facing['inferior']['anterior']:.0%} in "
            f"{n['inferior']} inferior ones; II, III and aVF "
            f"{facing['anterior']['inferior']:.0%} and {facing['inferior']['inferior']:.0%}. "
            f"Their difference {'tells' if low > 0.5 else '**does not tell**'} the two apart: AUC "
            f"{spanned(located['auc'], located['interval'], 2)}."
        )
    if "classes" not in method:
        return
    parts = method["classes"]["MI"]["parts"]
    time = method["classes"]["MI"]["time"]
    more = [part for part in parts if parts[part] > time[part]]
    listed = ", ".join(f"{part} {parts[part]:.0%} of the map in {time[part]:.0%}" for part in parts)
    coarse = f" One place of its map is {method['place_ms']:.0f} ms." if not method["leads"] else ""
    *first, last = more or ["no part"]
    where = f"{', '.join(first)} and {last}" if first else last
    yield f"{name}, MI: more than its time lies in {where} ({listed}).{coarse}"


def _shares(method: Mapping[str, Any]) -> Table:
    lines = []
    for label, of in method["classes"].items():
        leads = (f"{of['leads'][lead]:.0%}" for lead in LEADS) if method["leads"] else ()
        lines.append(
            [label, str(of["records"]), *leads, *(f"{of['parts'][p]:.0%}" for p in PARTS_MS)]
        )
    time = next(iter(method["classes"].values()))["time"]
    blank = [""] * len(LEADS) if method["leads"] else []
    lines.append(["*time*", "", *blank, *(f"{time[part]:.0%}" for part in PARTS_MS)])
    return Table(["", "records", *(LEADS if method["leads"] else ()), *PARTS_MS], lines)


def figure(of: Aggregate, beat: NDArray[np.float64], label: str) -> bytes:
    """The median beat of twelve leads over the mean map, yellow to dark red, as PNG.

    beat : [samples of the map's time, 12], in any unit
    """
    return png(lambda plt: _drawn(plt, of, beat, label))


def _drawn(plt: Any, of: Aggregate, beat: NDArray[np.float64], label: str) -> Any:
    figure, axes = plt.subplots(3, 4, figsize=(9, 5.2), layout="constrained", sharex=True)
    ms = np.linspace(*SPAN_MS, len(beat), endpoint=False)
    low, high = np.nanmin(beat), np.nanmax(beat)
    most = max(float(np.nanmax(of.maps)), 1e-9)
    for lead, axis in enumerate(axes.T.ravel()):
        axis.imshow(
            of.maps[lead][None],
            extent=(*SPAN_MS, low, high),
            aspect="auto",
            cmap="YlOrRd",
            vmin=0,
            vmax=most,
        )
        axis.plot(ms, beat[:, lead], "k", lw=1)
        axis.set_title(f"{LEADS[lead]}  {number(100 * of.leads[lead], 0)} %", fontsize=8)
        axis.set_yticks([])
        axis.tick_params(labelsize=7)
    figure.suptitle(f"{label}: {of.records} records; share of the lead; ms from R", fontsize=9)
    return figure


def page_figure(mean: NDArray[np.float64], ink: NDArray[np.float64], title: str) -> bytes:
    """A mean map [h, w] under all the pages' ink [height, width], 0 to 1, as PNG."""
    return png(lambda plt: _page_drawn(plt, mean, ink, title))


def _page_drawn(plt: Any, mean: NDArray[np.float64], ink: NDArray[np.float64], title: str) -> Any:
    high, wide = ink.shape
    figure, axis = plt.subplots(figsize=(8, 0.5 + 8 * high / wide), layout="constrained")
    axis.imshow(mean, extent=(0, wide, high, 0), cmap="YlOrRd", vmin=0)
    axis.imshow(np.zeros_like(ink), alpha=np.sqrt(ink), cmap="gray", extent=(0, wide, high, 0))
    axis.set_axis_off()
    axis.set_title(title, fontsize=9)
    return figure
