"""A YAML file with every setting, its default, its help and its alternatives."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_segtrain.config.kinds import models_of, tags_of
from napari_segtrain.config.plain_yaml import dump_plain_yaml

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from napari_segtrain.config.base import Config

_WIDTH = 80
_STEP = 2


def annotated_yaml(config: Config) -> str:
    """Write a config as YAML with the help of each setting as a comment above it.

    Where a section is one of several kinds, the others follow as comments with their
    settings; uncommented, they replace the lines above them.
    """
    return "\n".join(_lines(config, indent=0)) + "\n"


def _lines(config: BaseModel, indent: int) -> list[str]:
    lines: list[str] = []
    margin = " " * indent
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        lines += _comment(_help(field), indent)
        if isinstance(value, BaseModel):
            inner = indent + _STEP
            lines += [f"{margin}{name}:", *_lines(value, inner)]
            lines += _alternatives(field, value, inner)
        else:
            lines.append(f"{margin}{name}: {_scalar(config, name)}")
        if indent == 0:
            lines.append("")
    return lines


def _comment(text: str | None, indent: int, hanging: str = "") -> list[str]:
    if not text:
        return []
    margin = " " * indent + "# "
    wrapped = textwrap.wrap(
        " ".join(text.split()), _WIDTH - len(margin), subsequent_indent=hanging
    )
    return [margin + line for line in wrapped]


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    choices = [repr_choice(choice) for choice in _choices(field.annotation)]
    if len(choices) > 1:
        text += f" Choices: {', '.join(choices)}."
    return text


def repr_choice(choice: Any) -> str:
    """A choice as it is written in YAML."""
    return dump_plain_yaml(choice, is_flow=True).split("\n")[0]


def _choices(annotation: Any) -> list[Any]:
    """Fixed values that an annotation allows."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [c for part in get_args(annotation) for c in _choices(part)]


def _alternatives(field: FieldInfo, value: BaseModel, indent: int) -> list[str]:
    """Comments with the kinds that were not taken."""
    lines: list[str] = []
    others = [m for m in models_of(field.annotation) if m is not type(value)]
    for model in others:
        lines += _comment(f"Or: {_summary(model)}", indent)
        lines += [f"{' ' * indent}#   {line}" for line in _settings(model)]
    return lines


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n\n")[0]


def _settings(model: type[BaseModel]) -> list[str]:
    """Each setting of a class with its default or an example, and its help behind."""
    tags = tags_of(model)
    lines = [f"{name}: {tag}" for tag, name in tags.items()]
    for name, field in model.model_fields.items():
        if name in tags.values():
            continue
        value = field.examples[0] if field.examples else field.default
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json")
        text = dump_plain_yaml(value, is_flow=True).split("\n")[0]
        note = " ".join((field.description or "").split())
        lines.append(f"{name}: {text}  # {note}")
    return lines


def _scalar(config: BaseModel, name: str) -> str:
    value: Any = config.model_dump(mode="json", include={name})[name]
    text = dump_plain_yaml(value, is_flow=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()
