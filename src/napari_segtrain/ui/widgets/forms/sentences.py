"""What is wrong with a form, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_segtrain.config.problems import find_problems
from napari_segtrain.ui.widgets.forms.words import label_of, title_of, value_text

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_SHOULD = "Input should be "
_SHORTER = {"greater than or equal to": "at least", "less than or equal to": "at most"}
_COUNT = "Tuple should have "


def first_problem(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """Return the first setting that is wrong: its path, and the sentence about it."""
    place, (messages, met) = next(iter(find_problems(error, model).items()))
    parts = [part for part in place.split(".") if not part.isdigit()]
    path, name = ".".join(parts), parts[-1]
    text = messages[0]
    if text.startswith(_SHOULD):
        allowed = [_plain(message) for message in messages]
        return path, f"The {label_of(name)} must be {_join(allowed)}, not {_met(met)}."
    if text.startswith(_COUNT):
        count = text.removeprefix(_COUNT).replace(" after validation", "")
        return path, f"The {label_of(name)} must have {count}."
    return path, f"{title_of(name)}: {text}."


def _plain(message: str) -> str:
    text = message.removeprefix(_SHOULD).replace("'", "")
    for long, short in _SHORTER.items():
        text = text.replace(long, short)
    return text


def _join(allowed: list[str]) -> str:
    return " or ".join(dict.fromkeys(allowed))


def _met(value: Any) -> str:
    if value is None or value == "":
        return "empty"
    return value_text(value) if isinstance(value, int | float | tuple) else repr(value)
