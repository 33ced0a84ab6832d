"""Memory that the C library keeps after it was freed."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_SMALL = 128 << 10
_EMPTIED = 256 << 10
"""Bytes whose release makes the C library look at the end of a heap."""


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library can (glibc).

    Each thread allocates from a heap of its own, which keeps what was freed for the
    next allocation of that thread; work whose threads have ended leaves tens of
    megabytes each time. Free memory inside of the heaps is given back, and that at the
    end of the calling thread's heap. It takes about 1 ms.
    """
    library = _library()
    if library is not None:
        library.shrink_own_heap()
        library.malloc_trim(0)


@dataclass(frozen=True)
class _Library:
    """What is used of the C library."""

    malloc: Callable[[int], int]
    free: Callable[[int], None]
    malloc_trim: Callable[[int], int]
    mallopt: Callable[[int, int], int]

    def shrink_own_heap(self) -> None:
        """Cut the end of this thread's heap off, which `malloc_trim` leaves.

        The C library does so when memory is freed and the end exceeds a threshold,
        which is lowered for that. Afterwards the thresholds are where the C library's
        own rule brings them once an array of 32 MB has been freed.
        """
        self.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        self.mallopt(_M_TRIM_THRESHOLD, _SMALL)
        self.free(self.malloc(_EMPTIED))
        self.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)


@functools.cache
def _library() -> _Library | None:
    try:
        library = ctypes.CDLL(None)
        functions = library.malloc, library.free, library.malloc_trim, library.mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl; Windows
        return None
    malloc, free, trim, option = functions
    malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    free.argtypes, free.restype = [ctypes.c_void_p], None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    option.argtypes, option.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    return _Library(malloc, free, trim, option)
