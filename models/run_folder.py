"""What a training leaves in its folder, and how it goes on after it was cut off.

``config.json`` what was asked for; ``history.json``, ``curves.png`` how it went;
``checkpoint.weights.h5`` where it stands: weights, optimiser and ``Standing`` in one file, replaced
in one step, so that no moment leaves half of it; ``training.json`` how far it came, on what;
``final.weights.h5`` the result, of a run out of time too.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.architectures import ARCHITECTURES
from models.config import TrainConfig, TrainError, from_json
from models.distribution import chief, number
from models.views import DOSE, STRESSED

CHECKPOINT, BEST, FINAL = "checkpoint.weights.h5", "best.weights.h5", "final.weights.h5"
CONFIG, HISTORY, TRAINING, CURVES = "config.json", "history.json", "training.json", "curves.png"


@dataclass
class Standing:
    """How far a training is.

    epoch, step : done; step, of steps, of the epoch under way; losses : of its steps
    history : a row per whole epoch; took_s : seconds of training in these weights
    head_only : whether the optimiser has the last layer only; seeds : of the layers that draw
    """

    epoch: int = 0
    step: int = 0
    steps: int = 1
    losses: list[float] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    took_s: float = 0.0
    head_only: bool = False
    seeds: list[list[int]] = field(default_factory=list)


def save(out: Path, model: Any, standing: Standing) -> None:
    """Write the checkpoint."""
    write(out / CHECKPOINT, model, json.dumps(asdict(standing)))


def write(path: Path, model: Any, standing: str = "") -> None:
    """Write weights and optimiser, whole or not at all.

    Of several processes each must save, since Keras lets them meet in it; the first one's is kept.
    """
    import h5py

    part = path.with_name(f"part-{number()}.weights.h5")
    model.save_weights(part)
    with h5py.File(part, "r+") as file:
        file.attrs["standing"] = standing
        file.attrs["order"] = order(model)
    # The same weights keep their file, which is not newer than its bundle then.
    same = path.is_file() and filecmp.cmp(part, path, shallow=False)
    if chief() and not same:
        part.replace(path)
    else:
        part.unlink()


def load_weights(model: Any, path: Path) -> None:
    """Raises TrainError in one line, also of weights that would go to other layers."""
    import h5py

    try:
        with h5py.File(path) as file:
            known = file.attrs.get("order", "") == order(model)
        if known:
            model.load_weights(path)
    except (OSError, ValueError) as error:
        raise TrainError(f"{path} cannot be read ({first_line(error)}); train anew") from None
    if not known:
        raise TrainError(
            f"{path} is of a version whose layers had another order, and would be mistaken; "
            "train anew, or load it with that version"
        )


def order(model: Any) -> str:
    """SHA-256 of the layers as Keras saves them: by depth, one kind after another.

    A change that computes the same can exchange two layers of one shape, a query's and a key's,
    and Keras would load them without a word. Names count by kind from the first made.
    """
    layers = [layer for layer in model.layers if layer.weights]
    made = defaultdict(list)
    for layer in layers:
        kind, number = _kind(layer)
        made[kind].append(number)
    lines = [
        f"{kind} {sorted(made[kind]).index(number)} {[tuple(w.shape) for w in layer.weights]}"
        for layer in layers
        for kind, number in [_kind(layer)]
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _kind(layer: Any) -> tuple[str, int]:
    """What Keras names a layer by itself, and the number it counted: dense_7."""
    kind, _, number = str(layer.name).rpartition("_")
    return (kind, int(number)) if kind and number.isdecimal() else (str(layer.name), 0)


def standing(out: Path) -> Standing | None:
    """Of the checkpoint in ``out``; None without one. Raises TrainError in one line."""
    import h5py

    path = out / CHECKPOINT
    if not path.is_file():
        return None
    try:
        with h5py.File(path) as file:
            return Standing(**json.loads(file.attrs["standing"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise TrainError(
            f"{path} cannot be read ({first_line(error)}); remove it to begin anew"
        ) from None


def claim(out: Path, config: TrainConfig, digest: str, recipe: str) -> None:
    """Write config.json, or refuse a folder that holds another run."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = {
        "recipe": recipe,
        **asdict(config),
        "dose": asdict(DOSE),
        "stressed": STRESSED,
        "data_digest": digest,
    }
    path = out / CONFIG
    if path.is_file() and asdict(TrainConfig()) | read_config(out) != wanted:
        raise TrainError(f"{out} holds a run with other settings or data; choose another --out")
    path.write_text(json.dumps(wanted, indent=1) + "\n")


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run folder. Raises TrainError in one line."""
    path = run / CONFIG
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainError(
            f"{path} cannot be read ({first_line(error)}); train into a new --out"
        ) from None
    if not isinstance(config, dict) or config.get("architecture") not in ARCHITECTURES:
        raise TrainError(f"{path} is not of a training; train into a new --out")
    return {"recipe": config["architecture"], **config}  # older releases did not write it


def train_config(run: Path) -> TrainConfig:
    """The keys a run was trained with."""
    return from_json(read_config(run))


def tell(out: Path, config: TrainConfig, at: Standing, why: str, kept: int, threads: int) -> None:
    """Write training.json: how far the weights in ``final.weights.h5`` came.

    kept : the epoch that was kept, 1 = the first; 0 = as it stands
    """
    done = round(at.epoch + at.step / at.steps, 3)
    told = {
        "epochs_done": done,
        "epochs_planned": config.epochs,
        "ended": why,
        "kept_epoch": kept or done,
        "took_s": round(at.took_s, 1),
        **hardware(),
        "threads": threads,
        "precision": config.precision,
    }
    (out / TRAINING).write_text(json.dumps(told, indent=1) + "\n")


def told(run: Path) -> dict[str, Any]:
    """The training.json of a run; {} of one that has none."""
    path = run / TRAINING
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def complete(run: Path) -> bool:
    """Whether nothing is left to train."""
    return (run / FINAL).is_file() and told(run).get("ended") != OUT_OF_TIME


PLANNED, OUT_OF_TIME, WORN_OUT = "as planned", "out of time", "no better epoch any more"


def hardware() -> dict[str, Any]:
    """Where this runs: backend, devices, processor."""
    import keras

    devices: Sequence[Any] = keras.distribution.list_devices()
    return {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "devices": [str(device) for device in devices],
        "processor": processor(),
        "cores": os.cpu_count() or 0,
    }


def processor() -> str:
    """Its name, as the system has it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def first_line(error: Exception) -> str:
    """Of what it says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
