"""C's heap of this process: how much of what was freed it keeps.

A second's arrays are freed just before the next second needs as many. A heap that returns them each
time gets their pages anew, zeroed: a tenth of all processor time on the soak's bench. One that
keeps them also keeps what the largest moment took (a disk that hung, a host that lagged), for ever:
that is given back now and then, which glibc can do with its first heap only: all threads share that
one. See mallopt(3), malloc_trim(3); other C libraries are left alone.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # <malloc.h>
KEPT = 1 << 28  # bytes at the top of the heap; more than the monitor has
LARGEST = 1 << 25  # bytes of one array; glibc's own limit (64-bit)

_libc = ctypes.CDLL(None)
_glibc = hasattr(_libc, "gnu_get_libc_version")


def keep_freed() -> None:
    """From now on keep what is freed, until ``give_back``; call it before there are threads."""
    if _glibc:
        _libc.mallopt(ARENA_MAX, 1)
        _libc.mallopt(MMAP_THRESHOLD, LARGEST)
        _libc.mallopt(TRIM_THRESHOLD, KEPT)


def give_back() -> None:
    """Return the pages that hold nothing to the system; takes half a millisecond."""
    if _glibc:
        _libc.malloc_trim(0)
