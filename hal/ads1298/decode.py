"""Frames off the wire to blocks of samples: what every source of ADS1298 frames has in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import wiring
from hal.ads1298.frame import FRAME_BYTES, is_frame, unpack
from hal.errors import FrontendError, Reason
from hal.frontend import Electrode, FrameBlock

BAD_FRAMES_MAX = 8  # so many in a row are no accident
_RL_BIT = np.uint16(1 << Electrode.RL)


class FrameDecoder:
    """Of one run of conversions.

    A frame without 1100 is dropped and counted as lost; eight in a row are BAD_STATUS.
    failure : what ends the run, behind the blocks that are here already
    """

    def __init__(self) -> None:
        self.failure: FrontendError | None = None
        self._pending: list[FrameBlock] = []
        self._next_index = 0
        self._bad_run = 0

    def push(
        self,
        index: NDArray[np.int64],
        t_ns: NDArray[np.int64],
        frames: bytes,
        *,
        rl_off: bool = False,
    ) -> None:
        """Take whole frames with their sample indices and times, both [n], n >= 1.

        Those below index 0 are not settled and dropped. rl_off : RLD_STAT, in no frame
        """
        settled = np.count_nonzero(index < 0)  # the first row that is
        index, t_ns = index[settled:], t_ns[settled:]
        status, counts = unpack(frames[settled * FRAME_BYTES :])
        good = is_frame(status)
        if good.all():
            self._bad_run = 0
        else:
            stop = self._count_bad(good, status)
            good[stop:] = False
            index, t_ns, counts, status = index[good], t_ns[good], counts[good], status[good]
        if not len(index):
            return
        off = wiring.electrodes_off(status)
        if rl_off:
            off |= _RL_BIT
        jumps = (np.flatnonzero(index[1:] - index[:-1] != 1) + 1).tolist()
        for a, b in zip([0, *jumps], [*jumps, len(index)], strict=True):
            first = int(index[a])
            self._pending.append(
                FrameBlock(
                    first_index=first,
                    t_ns=t_ns[a:b],
                    counts=counts[a:b],
                    status=status[a:b],
                    electrodes_off=off[a:b],
                    lost_before=first - self._next_index,
                )
            )
            self._next_index = first + b - a

    def pop(self, max_frames: int) -> FrameBlock | None:
        """The next 1..max_frames consecutive samples; None when frames are to be pushed first.

        Raises FrontendError, the ``failure``, when nothing is before it.
        """
        if not self._pending:
            if self.failure is not None:
                raise self.failure
            return None
        block = self._pending.pop(0)
        if len(block) > max_frames:
            block, rest = _split(block, max_frames)
            self._pending.insert(0, rest)
        return block

    def _count_bad(self, good: NDArray[np.bool_], status: NDArray[np.uint32]) -> int:
        """Row at which too many bad frames have come in a row, or the number of rows."""
        for row, ok in enumerate(good.tolist()):
            self._bad_run = 0 if ok else self._bad_run + 1
            if self._bad_run == BAD_FRAMES_MAX:
                self.failure = FrontendError(
                    Reason.BAD_STATUS,
                    f"{BAD_FRAMES_MAX} frames in a row do not begin with 1100 "
                    f"(status 0x{int(status[row]):06X})",
                    act="check SCLK and MISO, then restart",
                )
                return row
        return len(good)


def _split(block: FrameBlock, n: int) -> tuple[FrameBlock, FrameBlock]:
    """The first ``n`` samples of ``block`` and the rest."""
    head, tail = (
        FrameBlock(
            block.first_index + part.start,
            block.t_ns[part],
            block.counts[part],
            block.status[part],
            block.electrodes_off[part],
            lost,
        )
        for part, lost in ((slice(0, n), block.lost_before), (slice(n, len(block)), 0))
    )
    return head, tail
