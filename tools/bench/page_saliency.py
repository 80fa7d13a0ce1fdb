"""What a network that reads pages looks at: Grad-CAM over the page, as Ao & He did (figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.inputs import InputContract
from firmware.page import PAPER
from models.architectures import ARCHITECTURES
from models.data.forms import stands_for
from models.evaluate.saliency import Relevance, Tensor, checked, deletion, likeness
from models.explain.grad_cam import grad_cam
from models.explain.methods import GRAD_CAM
from models.groups import OUTPUTS
from models.report.explanations import page_figure
from models.run_folder import read_config
from models.train import Progress, load_network, predict, quiet_keras
from tools.bench.evidence import CHECKED, RANDOM, column

BATCH = 5


def page_maps(
    name: str,
    run: Path,
    contract: InputContract,
    classes: Mapping[str, Sequence[Tensor]],
    say: Progress,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Checks of Grad-CAM on the float network of a run, and a picture per class.

    Random places are those with ink on them: an empty one has nothing to lose.
    """
    keras = quiet_keras()
    network = load_network(run)
    others = []
    for seed in range(RANDOM):
        keras.utils.set_random_seed(seed)
        others.append(ARCHITECTURES[read_config(run)["architecture"]](OUTPUTS, contract.samples))
    pictures, lost = {}, []
    alike: list[list[float]] = [[] for _ in others]
    for at, (label, pages) in enumerate(classes.items()):
        say(f"{name}: {GRAD_CAM}, {label}", at, len(classes))
        maps = _maps(network, pages, label, contract)
        some = pages[:CHECKED]
        for values, other in zip(alike, others, strict=True):
            values += map(likeness, maps, _maps(other, some, label, contract))

        def scores(spoiled: Sequence[Tensor], label: str = label) -> NDArray[np.float64]:
            return predict(network, np.stack(spoiled), contract)[:, column(label)].astype(float)

        inked = partial(places_with_ink, places=maps[0].shape)
        lost.append(deletion(scores, some, maps[: len(some)], without_places, inked))
        ink = np.mean([page[:, :, 0] != PAPER for page in pages], axis=0)
        mean = np.mean([one / max(float(one.max()), 1e-12) for one in maps], axis=0)
        pictures[f"saliency-{name}-grad-cam-{label.lower()}"] = page_figure(
            mean, ink, f"{label}: {len(pages)} records"
        )
    return {GRAD_CAM: {"page": True, "checks": checked(alike, lost)}}, pictures


def places_with_ink(page: Tensor, places: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which places of a map, [h, w], have ink of a page int8 [height, width, 1] on them."""
    found = np.zeros(places, np.bool_)
    np.logical_or.at(found, _place_of(page, places), page[:, :, 0] != PAPER)
    return found


def without_places(page: Tensor, cut: NDArray[np.bool_]) -> Tensor:
    """The page with paper over the marked places of its map."""
    out = page.copy()
    out[cut[_place_of(page, cut.shape)]] = PAPER
    return out


def _place_of(page: Tensor, places: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of each pixel: row and column of the map, to index it with."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(page.shape, places, strict=False))
    return rows[:, None], columns[None]


def _maps(
    network: Any, pages: Sequence[Tensor], label: str, contract: InputContract
) -> list[Relevance]:
    found: list[Relevance] = []
    for start in range(0, len(pages), BATCH):
        shown = stands_for(np.stack(pages[start : start + BATCH]), contract)
        found += list(grad_cam(network, shown, column(label)))
    return found
