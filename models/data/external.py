"""Any set that is for evaluation only: which reader a folder wants."""

from __future__ import annotations

from pathlib import Path

from models.data import chapman, cinc, ludb, packed
from models.data.dataset import DataError, Recordings


def load(folder: Path) -> Recordings:
    """The records of ``folder``, whatever form they are in. Raises DataError in one line.

    ``ecg_500hz.h5`` and ``.csv``; LUDB; Chapman-Shaoxing's Diagnostics.csv; WFDB records of the
    CinC Challenges 2020 and 2021. See docs/data.md.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder")
    if (folder / "ptbxl_database.csv").is_file():
        raise DataError(f"{folder} is PTB-XL, which is trained on; give another source")
    if (folder / f"{packed.EXTERNAL}.csv").is_file():
        return packed.load_external(folder)
    if (folder / chapman.TABLE).is_file():
        return chapman.load(folder)
    if (folder / "ludb.csv").is_file():
        return ludb.load(folder)
    return cinc.load(folder)
