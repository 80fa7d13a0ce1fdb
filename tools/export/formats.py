"""Writing a study in one of the formats: what each needs, and never half a file."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from tools.export.kinds import SUFFIX, ExportError, Format
from tools.extra import HOW
from tools.study import Study
from tools.whole_file import write_whole

LIMIT_UV = 32_767  # 16 bits at 1 µV


_DATED = (Format.DICOM, Format.AECG)  # these have no way to say that the time is not known


def export(study: Study, kind: Format, path: Path) -> None:
    """Write ``study`` to ``path``, all of it or nothing.

    Raises ExportError: the study lacks what the format needs, ``path`` has not its suffix, the
    libraries of the [tools] extra are not installed; OSError: the file cannot be written.
    """
    if path.suffix.lower() != SUFFIX[kind]:  # nor is a recording, or a device, written over
        raise ExportError(f"{path} is no name for {kind}: let it end in {SUFFIX[kind]}")
    if not len(study.uv):
        raise ExportError(f"{study.name}: there are no samples to export")
    if kind in _DATED and study.began is None:
        raise ExportError(
            f"{study.name} does not say when it was recorded, which {kind} must; "
            "add --began 2026-05-17T14:03:00"
        )
    data_of: Callable[[Study], bytes]
    try:
        data_of = import_module(f"tools.export.{kind}").data_of
    except ImportError as error:
        raise ExportError(f"{kind} needs {error.name}, of the [tools] extra; {HOW}") from None
    write_whole(path, data_of(study))


def clipped(study: Study) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """The leads as int16 [n, 12] microvolts; what is beyond 32.767 mV ends there."""
    return np.clip(study.uv, -LIMIT_UV, LIMIT_UV).astype(np.int16)
