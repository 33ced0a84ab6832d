"""What is wrong with settings, in words for a person."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from napari_segtrain.config.kinds import Kinds, any_of, kinds_of, models_of

if TYPE_CHECKING:
    from pydantic import ValidationError

NAMED = object()
"""In place of a value that a message names."""
_NO_SECTION = {"model_type", "model_attributes_type"}
"""Types of pydantic's errors for a value in place of settings."""
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
        where = _find(problem["loc"], model)
        place, text, met = _describe(problem, where)
        messages, _ = found.setdefault(place or "settings", ([], met))
        messages.append(text)
    return found


@dataclass(frozen=True)
class _Where:
    """Where a problem is.

    Parameters
    ----------
    place : str
        Path to the setting.
    models : sequence of type
        Classes that the setting was looked for in, or may be of.
    kinds : Kinds, optional
        What the setting, or the one that it belongs to, may be of.
    kind : str
        Which of them it belongs to.
    """

    place: str
    models: Sequence[type[BaseModel]]
    kinds: Kinds | None = None
    kind: str = ""


def _find(location: Sequence[str | int], model: type[BaseModel]) -> _Where:
    """Follow pydantic's path, which names the branches of unions, too."""
    where = _Where("", [model])
    for part in location:
        start = f"{where.place}." if where.place else ""
        owners = [m for m in where.models if part in m.model_fields]
        if where.kinds and not where.kind and part in where.kinds.models:
            models = [where.kinds.models[str(part)]]
            where = replace(where, models=models, kind=str(part))
        elif owners:
            annotation = owners[0].model_fields[str(part)].annotation
            models, kinds = models_of(annotation), kinds_of(annotation)
            where = _Where(f"{start}{part}", models, kinds)
        elif where.models or isinstance(part, int):
            return replace(where, place=f"{start}{part}")
    return where


def _describe(problem: Any, where: _Where) -> tuple[str, str, Any]:
    """Place, what is allowed there, and what was met."""
    place, met = where.place, problem["input"]
    if problem["type"] == "extra_forbidden":
        return place, _unknown(where), met
    if where.kinds and not where.kind:
        return _without_kind(where, where.kinds, met)
    if problem["type"] in _NO_SECTION and where.models:
        name = next(iter(where.models[0].model_fields))
        return place, f"it has settings of its own, such as {place}.{name}", met
    if problem["type"] == "missing":
        return place, "it has to be given", NAMED
    is_section = problem["type"] == "value_error" and isinstance(met, dict)
    text = problem["msg"].removeprefix("Value error, ")
    return place, text, NAMED if is_section else met


def _without_kind(where: _Where, kinds: Kinds, met: Any) -> tuple[str, str, Any]:
    """Describe a setting of several kinds that is of none of them."""
    place, tag = where.place, f"{where.place}.{kinds.tag}"
    if not isinstance(met, dict):
        return place, f"choose {kinds.words}", met
    if kinds.tag in met:
        noun = kinds.tag if kinds.tag == "kind" else place.rpartition(".")[2]
        text = f"there is no such {noun}; choose {kinds.words}"
        return tag, text, met[kinds.tag]
    words = any_of(kinds.having(met) or list(kinds.models))
    return place, f"set {tag} to {words} first", met


def _unknown(where: _Where) -> str:
    name = where.place.rpartition(".")[2]
    others = where.kinds.having({name}) if where.kinds else []
    if where.kinds and others:
        tag = f"{where.place.rpartition('.')[0]}.{where.kinds.tag}"
        what = f"there is no such setting of {where.kind}"
        return f"{what}; set {tag} to {any_of(others)} first"
    models = where.kinds.models.values() if where.kinds else where.models
    known = [name for model in models for name in model.model_fields]
    near = difflib.get_close_matches(name, known, 1)
    return f"there is no such setting{f'; is {near[0]} meant?' if near else ''}"
