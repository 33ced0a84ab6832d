"""DeepEM3D, the 2D-3D hybrid network of CDeep3M."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.config import DeepEM3DConfig

GRID = 16
_RESIDUAL = 0.1
_DILATIONS = (1, 5, 11, 17, 23)
_STEM_KERNELS = {1: (1, 1), 3: (3, 2), 5: (3, 3)}
"""Width along z of the first two convolutions, by number of slices."""


class DeepEM3D(nn.Module):
    """Inception-residual encoder with multi-scale dilated transposed convolutions.

    One, three or five slices give the slice in the middle (Zeng et al. 2017,
    https://doi.org/10.1093/bioinformatics/btx188; Haberl et al. 2018,
    https://doi.org/10.1038/s41592-018-0106-z); layers are those of CDeep3M's networks
    1fm, 3fm and 5fm.

    Parameters
    ----------
    config : DeepEM3DConfig
        With a number of slices.
    in_channels, n_classes : int
        Channels of the image and of the logits.

    Raises
    ------
    ConfigError
        When the number of slices is still ``auto``.
    """

    def __init__(
        self, config: DeepEM3DConfig, *, in_channels: int, n_classes: int
    ) -> None:
        super().__init__()
        if config.slices == "auto":
            raise ConfigError(
                "A network cannot be built with slices='auto'; set network.slices to "
                "1, 3 or 5, or let the training plan choose."
            )
        self.stem = _Stem(in_channels, config.slices, config.width)
        n = functools.partial(_scaled, share=config.width)
        widths = [2 * n(96), n(384), n(1154), n(2048)]
        self.down = _Parallel(
            _conv(widths[0], n(192), 3, stride=2), _ceil_pool(), n_in=widths[0]
        )
        self.widen_a = _conv(n(192) + widths[0], widths[1], 1)
        self.stage_a = _residual_a(widths[1], n)
        self.reduce_a = _reduction_a(widths[1], n)
        self.widen_b = _conv(self.reduce_a.n_out, widths[2], 1)
        self.stage_b = _residual_b(widths[2], n)
        self.reduce_b = _reduction_b(widths[2], n)
        self.widen_c = _conv(self.reduce_b.n_out, widths[3], 1)
        self.stage_c = _residual_c(widths[3], n)
        self.heads = nn.ModuleList(
            _Head(width, n_classes, stride, dilations)
            for width, stride, dilations in zip(
                widths, (2, 4, 8, 16), [_DILATIONS] * 3 + [(1,)], strict=True
            )
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits of the slice in the middle.

        Parameters
        ----------
        image : Tensor of shape (N, C, S, Y, X)
            Slices; Y and X are multiples of 16.

        Returns
        -------
        Tensor of shape (N, K, Y, X)
        """
        stem = self.stem(image)
        first = self.stage_a(self.widen_a(self.down(stem)))
        second = self.stage_b(self.widen_b(self.reduce_a(first)))
        third = self.stage_c(self.widen_c(self.reduce_b(second)))
        scales = zip(self.heads, (stem, first, second, third), strict=True)
        logits: torch.Tensor = sum(head(features) for head, features in scales)
        return logits


class _Stem(nn.Module):
    """Slices become one map at half the resolution, then two branches."""

    def __init__(self, in_channels: int, slices: int, share: float) -> None:
        super().__init__()
        n = functools.partial(_scaled, share=share)
        first, second = _STEM_KERNELS[slices]
        pad = 1 if first > 1 else 0
        step = (2 if first > 1 else 1, 2, 2)
        self.slices = nn.Sequential(
            nn.Conv3d(in_channels, n(32), (first, 3, 3), step, (pad, 1, 1)),
            nn.BatchNorm3d(n(32)),
            nn.ReLU(inplace=True),
            nn.Conv3d(n(32), n(64), (second, 3, 3), padding=(0, 1, 1)),
            nn.BatchNorm3d(n(64)),
            nn.ReLU(inplace=True),
        )
        self.branches = _Parallel(
            nn.Sequential(_conv(n(64), n(64), 1), _conv(n(64), n(96), 3, is_last=True)),
            nn.Sequential(
                _conv(n(64), n(64), 1),
                _conv(n(64), n(64), (7, 1)),
                _conv(n(64), n(64), (1, 7)),
                _conv(n(64), n(96), 3),
            ),
            n_in=n(64),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.branches(self.slices(image).squeeze(2))
        return features


class _Parallel(nn.Module):
    """Branches whose outputs are concatenated.

    Attributes
    ----------
    n_out : int
        Channels of the output.
    """

    def __init__(self, *branches: nn.Module, n_in: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.n_out = sum(_n_out(branch, n_in) for branch in branches)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(features) for branch in self.branches], dim=1)


class _Residual(nn.Module):
    """A tenth of the branches is added to the input."""

    def __init__(self, width: int, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = _Parallel(*branches, n_in=width)
        self.mix = _conv(self.branches.n_out, width, 1, is_last=True)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        change = self.mix(self.branches(features))
        result: torch.Tensor = self.activation(features + _RESIDUAL * change)
        return result


class _Head(nn.Module):
    """Transposed convolutions of several dilations to full resolution."""

    def __init__(
        self, width: int, n_classes: int, stride: int, dilations: tuple[int, ...]
    ) -> None:
        super().__init__()
        kernel = 2 * stride
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(
                width,
                n_classes,
                kernel,
                stride,
                padding=(dilation * (kernel - 1) + 1 - stride) // 2,
                dilation=dilation,
            )
            for dilation in dilations
        )
        for up in self.ups:
            _fill_bilinear(up, stride)
        self.refine = nn.Sequential(
            nn.BatchNorm2d(n_classes),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_classes, n_classes, 3, padding=1),
            nn.BatchNorm2d(n_classes),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.refine(sum(up(features) for up in self.ups))
        return logits


def _conv(
    n_in: int,
    n_out: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    is_last: bool = False,
) -> nn.Sequential:
    """Convolution that keeps the size, batch norm and, but for the last, ReLU."""
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    layers: list[nn.Module] = [
        nn.Conv2d(
            n_in, n_out, (height, width), stride, padding=(height // 2, width // 2)
        ),
        nn.BatchNorm2d(n_out),
    ]
    return nn.Sequential(*layers, *([] if is_last else [nn.ReLU(inplace=True)]))


def _ceil_pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def _n_out(branch: nn.Module, n_in: int) -> int:
    convs = [m for m in branch.modules() if isinstance(m, nn.Conv2d)]
    return convs[-1].out_channels if convs else n_in


def _residual_a(width: int, n: Callable[[int], int]) -> _Residual:
    return _Residual(
        width,
        _conv(width, n(32), 1),
        nn.Sequential(_conv(width, n(32), 1), _conv(n(32), n(32), 3)),
        nn.Sequential(
            _conv(width, n(32), 1), _conv(n(32), n(48), 3), _conv(n(48), n(64), 3)
        ),
    )


def _residual_b(width: int, n: Callable[[int], int]) -> _Residual:
    return _Residual(
        width,
        _conv(width, n(192), 1),
        nn.Sequential(
            _conv(width, n(128), 1),
            _conv(n(128), n(160), (1, 7)),
            _conv(n(160), n(192), (7, 1)),
        ),
    )


def _residual_c(width: int, n: Callable[[int], int]) -> _Residual:
    return _Residual(
        width,
        _conv(width, n(192), 1),
        nn.Sequential(
            _conv(width, n(192), 1),
            _conv(n(192), n(224), (1, 3)),
            _conv(n(224), n(256), (3, 1)),
        ),
    )


def _reduction_a(width: int, n: Callable[[int], int]) -> _Parallel:
    return _Parallel(
        _ceil_pool(),
        _conv(width, n(384), 3, stride=2),
        nn.Sequential(
            _conv(width, n(256), 1),
            _conv(n(256), n(256), 3),
            _conv(n(256), n(384), 3, stride=2),
        ),
        n_in=width,
    )


def _reduction_b(width: int, n: Callable[[int], int]) -> _Parallel:
    return _Parallel(
        _ceil_pool(),
        nn.Sequential(_conv(width, n(256), 1), _conv(n(256), n(384), 3, stride=2)),
        nn.Sequential(_conv(width, n(256), 1), _conv(n(256), n(288), 3, stride=2)),
        nn.Sequential(
            _conv(width, n(256), 1),
            _conv(n(256), n(288), 3),
            _conv(n(288), n(320), 3, stride=2),
        ),
        n_in=width,
    )


def _scaled(n_filters: int, share: float) -> int:
    return max(2, round(n_filters * share))


def _fill_bilinear(up: nn.Module, stride: int) -> None:
    """Start a transposed convolution as bilinear interpolation, as Caffe does."""
    weight: Any = up.weight
    place = torch.arange(2 * stride, device=weight.device)
    line = 1 - (place - (stride - 0.5)).abs() / stride
    with torch.no_grad():
        weight.copy_((line[:, None] * line[None, :]).expand_as(weight))
        weight /= weight.shape[0] ** 0.5
