"""Sizes in a config that a network can be built with."""

from __future__ import annotations

from typing import Any

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.blocks import VOLUME, Dims


def dims_of(config: Any) -> Dims:
    """Spatial dimensions of a network.

    Raises
    ------
    ConfigError
        When they are still ``auto``.
    """
    return VOLUME if number("dims", config.dims) == VOLUME else 2


def depth_of(config: Any) -> int:
    """Number of down-sampling steps; errors as `number`."""
    return number("depth", config.depth)


def filters_of(config: Any) -> int:
    """Filters of the first level; errors as `number`."""
    return number("first_filters", config.first_filters)


def flat_levels_of(config: Any) -> int:
    """Levels in the plane; models of before there were any do not say so."""
    return 0 if config.flat_levels == "auto" else int(config.flat_levels)


def number(name: str, value: int | str) -> int:
    """A size in a config.

    Raises
    ------
    ConfigError
        When it is still ``auto``, or not positive.
    """
    if isinstance(value, str) or value < 1:
        raise ConfigError(
            f"A network cannot be built with {name}={value!r}; set network.{name} to "
            "a number, or let the training plan choose it."
        )
    return value
