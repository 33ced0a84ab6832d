"""Memory that the C library keeps after it was freed."""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library can (glibc).

    Each thread allocates from a heap of its own, which keeps what was freed for the
    next allocation of that thread; work whose threads have ended leaves tens of
    megabytes each time.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # macOS, musl; Windows
        return None
    trim.argtypes = [ctypes.c_size_t]
    trim.restype = ctypes.c_int
    function: Callable[[int], int] = trim
    return function
