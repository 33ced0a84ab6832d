"""Weights of one network in another that has other channels or classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from napari_segtrain.config import NetworkConfig
from napari_segtrain.networks.registry import build_network

Source = Sequence[int | None]
"""For each channel or class of the new network, the one of the old; ``None``: new."""


@dataclass(frozen=True)
class Graft:
    """Which channels and classes of a network go where in another.

    Parameters
    ----------
    config : NetworkConfig
        Architecture of both.
    old_channels, old_classes : int
        Of the network that the weights come from.
    channels, classes : sequence of int or None
        For each of the new network, its number in the old one, or ``None``.
    """

    config: NetworkConfig
    old_channels: int
    old_classes: int
    channels: Source
    classes: Source

    @property
    def is_identical(self) -> bool:
        """Whether nothing moves."""
        return tuple(self.channels) == tuple(range(self.old_channels)) and tuple(
            self.classes
        ) == tuple(range(self.old_classes))


def transplant(
    graft: Graft,
    old: Mapping[str, torch.Tensor],
    new: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Fill a state dict from that of a network with other channels or classes.

    Weights that see neither image nor logits are taken over. Of the others, each class
    and each channel takes those of the one that it corresponds to. A new class keeps
    its first weights. A new channel begins at 0, so that the network sees what it saw
    before; when no channel corresponds to any, all take the mean of the old ones.

    Parameters
    ----------
    graft : Graft
        What corresponds to what.
    old : mapping of str to Tensor
        Weights of the old network.
    new : mapping of str to Tensor
        First weights of the new one.

    Returns
    -------
    dict of str to Tensor
        State dict of the new network.
    """
    sizes = graft.old_channels, graft.old_classes
    shapes = _shapes(graft.config, *sizes)
    more_channels = _shapes(graft.config, sizes[0] + 1, sizes[1])
    more_classes = _shapes(graft.config, sizes[0], sizes[1] + 1)
    result = {}
    for name, first in new.items():
        value = old[name].to(first.device)
        for axis in _grown(shapes[name], more_channels[name]):
            value = _with_channels(value, axis, graft)
        class_axes = _grown(shapes[name], more_classes[name])
        result[name] = _with_classes(value, first, class_axes, graft)
    return result


def channel_weights(graft: Graft) -> set[str]:
    """Names of the weights that see the channels of the image."""
    sizes = graft.old_channels, graft.old_classes
    shapes = _shapes(graft.config, *sizes)
    larger = _shapes(graft.config, sizes[0] + 1, sizes[1])
    return {name for name, shape in shapes.items() if shape != larger[name]}


def _shapes(
    config: NetworkConfig, n_channels: int, n_classes: int
) -> dict[str, torch.Size]:
    with torch.device("meta"):
        network = build_network(
            config, in_channels=n_channels, n_classes=n_classes, seed=None
        )
    return {name: value.shape for name, value in network.state_dict().items()}


def _grown(shape: torch.Size, larger: torch.Size) -> list[int]:
    pairs = zip(shape, larger, strict=True)
    return [axis for axis, (a, b) in enumerate(pairs) if a != b]


def _with_classes(
    value: torch.Tensor, first: torch.Tensor, axes: Sequence[int], graft: Graft
) -> torch.Tensor:
    """Rows of the classes along all axes; those of new ones are the first weights."""
    if not axes:
        return value
    axis, *rest = axes
    block = value.shape[axis] // graft.old_classes
    pairs = [
        (n, source) for n, source in enumerate(graft.classes) if source is not None
    ]
    places = _places([n for n, _ in pairs], block, value.device)
    sources = _places([old for _, old in pairs], block, value.device)
    taken = value.index_select(axis, sources)
    inner = _with_classes(taken, first.index_select(axis, places), rest, graft)
    return first.index_copy(axis, places, inner)


def _with_channels(value: torch.Tensor, axis: int, graft: Graft) -> torch.Tensor:
    block = value.shape[axis] // graft.old_channels
    pairs = [
        (n, source) for n, source in enumerate(graft.channels) if source is not None
    ]
    if not pairs:
        split = value.unflatten(axis, (graft.old_channels, block))
        mean = split.mean(dim=axis) * graft.old_channels / len(graft.channels)
        return torch.cat([mean] * len(graft.channels), dim=axis)
    shape = list(value.shape)
    shape[axis] = len(graft.channels) * block
    sources = _places([old for _, old in pairs], block, value.device)
    taken = value.index_select(axis, sources)
    places = _places([n for n, _ in pairs], block, value.device)
    return value.new_zeros(shape).index_copy(axis, places, taken)


def _places(numbers: Sequence[int], block: int, device: torch.device) -> torch.Tensor:
    """Rows of channels or classes that have ``block`` rows each."""
    rows = np.array(numbers, np.int64)[:, None] * block + np.arange(block)
    return torch.from_numpy(rows.ravel()).to(device)
