"""Batch norms as part of the convolutions before them."""

from __future__ import annotations

import copy
import itertools

from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

_CONVS = (nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def folded_copy(network: nn.Module) -> nn.Module:
    """Copy a network for prediction, in evaluation mode.

    Wherever a batch norm follows a convolution in an ``nn.Sequential``, its scale and
    shift go into the weights of the convolution. Logits change by rounding only.
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    return folded


def _fold(layers: nn.Sequential) -> None:
    for place, (first, second) in enumerate(itertools.pairwise(list(layers))):
        if isinstance(first, _CONVS) and isinstance(second, _NORMS):
            layers[place] = fuse_conv_bn_eval(first, second)
            layers[place + 1] = nn.Identity()
