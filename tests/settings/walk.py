"""Every setting of a config class, those of all alternatives among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_segtrain.config import Config

Values = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Where a value stands in a config.

    Parameters
    ----------
    path : str
        Such as ``training.length[epochs].epochs``.
    keys : tuple of str
        Its keys.
    chosen : tuple of (tuple of str, str)
        Keys and values of the alternatives that it belongs to.
    model : type
        Class that has it.
    """

    path: str
    keys: tuple[str, ...]
    chosen: tuple[tuple[tuple[str, ...], str], ...]
    model: type[BaseModel]

    def put(self, values: Values, value: Any) -> Values:
        """Return nested values with another value of the setting."""
        return put(values, self.keys, value)

    def choose(self, values: Values) -> Values:
        """Return nested values with the alternatives that have the setting."""
        for keys, tag in self.chosen:
            if get(values, keys) != tag:
                values = put(values, keys[:-1], {keys[-1]: tag})
        return values


def get(values: Values, keys: tuple[str, ...]) -> Any:
    """Return a nested value; ``None`` where there is none."""
    for key in keys:
        values = values.get(key, {})
    return values or None


def put(values: Values, keys: tuple[str, ...], value: Any) -> Values:
    """Return a copy of nested values with one of them changed."""
    first, *others = keys
    if others:
        value = put(values.get(first, {}), tuple(others), value)
    return {**values, first: value}


def walk(model: type[Config]) -> Iterator[Setting]:
    """Every setting of a class of configs."""
    yield from _walk(model, Setting("", (), (), model), tag="")


def _walk(model: type[BaseModel], owner: Setting, *, tag: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if name == tag:
            continue
        path = f"{owner.path}.{name}" if owner.path else name
        here = Setting(path, (*owner.keys, name), owner.chosen, model)
        models = list(_models(field.annotation))
        if len(models) == 1:
            yield from _walk(models[0], here, tag="")
            continue
        yield here
        for member in models:
            key, value = _tag(member)
            yield from _walk(
                member,
                Setting(
                    f"{path}[{value}]",
                    here.keys,
                    (*here.chosen, ((*here.keys, key), value)),
                    member,
                ),
                tag=key,
            )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _models(part)


def _tag(model: type[BaseModel]) -> tuple[str, str]:
    """Field that tells an alternative from the others, and its only value."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is Literal:
            values = get_args(field.annotation)
            if values == (field.default,):
                return name, values[0]
    raise TypeError(f"{model.__name__} cannot be told from its alternatives")
