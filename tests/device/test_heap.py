"""What the heap keeps of freed memory, and gives back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from device import heap

# A second's arrays, of which a little survives, as a record's index or a message does.
SAYS = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from device import heap

def rss_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

def use():
    held = [bytearray(b"x" * 200_000) for _ in range(250)]  # 50 MB
    kept.append(bytearray(3000))
    return rss_mb()

kept = []
heap.keep_freed()
before = rss_mb()
with ThreadPoolExecutor(1) as pool:
    full = pool.submit(use).result() if sys.argv[1] == "in a thread" else use()
    after = rss_mb()
heap.give_back()
print(json.dumps([full - before, after - before, rss_mb() - before]))
"""


@pytest.mark.native("QEMU keeps what a heap gives back")
@pytest.mark.skipif(not heap._glibc, reason="not glibc's heap")
@pytest.mark.parametrize("where", ["in the main thread", "in a thread"])
def test_what_is_freed_is_kept_until_it_is_given_back(where: str) -> None:
    command = [sys.executable, "-c", SAYS, where]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    full, after, given_back = json.loads(done.stdout)
    assert full > 45
    assert after > 45
    assert given_back < 5


def test_another_heap_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_glibc", False)
    monkeypatch.setattr(heap, "_libc", None)
    heap.keep_freed()
    heap.give_back()
