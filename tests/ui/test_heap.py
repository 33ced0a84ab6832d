from __future__ import annotations

import sys
import threading

import numpy as np
import psutil
import pytest

from napari_segtrain.ui.heap import trim_heap

MEGABYTE = 1 << 20


def resident() -> int:
    return psutil.Process().memory_info().rss


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can")
def test_freed_memory_goes_back_to_the_system() -> None:
    """Blocks that are too small to be mapped, and one that keeps the heap's end."""
    blocks: list[np.ndarray] = []

    def allocate() -> None:
        blocks.extend(np.ones(64 << 10, np.uint8) for _ in range(1600))

    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    last = blocks.pop()
    full = resident()
    blocks.clear()
    trim_heap()
    assert full - resident() > 80 * MEGABYTE
    assert last.all()
