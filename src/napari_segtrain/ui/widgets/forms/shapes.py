"""What an annotation allows, so that an editor can be chosen for it; knows no Qt."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_segtrain.config.kinds import Kinds, kinds_of


@dataclass(frozen=True)
class Flag:
    """True or false."""


@dataclass(frozen=True)
class Number:
    """A number between bounds; ``None`` is no bound."""

    is_whole: bool
    low: float | None = None
    high: float | None = None
    is_low_open: bool = False
    is_high_open: bool = False

    def allows(self, value: float) -> bool:
        """Whether a number lies within the bounds."""
        if self.low is not None and (
            value < self.low or (self.is_low_open and value == self.low)
        ):
            return False
        return self.high is None or (
            value <= self.high and not (self.is_high_open and value == self.high)
        )


@dataclass(frozen=True)
class Text:
    """Any text."""


@dataclass(frozen=True)
class File:
    """A path."""


@dataclass(frozen=True)
class Choice:
    """One of some fixed values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Numbers:
    """A fixed number of numbers, or one of some words instead."""

    parts: tuple[Number, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Items:
    """Any number of numbers or texts."""

    element: Number | Text


@dataclass(frozen=True)
class Table:
    """Texts or numbers by key."""


@dataclass(frozen=True)
class Section:
    """A config of its own."""

    model: type[BaseModel]


Shape = Flag | Number | Text | File | Choice | Numbers | Items | Table | Section | Kinds


@dataclass(frozen=True)
class Unset:
    """The value that stands for "not chosen by the user"."""

    value: Literal["auto", "none"] | None

    @property
    def text(self) -> str:
        """As it is shown."""
        return self.value or "not set"


@dataclass(frozen=True)
class FieldShape:
    """What a field of a config holds."""

    name: str
    help: str
    shape: Shape
    unset: Unset | None = None
    slider: tuple[float, float] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to choose."""
        shape = self.shape
        if isinstance(shape, Choice):
            return len(shape.values) == 1
        return isinstance(shape, Number) and (
            shape.low is not None and shape.low == shape.high
        )


def fields_of(model: type[BaseModel]) -> list[FieldShape]:
    """Describe the fields of a config class, in their order.

    Raises
    ------
    TypeError
        When a field is of a kind that no editor shows.
    """
    return [describe(name, info) for name, info in model.model_fields.items()]


def describe(name: str, info: FieldInfo) -> FieldShape:
    """Describe one field."""
    help_text = " ".join((info.description or "").split())
    options, unset = _options(info.annotation)
    kinds = kinds_of(info.annotation)
    if kinds is not None:
        return FieldShape(name, help_text, kinds, unset)
    numbers = _numbers_or_words(options, unset)
    if numbers is not None:
        return FieldShape(name, help_text, numbers)
    shape = _shape(name, options, tuple(info.metadata))
    if isinstance(shape, Choice) and unset is not None:
        shape, unset = Choice((unset.value, *shape.values)), None
    return FieldShape(name, help_text, shape, unset, _slider(info))


def _slider(info: FieldInfo) -> tuple[float, float] | None:
    """Range of the slider that the config asks for."""
    extra: Any = info.json_schema_extra
    found = extra.get("slider") if isinstance(extra, dict) else None
    return None if found is None else (float(found[0]), float(found[1]))


def _numbers_or_words(options: list[Any], unset: Unset | None) -> Numbers | None:
    """Shape of a few numbers that a word may stand for."""
    if len(options) != 2 or not _is_literal(options[1]):  # noqa: PLR2004 - a pair
        return None
    shape = _container_shape(_bare(options[0], ())[0])
    if not isinstance(shape, Numbers):
        return None
    first = (unset.value,) if unset is not None and unset.value is not None else ()
    return Numbers(shape.parts, (*first, *get_args(options[1])))


def _options(annotation: Any) -> tuple[list[Any], Unset | None]:
    """Parts of a union without ``None``, ``"auto"`` and ``"none"``.

    Other literals become one part.
    """
    parts = _union_parts(annotation)
    values = [v for part in parts if _is_literal(part) for v in get_args(part)]
    others = [p for p in parts if not _is_literal(p) and p is not types.NoneType]
    unset = Unset(None) if types.NoneType in parts else None
    if "auto" in values and (others or len(values) > 1):
        values.remove("auto")
        unset = Unset("auto")
    if values == ["none"] and others and unset is None:
        values, unset = [], Unset("none")
    if values:
        others.append(Literal[tuple(values)])
    return others, unset


def _union_parts(annotation: Any) -> list[Any]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return [p for part in get_args(annotation) for p in _union_parts(part)]
    return [annotation]


def _is_literal(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _shape(name: str, options: list[Any], metadata: tuple[Any, ...]) -> Shape:
    if len(options) == 1:
        annotation, metadata = _bare(options[0], metadata)
        shape = _simple_shape(annotation, metadata) or _container_shape(annotation)
        if shape is not None:
            return shape
    raise TypeError(f"There is no editor for the field {name!r}: {options}.")


def _bare(annotation: Any, metadata: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without `Annotated`, and what that said."""
    if get_origin(annotation) is not Annotated:
        return annotation, metadata
    inner, *notes = get_args(annotation)
    for note in notes:
        metadata += tuple(note.metadata) if isinstance(note, FieldInfo) else (note,)
    return _bare(inner, metadata)


def _simple_shape(annotation: Any, metadata: tuple[Any, ...]) -> Shape | None:
    if _is_literal(annotation):
        return Choice(get_args(annotation))
    if _is_model(annotation):
        return Section(annotation)
    simple: dict[Any, Shape] = {bool: Flag(), str: Text(), Path: File()}
    if annotation in {int, float}:
        return _number(annotation, metadata)
    return simple.get(annotation)


def _number(annotation: type, metadata: tuple[Any, ...]) -> Number:
    bounds: dict[str, float] = {}
    for note in metadata:
        for name in ("ge", "gt", "le", "lt"):
            if hasattr(note, name):
                bounds[name] = getattr(note, name)
    return Number(
        is_whole=annotation is int,
        low=bounds.get("ge", bounds.get("gt")),
        high=bounds.get("le", bounds.get("lt")),
        is_low_open="gt" in bounds,
        is_high_open="lt" in bounds,
    )


def _container_shape(annotation: Any) -> Shape | None:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return Table()
    if origin is not tuple:
        return None
    shapes = [_simple_shape(*_bare(p, ())) for p in parts if p is not Ellipsis]
    if Ellipsis in parts:
        element = shapes[0]
        return Items(element) if isinstance(element, Number | Text) else None
    numbers = tuple(shape for shape in shapes if isinstance(shape, Number))
    return Numbers(numbers) if len(numbers) == len(parts) else None
