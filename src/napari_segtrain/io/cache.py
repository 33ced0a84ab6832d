"""Recently decoded pieces of compressed files, shared by all readers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy.typing as npt

MAX_BYTES = 128 << 20


class BlockCache:
    """Decoded blocks, least recently used ones dropped first; thread-safe.

    Training reads many patches from the same strip or picture; without a cache each
    patch would decode it again.

    Parameters
    ----------
    max_bytes : int
        Upper bound of what is kept; larger blocks are never kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._blocks: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, key: Hashable, decode: Callable[[], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """Return the block of ``key``, read-only, decoded now unless it is kept."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = decode().view()
        block.flags.writeable = False
        self._keep(key, block)
        return block

    def _keep(self, key: Hashable, block: npt.NDArray[Any]) -> None:
        if block.nbytes > self._max_bytes:
            return
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = block
                self._n_bytes += block.nbytes
            while self._n_bytes > self._max_bytes:
                self._n_bytes -= self._blocks.popitem(last=False)[1].nbytes


CACHE = BlockCache()
"""The cache of this process."""
