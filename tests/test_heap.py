from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest

from napari_segtrain.heap import trim_heap

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


END_OF_A_HEAP = """
import threading
import numpy as np
import psutil
from napari_segtrain.heap import trim_heap

process = psutil.Process()
held = [0, 0]

def work():
    process.memory_info()  # whose own memory is to lie before the array
    np.ones(31 << 20, np.uint8)  # smaller arrays are no longer mapped
    array = np.ones(20 << 20, np.uint8)
    held[0] = process.memory_info().rss
    del array
    trim_heap()
    held[1] = process.memory_info().rss

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(held[0] - held[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can")
def test_the_end_of_a_threads_own_heap_goes_back_too() -> None:
    """In a process of its own, where no other thread has left a heap to be reused."""
    command = [sys.executable, "-c", END_OF_A_HEAP]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 18 * MEGABYTE
