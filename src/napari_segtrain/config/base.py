"""Base class of every config and the type of values that the data decide."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

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
