"""What a class table says, by the user and by what is painted, without widgets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segtrain.config import DataConfig
from napari_segtrain.data.classes import class_table
from napari_segtrain.errors import DataError
from napari_segtrain.image import (
    ClassInfo,
    ClassTable,
    Role,
    ZeroPolicy,
    ZeroSetting,
    default_color,
)
from napari_segtrain.ui.classes.class_metadata import (
    CLASSES_KEY,
    plugin_metadata,
    read_class_table,
    write_class_table,
)
from napari_segtrain.ui.layers.stored_labels import StoredLabels

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari.layers import Labels

    from napari_segtrain.data.label_facts import LabelFacts

_SAID_KEY = "said"
MAX_ROWS = 64
"""Values that a table shows; more are ids of objects rather than classes."""


@dataclass(frozen=True)
class Said:
    """What the user, or whoever made the labels, says of them; the rest is found.

    Parameters
    ----------
    rows : tuple of ClassInfo
        Named, colored or added values.
    zero : ZeroSetting
        What 0 means.
    is_objects : bool, optional
        Whether values are ids of objects.
    """

    rows: tuple[ClassInfo, ...] = ()
    zero: ZeroSetting = "auto"
    is_objects: bool | None = None

    @property
    def unlabelled(self) -> tuple[int, ...]:
        """Values that are said to be no labels."""
        return tuple(row.value for row in self.rows if row.role == "unlabelled")

    def row(self, value: int) -> ClassInfo | None:
        """What is said of a value."""
        return next((row for row in self.rows if row.value == value), None)

    def with_row(self, row: ClassInfo) -> Said:
        """Say something of a value."""
        others = [other for other in self.rows if other.value != row.value]
        rows = sorted([*others, row], key=lambda info: info.value)
        return replace(self, rows=tuple(rows))

    def without(self, value: int) -> Said:
        """Say nothing of a value any more."""
        rows = (row for row in self.rows if row.value != value)
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True)
class ClassRows:
    """A class table as it is shown.

    Parameters
    ----------
    rows : tuple of ClassInfo
        One per value, 0 first; of ids of objects, one for all.
    zero : ZeroPolicy
        What 0 means, found or said.
    is_objects : bool
        Whether values are ids of objects.
    n_objects : int
        How many ids there are.
    sentence : str
        What 0 means, with the counts behind it.
    problem : str
        Why there is no table; empty when there is.
    """

    rows: tuple[ClassInfo, ...]
    zero: ZeroPolicy
    is_objects: bool = False
    n_objects: int = 0
    sentence: str = ""
    problem: str = ""


def read_said(layer: Labels) -> Said:
    """What is said of the classes of a layer; all of a table that came with it."""
    table = read_class_table(layer)
    if table is None:
        return Said()
    stored = plugin_metadata(layer).get(_SAID_KEY)
    if not isinstance(stored, dict):
        rows = tuple(
            replace(row, value=value, aliases=())
            for row in table.rows
            for value in row.all_values
        )
        return Said(rows, table.zero, table.is_objects)
    values = stored.get("values", ())
    rows = tuple(row for row in table.rows if row.value in values)
    return Said(rows, table.zero, stored.get("is_objects"))


def write_rows(layer: Labels, said: Said, shown: ClassRows) -> None:
    """Store a class table in its layer, and which part of it was said.

    A found policy for 0 is not stored: it may change with what is painted.
    """
    rows = tuple(
        row
        for row in shown.rows
        if row.value != 0 or row.role != "unlabelled" or said.zero != "auto"
    )
    entry = {
        "values": [row.value for row in said.rows],
        "is_objects": said.is_objects,
    }
    table = ClassTable(rows, shown.is_objects, said.zero)
    write_class_table(layer, table, {_SAID_KEY: entry})


def save_rows(layer: Labels) -> None:
    """Store the class table beside labels that lie in a folder."""
    if isinstance(layer.data, StoredLabels):
        plugin = plugin_metadata(layer)
        keys = (CLASSES_KEY, _SAID_KEY)
        layer.data.save({key: plugin[key] for key in keys if key in plugin})


def resolve_rows(said: Said, facts: Sequence[LabelFacts]) -> ClassRows:
    """Put what is said and what is painted together, as the training will do.

    Parameters
    ----------
    said : Said
    facts : sequence of LabelFacts
        What is in the labels, per item.
    """
    known = None
    if said.rows or said.is_objects is not None:
        known = ClassTable(said.rows, bool(said.is_objects), said.zero)
    try:
        table = class_table(facts, DataConfig(zero=said.zero), known)
    except DataError as error:
        zero: ZeroPolicy = "dense" if said.zero == "auto" else said.zero
        return ClassRows(said.rows, zero, bool(said.is_objects), problem=str(error))
    found: ZeroPolicy = "dense" if table.zero == "auto" else table.zero
    values = {value for fact in facts for value in fact.foreground_values}
    if table.is_objects:
        rows, n_objects = _object_rows(table), len(values)
    elif len(values) > MAX_ROWS:
        return ClassRows(said.rows, found, problem=_too_many(len(values)))
    else:
        rows, n_objects = _class_rows(said, table, facts), 0
    hidden = [row.value for row in rows if row.role == "unlabelled" and row.value]
    sentence = zero_sentence(facts, found, hidden)
    return ClassRows(rows, found, table.is_objects, n_objects, sentence)


def _too_many(n_values: int) -> str:
    return (
        f"The labels hold {n_values} different values, too many to be classes; if they "
        "number objects, check 'Values number objects'."
    )


def _object_rows(table: ClassTable) -> tuple[ClassInfo, ...]:
    return tuple(replace(row, aliases=()) for row in table.rows)


def _class_rows(
    said: Said, table: ClassTable, facts: Sequence[LabelFacts]
) -> tuple[ClassInfo, ...]:
    """One row per value that is painted or spoken of, and one for 0."""
    counts: Counter[int] = Counter()
    for fact in facts:
        counts.update(fact.counts)
    found = {value: row for row in table.rows for value in row.all_values}
    values = sorted({0, *counts, *(row.value for row in said.rows)})
    return tuple(
        _class_row(value, said, found.get(value), counts[value], table.zero)
        for value in values
    )


def _class_row(
    value: int,
    said: Said,
    found: ClassInfo | None,
    n_voxels: int,
    zero: ZeroSetting,
) -> ClassInfo:
    known = said.row(value) or found
    if known is None:
        name = "background" if value == 0 else f"class {value}"
        color = "#000000" if value == 0 else default_color(value)
        known = ClassInfo(value, name, color, "background" if value == 0 else "class")
    role: Role = found.role if found else known.role
    if value == 0 and zero == "unlabelled":
        role = "unlabelled"
    name = known.name
    if value == 0 and said.row(0) is None:
        name = "unlabelled" if role == "unlabelled" else "background"
    return ClassInfo(value, name, known.color, role, n_voxels)


def zero_sentence(
    facts: Sequence[LabelFacts], zero: ZeroPolicy, hidden: Collection[int] = ()
) -> str:
    """What 0 means, with the counts behind it; other values may be unlabelled, too."""
    n_labelled = sum(sum(fact.n_labelled) for fact in facts)
    n_hidden = sum(
        fact.counts[value]
        for fact in facts
        for value in hidden
        if value in fact.counts and value not in fact.unlabelled
    )
    if n_hidden:
        return _marked_sentence(facts, zero, n_hidden)
    n_slices = sum(len(fact.painted) for fact in facts)
    n_painted = sum(sum(fact.painted) for fact in facts)
    if not n_labelled:
        return "Nothing is painted yet."
    voxels = spaced(n_labelled)
    if n_slices > 1:
        where = f"{n_painted} of {n_slices} slices hold labels, {voxels} voxels"
    else:
        n_voxels = sum(sum(fact.counts.values()) for fact in facts)
        where = f"{voxels} of {spaced(n_voxels)} voxels are labelled"
    if zero == "unlabelled":
        return f"0 is unlabelled: {where}."
    if zero == "painted-slices":
        return f"0 is background in slices that hold labels only: {where}."
    return f"0 is background: {where}."


def _marked_sentence(
    facts: Sequence[LabelFacts], zero: ZeroPolicy, n_hidden: int
) -> str:
    """Sentence where a value marks what is unlabelled, as 255 often does."""
    n_voxels = sum(sum(fact.counts.values()) for fact in facts)
    n_zero = sum(fact.counts.get(0, 0) for fact in facts)
    is_open = zero == "unlabelled"
    n_labelled = n_voxels - n_hidden - (n_zero if is_open else 0)
    where = f"{spaced(n_labelled)} of {spaced(n_voxels)} voxels are labelled"
    return f"0 is {'unlabelled' if is_open else 'background'}: {where}."


def spaced(number: int) -> str:
    """Number with narrow spaces between thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def free_value(shown: ClassRows) -> int:
    """Smallest positive value without a row."""
    taken = {row.value for row in shown.rows}
    return next(value for value in range(1, len(taken) + 2) if value not in taken)
