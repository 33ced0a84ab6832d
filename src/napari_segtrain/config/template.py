"""A YAML file with every setting, its default and its help."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

if TYPE_CHECKING:
    from napari_segtrain.config.base import Config

_WIDTH = 80


def annotated_yaml(config: Config) -> str:
    """Write a config as YAML with the help of each setting as a comment above it."""
    return "\n".join(_lines(config, indent=0)) + "\n"


def _lines(config: BaseModel, indent: int) -> list[str]:
    lines: list[str] = []
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        lines += _comment(field.description, indent)
        if isinstance(value, BaseModel):
            lines += [" " * indent + f"{name}:", *_lines(value, indent + 2)]
        else:
            lines.append(" " * indent + f"{name}: {_scalar(config, name)}")
        if indent == 0:
            lines.append("")
    return lines


def _comment(text: str | None, indent: int) -> list[str]:
    if not text:
        return []
    margin = " " * indent + "# "
    wrapped = textwrap.wrap(" ".join(text.split()), _WIDTH - len(margin))
    return [margin + line for line in wrapped]


def _scalar(config: BaseModel, name: str) -> str:
    value: Any = config.model_dump(mode="json", include={name})[name]
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...").strip()
