"""PTB-XL, packed or as published: the set that is trained on.

Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, Sci Data 2020
(PhysioNet, 1.0.3, CC BY 4.0). Folds respect patients: 1-8 train, 9 validates, and fold 10 is
never read: rows of it are dropped on loading.
"""

from __future__ import annotations

from pathlib import Path

from models.data import packed, ptbxl_published
from models.data.dataset import (
    LEADS8,
    RATE_HZ,
    SAMPLES,
    TRAIN_FOLDS,
    VALIDATION_FOLD,
    DataError,
    Dataset,
)

__all__ = [
    "CITATION",
    "LEADS8",
    "LICENCE",
    "NAME",
    "RATE_HZ",
    "SAMPLES",
    "TRAIN_FOLDS",
    "VALIDATION_FOLD",
    "DataError",
    "Dataset",
    "load",
]

NAME = "PTB-XL 1.0.3"
LICENCE = "CC BY 4.0"
CITATION = (
    "Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, 2020, "
    "https://physionet.org/content/ptb-xl/1.0.3/"
)


def load(folder: Path) -> Dataset:
    """Read folds 1-9 of the set in ``folder``: packed, or as PhysioNet publishes it.

    Raises DataError in one line.
    """
    if (folder / ptbxl_published.TABLE).is_file():
        return ptbxl_published.load(folder)
    if not list(folder.glob(f"{packed.PTBXL}.*")):
        raise DataError(
            f"{folder} holds no PTB-XL: {ptbxl_published.TABLE} is missing; docs/data.md says "
            "where to get it"
        )
    return packed.load_ptbxl(folder)
