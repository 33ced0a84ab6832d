"""A small config of every network."""

from __future__ import annotations

from pydantic import TypeAdapter

from napari_segtrain.config import NetworkConfig
from napari_segtrain.config.network import DIMS_OF

_ADAPTER: TypeAdapter[NetworkConfig] = TypeAdapter(NetworkConfig)
_SETTINGS: dict[str, dict[str, object]] = {
    "unet": {"depth": 2, "first_filters": 8, "stem": 1},
    "unet-2.5d": {"depth": 2, "first_filters": 8, "stem": 1, "slices": 3},
    "unet-3d": {"depth": 2, "first_filters": 4},
    "segnet": {"depth": 2, "first_filters": 16},
    "deepem3d": {"width": 0.1},
    "residual-unet": {"depth": 2, "first_filters": 8},
    "dynunet": {"depth": 2, "first_filters": 8},
    "segresnet": {"first_filters": 8},
    "attention-unet": {"depth": 2, "first_filters": 8},
    "unet++": {"first_filters": 4},
    "swin-unetr": {"first_filters": 12},
    "encoder-unet": {},
}
CASES = [(name, dims) for name, all_dims in DIMS_OF.items() for dims in all_dims]


def small(name: str, dims: int, **settings: object) -> NetworkConfig:
    """A network that a test can afford."""
    values = {"name": name, "dims": dims, **_SETTINGS[name], **settings}
    if name == "deepem3d":
        values.setdefault("slices", 1 if dims == 2 else 3)
    return _ADAPTER.validate_python(values)
