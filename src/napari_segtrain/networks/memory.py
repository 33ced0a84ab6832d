"""Memory that training a network needs, before it is built."""

from __future__ import annotations

import functools
import math
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_segtrain.networks.blocks import centered
from napari_segtrain.networks.deep_supervision import supervised
from napari_segtrain.networks.registry import build_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import NetworkConfig

_FLOAT = 4
_KEPT_PER_PARAMETER = 5 * _FLOAT
"""Weight, two moments at most, running mean, what malloc keeps of old gradients."""

_FRAGMENTATION = 1.1
"""Resident memory per byte of maps and gradients that are alive: malloc keeps blocks
that were freed. Fitted, as the next two, to all networks by ``benchmarks memory``."""

_COPIES = 2.0
"""Resident memory per byte of a volume's maps that a convolution copies."""

_BASE_BYTES = 40_000_000
"""Kernels that oneDNN compiles, stacks of threads, small blocks."""

_SURROUNDINGS = 1.7
"""Voxels that are read for a patch that is warped, per voxel of it."""

_VOLUME_AXES = 5
"""Axes of a batch of volumes."""


def estimate_training_bytes(
    config: NetworkConfig,
    patch: ZYX,
    batch: int,
    *,
    in_channels: int,
    n_classes: int,
    n_waiting: int = 0,
) -> int:
    """Estimate the memory of training in float32.

    A forward and a backward pass on torch's meta device tell how many bytes of maps and
    gradients are alive at once. Weights, moments, the running mean, batches that wait
    and, in 3D, the copies that convolutions make on processors are added. What
    Python and its libraries take, and images that are kept in memory, are not counted.
    See ``benchmarks/RESULTS.md`` for how near it is.

    Parameters
    ----------
    config : NetworkConfig
        Without ``auto`` sizes.
    patch : ZYX
        Patch in voxels.
    batch : int
        Patches per iteration.
    in_channels, n_classes : int
        Channels of image and logits.
    n_waiting : int
        Batches that are made ahead.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ConfigError
        When the config cannot be built.
    """
    passed = _live_bytes(config, patch, batch, in_channels, n_classes)
    per_voxel = in_channels * _FLOAT + 1
    read = _SURROUNDINGS * n_waiting * batch * math.prod(patch) * per_voxel
    return int(_BASE_BYTES + passed + read)


@functools.lru_cache(maxsize=64)
def _live_bytes(
    config: Any, patch: ZYX, batch: int, in_channels: int, n_classes: int
) -> int:
    with torch.device("meta"):
        network = build_network(
            config, in_channels=in_channels, n_classes=n_classes, seed=None
        )
        trained = supervised(network, config, n_classes=n_classes)
        size = patch[-config.dims :]
        image = torch.empty(batch, in_channels, *size)
        target = torch.empty(batch, *size, dtype=torch.int64)
    n_parameters = sum(weight.numel() for weight in trained.parameters())
    alive = _AliveBytes()
    with alive:
        logits = trained(image)
        levels = logits if isinstance(logits, list) else [logits]
        _loss(levels, target).backward()
    maps = image.nbytes + target.nbytes + _FRAGMENTATION * alive.peak
    copies = _COPIES * alive.most_copied
    return int(maps + copies + _KEPT_PER_PARAMETER * n_parameters)


def _loss(levels: Sequence[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
    """Something that takes as much memory as Dice + cross-entropy."""
    total = torch.zeros((), device=target.device)
    for logits in levels:
        truth = centered(target, logits.shape[2:])
        entropy = functional.cross_entropy(logits, truth)
        likely = logits.softmax(dim=1)
        hot = torch.zeros_like(likely).scatter_(1, truth[:, None], 1)
        total = total + entropy + (likely * hot).sum() / (likely + hot).sum()
    return total


class _AliveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that operations make and that are still alive.

    Attributes
    ----------
    peak : int
        Most bytes at once.
    most_copied : int
        Most bytes of maps that one convolution of volumes reads and writes; oneDNN
        works on copies of them, since volumes are not laid out as it wants.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self.most_copied = 0
        self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation and count what it makes."""
        result = func(*args, **(kwargs or {}))
        made = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
        for tensor in made:
            self._count(tensor)
        self.peak = max(self.peak, self._now)
        self.most_copied = max(self.most_copied, _copied_bytes(func, args, made))
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, n_bytes = id(storage), storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self._now += n_bytes
            weakref.finalize(storage, self._forget, key, n_bytes)

    def _forget(self, key: int, n_bytes: int) -> None:
        self._known.discard(key)
        self._now -= n_bytes


def _copied_bytes(
    func: Any, args: tuple[Any, ...], made: Sequence[torch.Tensor]
) -> int:
    """Bytes of the maps of a convolution of volumes, or of its backward pass."""
    aten = torch.ops.aten
    if func is aten.convolution.default:
        maps = [args[0], *made]
    elif func is aten.convolution_backward.default:
        maps = [args[0], args[1], made[0]]
    else:
        return 0
    return sum(t.nbytes for t in maps) if maps[0].dim() == _VOLUME_AXES else 0
