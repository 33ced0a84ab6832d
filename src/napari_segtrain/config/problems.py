"""What is wrong with settings, in words for a person."""

from __future__ import annotations

import difflib
import reprlib
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_segtrain.config.base import UNKNOWN_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError

NAMED = object()
"""In place of a value that a message names."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def explain_problems(error: ValidationError, model: type[BaseModel]) -> str:
    """Say for each wrong setting where it is, what is allowed and what was met.

    Parameters
    ----------
    error : ValidationError
        As pydantic raised it.
    model : type of BaseModel
        The class whose settings were checked.
    """
    return "; ".join(
        f"{place}: {', or '.join(messages)}{_met(met)}"
        for place, (messages, met) in find_problems(error, model).items()
    )


def _met(value: Any) -> str:
    return "" if value is NAMED else f" (met {_SHORT.repr(value)})"


def find_problems(
    error: ValidationError, model: type[BaseModel]
) -> dict[str, tuple[list[str], Any]]:
    """Say for each place (such as ``training.seed``) what is allowed, and what was met.

    A place of several types has a message for each. What was met is `NAMED` where it
    is a section whose message says so.
    """
    found: dict[str, tuple[list[str], Any]] = {}
    for problem in error.errors():
        place, models = _place(problem["loc"], model)
        met = problem["input"]
        if problem["type"] == UNKNOWN_NAME:
            place, met = f"{place}.name", met.get("name")
        if problem["type"] == "value_error" and isinstance(met, dict):
            met = NAMED
        messages, _ = found.setdefault(place or "settings", ([], met))
        is_unknown = problem["type"] == "extra_forbidden"
        text = problem["msg"].removeprefix("Value error, ")
        messages.append(_unknown(place, models) if is_unknown else text)
    return found


def _unknown(place: str, models: Sequence[type[BaseModel]]) -> str:
    known = [name for model in models for name in model.model_fields]
    near = difflib.get_close_matches(place.rpartition(".")[2], known, 1)
    return f"there is no such setting{f'; is {near[0]} meant?' if near else ''}"


def _place(
    location: Sequence[str | int], model: type[BaseModel]
) -> tuple[str, list[type[BaseModel]]]:
    """Path to a setting, and the classes that it was looked for in.

    pydantic's names of the branches of a union are left out.
    """
    parts: list[str] = []
    models: list[type[BaseModel]] = [model]
    for part in location:
        chosen = [m for m in models if part in tags_of(m)] if models[1:] else []
        owners = [m for m in models if part in m.model_fields]
        if chosen:
            models = chosen
        elif owners:
            parts.append(str(part))
            models = models_of(owners[0].model_fields[str(part)].annotation)
        elif models or isinstance(part, int):
            parts.append(str(part))
            break
    return ".".join(parts), models


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
