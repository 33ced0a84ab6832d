"""A network as a graph that other engines can read."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import PredictionError, is_out_of_memory
from napari_segtrain.inference.folding import folded_copy
from napari_segtrain.inference.runtime import OutOfMemory
from napari_segtrain.networks.dynamo import load_dynamo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.export import ExportedProgram

    from napari_segtrain.networks import NetworkInfo

_BATCH = 2
_TOO_SLOW = {"monai.networks.nets.swin_unetr"}
_LOGGERS = ("torch.export", "torch.onnx")


class EngineRefused(Exception):
    """An engine cannot run a network, or not well.

    Parameters
    ----------
    reason : str
        Why, for people.
    """


class _Probabilities(nn.Module):
    """A network with the softmax at its end."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        probabilities: torch.Tensor = self.network(image).softmax(dim=1)
        return probabilities


def export_network(network: nn.Module, info: NetworkInfo) -> ExportedProgram:
    """Trace a network from images to probabilities, for images of any size.

    Parameters
    ----------
    network : nn.Module
        Stays as it is.
    info : NetworkInfo
        Its description.

    Raises
    ------
    EngineRefused
        When it does something that a graph cannot hold.
    """
    if any(type(part).__module__ in _TOO_SLOW for part in network.modules()):
        raise EngineRefused("its attention takes minutes to convert")
    module = _Probabilities(folded_copy(network).cpu()).eval()
    axes = list(_axes(info))
    example = torch.zeros(_BATCH, info.in_channels, *(size for size, _ in axes))
    named = {0: torch.export.Dim("n", min=1)}
    named.update({place: dim for place, (_, dim) in enumerate(axes, 2)})
    free = dict.fromkeys(named, torch.export.Dim.DYNAMIC)
    load_dynamo()
    try:
        with torch.no_grad(), quiet():
            try:  # multiples of the grid, without which some sizes cannot be solved
                return torch.export.export(module, (example,), dynamic_shapes=(named,))
            except (RuntimeError, ValueError):  # it wants other multiples
                return torch.export.export(module, (example,), dynamic_shapes=(free,))
    except Exception as error:  # of any kind, since all of torch may be on the way
        raise EngineRefused(f"it cannot be exported ({first_line(error)})") from error


def _axes(info: NetworkInfo) -> Iterator[tuple[int, Any]]:
    """Along each axis, the size of an example, and all sizes that there may be.

    Those of the examples differ from each other and from the least ones.
    """
    for axis in range(len(SPATIAL_AXES) - info.dims, len(SPATIAL_AXES)):
        grid, margin = info.grid[axis], 2 * info.prediction_margin[axis]
        least = -(-info.min_result[axis] // grid)
        steps = torch.export.Dim(SPATIAL_AXES[axis].lower(), min=max(1, least))
        dim = grid * steps if grid > 1 else steps
        yield grid * (least + 1 + axis) + margin, dim + margin if margin else dim


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out what exporters say, which is for their makers."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def failure(error: Exception, name: str) -> Exception:
    """What to raise for an error of an engine that was to run a network."""
    text = str(error)
    if isinstance(error, MemoryError) or is_out_of_memory(RuntimeError(text)):
        return OutOfMemory(text)
    return PredictionError(
        f"The engine {name} failed ({first_line(error)}); set engine to torch."
    )


def first_line(error: BaseException) -> str:
    """Begin of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
