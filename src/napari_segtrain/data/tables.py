"""Class tables that people made: what the config says over them, one from several."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassInfo, ClassTable, Role, ZeroSetting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.config import DataConfig

_ZERO_WORDS: dict[ZeroSetting, str] = {
    "auto": "what the labels suggest",
    "dense": "background everywhere (dense)",
    "painted-slices": "background in painted slices only (painted-slices)",
    "unlabelled": "not labelled (unlabelled)",
}
_ROLE_WORDS: dict[Role, str] = {
    "background": "background",
    "class": "a class",
    "unlabelled": "unlabelled",
}


@dataclass(frozen=True)
class Disagreement:
    """A difference between two class tables, as a sentence.

    Parameters
    ----------
    kind : str
        What differs: a name, a role, what 0 means, or whether values are ids.
    text : str
        For people.
    """

    kind: Literal["name", "role", "zero", "objects"]
    text: str


def disagreements(tables: Sequence[ClassTable], names: Sequence[str] = ()) -> list[str]:
    """Say how class tables differ from the first that speaks of the same thing.

    Parameters
    ----------
    tables : sequence of ClassTable
        One per label image.
    names : sequence of str
        What to call each of them.

    Returns
    -------
    list of str
        A sentence per difference: another name or role of a value, another policy for
        0, classes against objects. Colors and missing rows are none.
    """
    return [difference.text for difference in find_disagreements(tables, names)]


def find_disagreements(
    tables: Sequence[ClassTable], names: Sequence[str] = ()
) -> list[Disagreement]:
    """Differences between class tables; see `disagreements`."""
    names = names or [f"table {number}" for number in range(1, len(tables) + 1)]
    named = list(zip(names, tables, strict=True))
    values = sorted(
        {v for table in tables for row in table.rows for v in row.all_values}
    )
    rows = (d for value in values for d in _row_disagreements(value, named))
    return [*_objects_disagreements(named), *_zero_disagreements(named), *rows]


def check_agreement(tables: Sequence[ClassTable], names: Sequence[str]) -> list[str]:
    """Refuse tables that cannot hold together; return the differences that are left.

    Raises
    ------
    DataError
        When a value is, say, background in one table and a class in another.
    """
    found = find_disagreements(tables, names)
    serious = [difference for difference in found if difference.kind != "name"]
    if serious:
        raise DataError(
            f"{serious[0].text} Make the class tables agree (or say it in the config: "
            "data.zero, data.background, data.ignore, data.target)."
        )
    return [difference.text for difference in found]


def merge_tables(tables: Sequence[ClassTable]) -> ClassTable | None:
    """Make one table of several; the first that speaks of a thing decides it."""
    if not tables:
        return None
    rows: dict[int, ClassInfo] = {}
    for row in (row for table in tables for row in table.rows):
        for value in row.all_values:
            rows.setdefault(value, replace(row, value=value, aliases=(), n_voxels=0))
    zeros = (zero for zero in map(zero_setting, tables) if zero != "auto")
    return ClassTable(
        tuple(rows[value] for value in sorted(rows)),
        is_objects=tables[0].is_objects,
        zero=next(zeros, "auto"),
    )


def settle(table: ClassTable, config: DataConfig) -> ClassTable:
    """Put what a config says over a table: it wins where it is not ``auto``."""
    target = config.target
    return ClassTable(
        tuple(_settled_row(row, config) for row in _single_rows(table)),
        is_objects=table.is_objects if target == "auto" else target == "instances",
        zero=zero_setting(table) if config.zero == "auto" else config.zero,
    )


def zero_setting(table: ClassTable) -> ZeroSetting:
    """What a table says of 0, by its policy or by the row of 0."""
    if table.zero == "auto" and 0 in table.unlabelled_values:
        return "unlabelled"
    return table.zero


def role_of(table: ClassTable | None, value: int) -> Role | None:
    """What a table says that a value is; ``None`` when it says nothing."""
    row = _row_of(table, value) if table else None
    return row.role if row else None


def _single_rows(table: ClassTable) -> Iterator[ClassInfo]:
    """A row for each value, aliases included."""
    for row in table.rows:
        for value in row.all_values:
            yield replace(row, value=value, aliases=())


def _settled_row(row: ClassInfo, config: DataConfig) -> ClassInfo:
    role = row.role
    if config.background != "auto":
        is_background = row.value in config.background
        role = "background" if is_background else _unless(role, "background")
    if row.value == 0 and config.zero != "auto":
        role = "background" if role == "unlabelled" else role
    if config.ignore != "auto":
        is_ignored = row.value in config.ignore
        free = role if row.value == 0 else _unless(role, "unlabelled")
        role = "unlabelled" if is_ignored else free
    name = config.classes.get(row.value, row.name)
    return replace(row, role=role, name=name)


def _unless(role: Role, excluded: Role) -> Role:
    return "class" if role == excluded else role


def _row_of(table: ClassTable, value: int) -> ClassInfo | None:
    return next((row for row in table.rows if value in row.all_values), None)


def _zero_disagreements(
    named: Sequence[tuple[str, ClassTable]],
) -> Iterator[Disagreement]:
    said = [(name, zero_setting(table)) for name, table in named]
    said = [(name, zero) for name, zero in said if zero != "auto"]
    for name, zero in said[1:]:
        if zero != said[0][1]:
            yield Disagreement(
                "zero",
                f"0 is {_ZERO_WORDS[said[0][1]]} in {said[0][0]}, but "
                f"{_ZERO_WORDS[zero]} in {name}.",
            )


def _objects_disagreements(
    named: Sequence[tuple[str, ClassTable]],
) -> Iterator[Disagreement]:
    for (first, a), (second, b) in itertools.product(named[:1], named[1:]):
        if a.is_objects != b.is_objects:
            ids, classes = (first, second) if a.is_objects else (second, first)
            text = f"The values are ids of objects in {ids}, but classes in {classes}."
            yield Disagreement("objects", text)


def _row_disagreements(
    value: int, named: Sequence[tuple[str, ClassTable]]
) -> Iterator[Disagreement]:
    found = [(name, _row_of(table, value)) for name, table in named]
    rows = [(name, row) for name, row in found if row is not None]
    if not rows:
        return
    first, a = rows[0]
    for second, b in rows[1:]:
        if _compared_role(value, a) != _compared_role(value, b):
            yield Disagreement(
                "role",
                f"The value {value} is {_ROLE_WORDS[a.role]} in {first}, but "
                f"{_ROLE_WORDS[b.role]} in {second}.",
            )
        elif a.role == b.role != "unlabelled" and a.name != b.name:
            yield Disagreement(
                "name",
                f"The value {value} is called '{a.name}' in {first}, but '{b.name}' in "
                f"{second}.",
            )


def _compared_role(value: int, row: ClassInfo) -> Role:
    """Role of a row; whether 0 is background or unlabelled is the policy's matter."""
    is_policy = value == 0 and row.role != "class"
    return "background" if is_policy else row.role
