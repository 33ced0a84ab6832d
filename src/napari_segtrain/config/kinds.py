"""Settings that are one of several kinds, told apart by a word such as ``sgd``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class Kinds:
    """Classes that a setting may be of.

    Parameters
    ----------
    tag : str
        Name of the field that tells them apart.
    models : mapping of str to type of BaseModel
        The classes by the value of that field.
    """

    tag: str
    models: Mapping[str, type[BaseModel]]

    @property
    def words(self) -> str:
        """All of them: "auto, adamw or sgd"."""
        return any_of(list(self.models))

    def having(self, names: Collection[str]) -> list[str]:
        """Those that have all settings of these names."""
        return [
            word
            for word, model in self.models.items()
            if set(names) <= model.model_fields.keys()
        ]


def any_of(words: Sequence[str]) -> str:
    """Words as in "adamw, adam or sgd"."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def short_form(tag: str) -> BeforeValidator:
    """Let the word of a kind stand for it, with its usual settings.

    Parameters
    ----------
    tag : str
        Name of the field that holds the word.
    """

    def expand(value: Any) -> Any:
        return {tag: value} if isinstance(value, str) else value

    return BeforeValidator(expand)


def kinds_of(annotation: Any) -> Kinds | None:
    """Return what a setting may be of; ``None`` where there is no choice.

    Raises
    ------
    TypeError
        When a class has no field that tells it from the others.
    """
    models = models_of(annotation)
    if len(models) < 2:  # noqa: PLR2004
        return None
    tags = [(*_tag(model), model) for model in models]
    return Kinds(tags[0][1], {word: model for word, _, model in tags})


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """Config classes that an annotation allows, a union's in their order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_of(part)]


def tags_of(model: type[BaseModel]) -> dict[str, str]:
    """Words that tell a class of a union apart, and the settings that hold them."""
    return {
        str(get_args(field.annotation)[0]): name
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is Literal
        and len(get_args(field.annotation)) == 1
    }


def _tag(model: type[BaseModel]) -> tuple[str, str]:
    for word, name in tags_of(model).items():
        return word, name
    raise TypeError(f"{model.__name__} has no field that tells its kind.")


def kinds_at(model: type[BaseModel], keys: Sequence[str]) -> Kinds | None:
    """Return the kinds of the setting that keys lead to; ``None`` where it has none."""
    models, kinds = [model], None
    for key in keys:
        fields = [m.model_fields[key] for m in models if key in m.model_fields]
        if not fields:
            return None
        models = models_of(fields[0].annotation)
        kinds = kinds_of(fields[0].annotation)
    return kinds
