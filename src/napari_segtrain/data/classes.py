"""From what the labels hold, and what the user says, to the class table."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segtrain.config import DataConfig
from napari_segtrain.data.label_facts import (
    LabelFacts,
    inspect_labels,
    look_like_objects,
    look_like_painted_slices,
    look_like_strokes,
)
from napari_segtrain.data.tables import merge_tables, role_of, settle
from napari_segtrain.data.targets import has_only_objects
from napari_segtrain.errors import DataError
from napari_segtrain.image import (
    MAX_CLASSES,
    ClassInfo,
    ClassTable,
    LabelImage,
    ZeroPolicy,
    ZeroSetting,
    default_color,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IGNORE_CANDIDATE = 255


@dataclass(frozen=True)
class _Said:
    """What is known of the label values before they are looked at.

    Parameters
    ----------
    config : DataConfig
        What the user says; wins.
    table : ClassTable, optional
        What came with the labels, the config put over it.
    """

    config: DataConfig
    table: ClassTable | None

    @classmethod
    def of(cls, config: DataConfig, known: ClassTable | None) -> _Said:
        return cls(config, settle(known, config) if known else None)

    @property
    def zero(self) -> ZeroSetting:
        """What 0 means."""
        return self.table.zero if self.table else self.config.zero

    @property
    def is_objects(self) -> bool | None:
        """Whether values are ids of objects."""
        if self.table is not None:
            return self.table.is_objects
        target = self.config.target
        return None if target == "auto" else target == "instances"

    @property
    def background(self) -> tuple[int, ...] | None:
        """Values that are the background; `None` when nobody says so."""
        if self.config.background != "auto":
            return self.config.background
        rows = self.table.rows if self.table else ()
        return tuple(r.value for r in rows if r.role == "background") or None

    @property
    def is_zero_a_class(self) -> bool:
        """Whether 0, where it is labelled, is a class."""
        if self.config.background != "auto":
            return 0 not in self.config.background
        return role_of(self.table, 0) == "class"

    @property
    def excludes_zero(self) -> bool:
        """Whether the background is painted, and 0 is not spoken of."""
        painted = self.background or ()
        return painted != () and 0 not in painted and role_of(self.table, 0) is None

    def row(self, value: int) -> ClassInfo | None:
        """Row of a value in the table that came with the labels."""
        rows = self.table.rows if self.table else ()
        return next((row for row in rows if row.value == value), None)

    def name(self, value: int, default: str) -> str:
        """Name of a value."""
        row = self.row(value)
        return self.config.classes.get(value, row.name if row else default)

    def color(self, value: int, default: str) -> str:
        """Color of a value."""
        row = self.row(value)
        return row.color if row else default


def propose_classes(
    facts: Sequence[LabelFacts],
    config: DataConfig,
    known: ClassTable | None = None,
) -> ClassTable:
    """Make the class table of a training set.

    Only values that occur have a row. Several values of the background become one
    class, written as 0 where 0 is one of them.

    Parameters
    ----------
    facts : sequence of LabelFacts
        One per label item.
    config : DataConfig
        What the user says of 0, of the background, of ignored values, of names and of
        the target.
    known : ClassTable, optional
        A table that came with the labels; holds where the config says nothing.

    Raises
    ------
    DataError
        When nothing is labelled, or only one class.
    """
    table = class_table(facts, config, known)
    _check(table)
    return table


def describe_labels(
    images: Sequence[LabelImage],
    config: DataConfig,
    hint: ClassTable | None = None,
) -> ClassTable:
    """Class table of label images that are only looked at; they may be empty.

    Parameters
    ----------
    images : sequence of LabelImage
        Their own class tables hold.
    config : DataConfig
        What the user says.
    hint : ClassTable, optional
        Table of other labels of the same kind, for images without any; what 0 means
        is taken from it only where it is unlabelled.
    """
    known = merge_tables([labels.classes for labels in images if labels.classes])
    if known is None and hint is not None:
        known = replace(merge_tables([hint]) or hint, zero="auto")
    hidden = known_unlabelled(config, known)
    facts = [
        inspect_labels(item, image=number, name=labels.name, unlabelled=hidden)
        for number, labels in enumerate(images)
        for item in labels.items()
    ]
    return class_table(facts, config, known)


def known_unlabelled(
    config: DataConfig, known: ClassTable | None = None
) -> tuple[int, ...]:
    """Values other than 0 that are said to count nowhere."""
    if config.ignore != "auto":
        return config.ignore
    return tuple(v for v in known.unlabelled_values if v) if known else ()


def class_table(
    facts: Sequence[LabelFacts], config: DataConfig, known: ClassTable | None
) -> ClassTable:
    """Class table of labels, whatever they hold; see `propose_classes`."""
    said = _Said.of(config, known)
    counts = _total(facts)
    ignored = _ignored_values(counts, said)
    is_objects = said.is_objects
    if is_objects is None:
        is_objects = not config.classes and look_like_objects(facts)
    zero = _zero_policy(facts, said, counts, is_objects=is_objects)
    found = _Found(said, counts, ignored, zero, _n_zero(facts, zero))
    if is_objects:
        return ClassTable(tuple(_object_rows(found)), is_objects=True, zero=zero)
    return ClassTable(tuple(_rows(found)), zero=zero)


def propose_zero(
    facts: Sequence[LabelFacts], *, may_be_unlabelled: bool = True
) -> ZeroPolicy:
    """Return what 0 means, by how the labels look."""
    if may_be_unlabelled and look_like_strokes(facts):
        return "unlabelled"
    return "painted-slices" if look_like_painted_slices(facts) else "dense"


def _zero_policy(
    facts: Sequence[LabelFacts],
    said: _Said,
    counts: Counter[int],
    *,
    is_objects: bool,
) -> ZeroPolicy:
    if said.zero != "auto":
        return said.zero
    if said.excludes_zero and counts[0]:
        return "unlabelled"
    is_background = said.config.background != "auto" and 0 in said.config.background
    is_labelled = is_objects or is_background or said.is_zero_a_class
    return propose_zero(facts, may_be_unlabelled=not is_labelled)


@dataclass(frozen=True)
class _Found:
    """What is said of the labels and what is in them."""

    said: _Said
    counts: Counter[int]
    ignored: tuple[int, ...]
    zero: ZeroPolicy
    n_zero: int

    @property
    def is_zero_labelled(self) -> bool:
        """Whether 0 counts anywhere."""
        return self.zero != "unlabelled" and 0 not in self.ignored

    @property
    def painted(self) -> list[int]:
        """Values other than 0 that count, sorted."""
        return sorted(v for v in self.counts if v != 0 and v not in self.ignored)

    def n_voxels(self, values: Sequence[int]) -> int:
        """Voxels that count and have one of the values."""
        return sum(self.counts[v] if v else self.n_zero for v in values)

    def background_row(self, values: Sequence[int]) -> ClassInfo:
        """One row for all values of the background, 0 first."""
        main, *aliases = sorted(values, key=lambda value: (value != 0, value))
        name = self.said.name(main, "background")
        default = default_color(self.painted.index(main) + 1) if main else "#000000"
        color = self.said.color(main, default)
        n_voxels = self.n_voxels(values)
        return ClassInfo(main, name, color, "background", n_voxels, tuple(aliases))

    def unlabelled_rows(self) -> Iterator[ClassInfo]:
        """Rows of values that occur and count nowhere."""
        zero = [0] if self.zero == "unlabelled" and 0 not in self.ignored else []
        for value in (*zero, *self.ignored):
            if self.counts[value]:
                row = self.said.row(value)
                is_named = row is not None and row.role == "unlabelled"
                name = row.name if row and is_named else "unlabelled"
                color = row.color if row and is_named else "#808080"
                yield ClassInfo(value, name, color, "unlabelled", self.counts[value])


def _total(facts: Sequence[LabelFacts]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for fact in facts:
        counts.update(fact.counts)
    return counts


def _n_zero(facts: Sequence[LabelFacts], zero: ZeroPolicy) -> int:
    """Voxels of value 0 that count."""
    if zero == "unlabelled":
        return 0
    if zero == "dense":
        return sum(fact.counts.get(0, 0) for fact in facts)
    return sum(fact.n_zero_painted for fact in facts)


def _ignored_values(counts: Counter[int], said: _Said) -> tuple[int, ...]:
    """255 beside 0, 1, ... without a gap is the usual mark of unlabelled voxels."""
    marked = known_unlabelled(said.config, said.table)
    if said.config.ignore != "auto" or marked:
        return marked
    is_known = _IGNORE_CANDIDATE in (said.background or ())
    if is_known or role_of(said.table, _IGNORE_CANDIDATE) is not None:
        return ()
    others = sorted(value for value in counts if value != _IGNORE_CANDIDATE)
    n = len(others)
    is_run = others in (list(range(n)), list(range(1, n + 1)))
    if counts.get(_IGNORE_CANDIDATE) and is_run and 1 < n < MAX_CLASSES:
        return (_IGNORE_CANDIDATE,)
    return ()


def _object_rows(found: _Found) -> list[ClassInfo]:
    said = found.said
    background = [v for v in said.background or () if v in found.painted]
    if found.is_zero_labelled and not said.is_zero_a_class:
        background = [0, *background]
    if not background and 0 in found.ignored:
        raise DataError(
            "Objects with ids need a background, but 0 is ignored; take it out of "
            "data.ignore, or say --target semantic."
        )
    background = background or [0]
    ids = [value for value in found.painted if value not in background]
    taken = {0, *background, *found.ignored}
    value = next(number for number in itertools.count(1) if number not in taken)
    rows = said.table.rows if said.table else ()
    known = next((row for row in rows if row.role == "class"), None)
    name = known.name if known else "foreground"
    name = said.config.classes.get(value, name)
    color = known.color if known else default_color(1)
    return [
        found.background_row(background),
        ClassInfo(value, name, color, "class", found.n_voxels(ids)),
        *(row for row in found.unlabelled_rows() if row.value not in background),
    ]


def _rows(found: _Found) -> list[ClassInfo]:
    said, painted = found.said, found.painted
    if len(painted) >= MAX_CLASSES:
        raise DataError(
            f"The labels hold {len(painted)} different values, more than the "
            f"{MAX_CLASSES} classes possible; if they are object ids, say "
            "--target instances."
        )
    names = _names(found)
    has_zero = found.is_zero_labelled and found.n_zero > 0
    background = _painted_background(found, names)
    if has_zero and not said.is_zero_a_class:
        background = [0, *background]
    rows = []
    if background:
        row = found.background_row(background)
        rows.append(replace(row, name=names.get(row.value, row.name)))
    values = [0, *painted] if has_zero else painted
    for value in values:
        if value not in background:
            index = painted.index(value) + 1 if value else 0
            color = said.color(value, default_color(index))
            count = found.n_voxels([value])
            rows.append(ClassInfo(value, names[value], color, "class", count))
    return [*rows, *found.unlabelled_rows()]


def _names(found: _Found) -> dict[int, str]:
    """Names of the values that are painted, and of 0."""
    said, values = found.said, found.painted
    zero = "class 0" if said.is_zero_a_class else "background"
    names = {0: said.name(0, zero)}
    is_open = found.zero == "unlabelled" and said.background is None
    for index, value in enumerate(values):
        is_background = is_open and index == 0 and len(values) > 1
        is_said = value in (said.background or ())
        single = "foreground" if len(values) == 1 else f"class {value}"
        default = "background" if is_background or is_said else single
        names[value] = said.name(value, default)
    return names


def _painted_background(found: _Found, names: dict[int, str]) -> list[int]:
    """Painted values that are the background: as is said, or by their name."""
    said = found.said
    if said.background is not None:
        return [value for value in found.painted if value in said.background]
    if found.zero != "unlabelled":
        return []
    free = [value for value in found.painted if said.row(value) is None]
    return [value for value in free if names[value].lower() == "background"][:1]


_NO_LABELS = (
    "The labels are empty: every voxel is 0 or unlabelled; paint at least two classes, "
    "or check that the right files were given."
)


def _check(table: ClassTable) -> None:
    for first, second in itertools.combinations(table.classes, 2):
        if first.name == second.name:
            raise DataError(
                f"Two classes have the name '{first.name}': the values {first.value} "
                f"and {second.value}; give each its own with --classes."
            )
    present = [row for row in table.classes if row.n_voxels]
    if not any(row.value for row in present):
        raise DataError(_NO_LABELS)
    if len(present) > 1 or (present and has_only_objects(table)):
        return
    row = present[0]
    hint = (
        f"paint some of the background as well ({row.value} is all there is, since 0 "
        "counts as unlabelled; --zero dense makes 0 the background)"
        if table.zero == "unlabelled"
        else "label a second class, or leave background as 0"
    )
    raise DataError(
        f"The labels hold one class only, '{row.name}' (value {row.value}, "
        f"{row.n_voxels} voxels); {hint}."
    )
