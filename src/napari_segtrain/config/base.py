"""Base class of every config and the type of values that the data decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Collection

Auto = Literal["auto"]
"""The plan chooses, from the data and the device."""


UNKNOWN_NAME = "unknown_name"
"""Type of pydantic's error for a section that is of no known kind."""


class Config(BaseModel):
    """Frozen settings; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


C = TypeVar("C", bound=Config)


def only_asked(config: C, names: Collection[str]) -> C:
    """Mark which settings of a config were asked for: its ``model_fields_set``.

    Parameters
    ----------
    config : Config
        Settings without parts of their own, such as a network's.
    names : collection of str
        Settings that were asked for; the others have the values of their defaults.
    """
    values = config.model_dump(include=set(names))
    return type(config).model_validate(values)
