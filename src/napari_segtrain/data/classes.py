"""From what the labels hold, and what the user says, to the class table."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

from napari_segtrain.data.label_facts import (
    LabelFacts,
    inspect_labels,
    look_like_objects,
    look_like_painted_slices,
    look_like_strokes,
)
from napari_segtrain.errors import DataError
from napari_segtrain.image import (
    MAX_CLASSES,
    ClassInfo,
    ClassTable,
    LabelImage,
    Role,
    ZeroPolicy,
    default_color,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.config import DataConfig

_IGNORE_CANDIDATE = 255


def propose_classes(
    facts: Sequence[LabelFacts],
    config: DataConfig,
    known: ClassTable | None = None,
) -> ClassTable:
    """Make the class table of a training set.

    Parameters
    ----------
    facts : sequence of LabelFacts
        One per label item.
    config : DataConfig
        What the user says of 0, of ignored values, of names and of the target.
    known : ClassTable, optional
        A table that came with the labels; gives names and colors.

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
    known: ClassTable | None = None,
) -> ClassTable:
    """Class table of label images that are only looked at; they may be empty."""
    known = known or next((labels.classes for labels in images if labels.classes), None)
    facts = [
        inspect_labels(item, image=number, name=labels.name)
        for number, labels in enumerate(images)
        for item in labels.items()
    ]
    return class_table(facts, config, known)


def class_table(
    facts: Sequence[LabelFacts], config: DataConfig, known: ClassTable | None
) -> ClassTable:
    """Class table of labels, whatever they hold; see `propose_classes`."""
    counts = _total(facts)
    ignored = _ignored_values(counts, config, known)
    is_objects = _is_objects(facts, config, known)
    if known is not None and 0 in known.unlabelled_values and config.zero == "auto":
        config = config.model_copy(update={"zero": "unlabelled"})
    zero = propose_zero(facts, config, is_objects=is_objects)
    n_zero = _n_zero(facts, zero)
    if is_objects:
        return _object_table(counts, ignored, zero, n_zero)
    rows = _rows(counts, ignored, zero, n_zero, config, known)
    return ClassTable(tuple(rows), zero=zero)


def propose_zero(
    facts: Sequence[LabelFacts], config: DataConfig, *, is_objects: bool
) -> ZeroPolicy:
    """Return what 0 means: as the user says, or as the labels look."""
    if config.zero != "auto":
        return config.zero
    if not is_objects and look_like_strokes(facts):
        return "unlabelled"
    return "painted-slices" if look_like_painted_slices(facts) else "dense"


def _total(facts: Sequence[LabelFacts]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for fact in facts:
        counts.update(fact.counts)
    return counts


def _n_zero(facts: Sequence[LabelFacts], zero: ZeroPolicy) -> int:
    """Voxels of value 0 that count as background."""
    if zero == "unlabelled":
        return 0
    total = sum(fact.counts.get(0, 0) for fact in facts)
    if zero == "dense":
        return total
    return sum(fact.n_zero_painted for fact in facts)


def _ignored_values(
    counts: Counter[int], config: DataConfig, known: ClassTable | None
) -> tuple[int, ...]:
    """255 beside 0, 1, ... without a gap is the usual mark of unlabelled voxels."""
    if config.ignore != "auto":
        return config.ignore
    marked = [value for value in known.unlabelled_values if value] if known else []
    if marked:
        return tuple(marked)
    others = sorted(value for value in counts if value != _IGNORE_CANDIDATE)
    n = len(others)
    is_run = others in (list(range(n)), list(range(1, n + 1)))
    if counts.get(_IGNORE_CANDIDATE) and is_run and 1 < n < MAX_CLASSES:
        return (_IGNORE_CANDIDATE,)
    return ()


def _is_objects(
    facts: Sequence[LabelFacts], config: DataConfig, known: ClassTable | None
) -> bool:
    if config.target != "auto":
        return config.target == "instances"
    if known is not None:
        return known.is_objects
    return not config.classes and look_like_objects(facts)


def _object_table(
    counts: Counter[int], ignored: Sequence[int], zero: ZeroPolicy, n_zero: int
) -> ClassTable:
    n_voxels = sum(n for value, n in counts.items() if value and value not in ignored)
    if zero == "unlabelled" or 0 in ignored:
        raise DataError(
            "Objects with ids need a background, but 0 counts as unlabelled; use "
            "--zero dense (or painted-slices), or --target semantic."
        )
    rows = [
        ClassInfo(0, "background", "#000000", "background", n_zero),
        ClassInfo(1, "foreground", default_color(1), "class", n_voxels),
        *_ignored_rows(counts, ignored),
    ]
    return ClassTable(tuple(rows), is_objects=True, zero=zero)


def _ignored_rows(counts: Counter[int], ignored: Sequence[int]) -> list[ClassInfo]:
    return [
        ClassInfo(value, "unlabelled", "#808080", "unlabelled", counts[value])
        for value in ignored
        if counts[value]
    ]


def _rows(
    counts: Counter[int],
    ignored: Sequence[int],
    zero: ZeroPolicy,
    n_zero: int,
    config: DataConfig,
    known: ClassTable | None,
) -> list[ClassInfo]:
    values = sorted(v for v in counts if v != 0 and v not in ignored)
    if len(values) >= MAX_CLASSES:
        raise DataError(
            f"The labels hold {len(values)} different values, more than the "
            f"{MAX_CLASSES} classes possible; if they are object ids, say "
            "--target instances."
        )
    names = _names(values, zero, config, known)
    colors = {row.value: row.color for row in known.rows} if known else {}
    rows = []
    has_zero = counts[0] > 0 and 0 not in ignored
    if has_zero and zero == "unlabelled":
        rows.append(ClassInfo(0, "unlabelled", "#808080", "unlabelled", counts[0]))
    elif has_zero and n_zero:
        name = config.classes.get(0, "background")
        rows.append(ClassInfo(0, name, "#000000", "background", n_zero))
    background = _painted_background(values, names) if zero == "unlabelled" else None
    for index, value in enumerate(values, start=1):
        role: Role = "background" if value == background else "class"
        color = colors.get(value, default_color(index))
        rows.append(ClassInfo(value, names[value], color, role, counts[value]))
    rows.sort(key=lambda row: row.role != "background")
    return rows + _ignored_rows(counts, ignored)


def _names(
    values: Sequence[int],
    zero: ZeroPolicy,
    config: DataConfig,
    known: ClassTable | None,
) -> dict[int, str]:
    names = {row.value: row.name for row in known.rows} if known else {}
    for index, value in enumerate(values):
        is_background = zero == "unlabelled" and index == 0 and len(values) > 1
        single = "foreground" if len(values) == 1 else f"class {value}"
        names.setdefault(value, "background" if is_background else single)
    return names | config.classes


def _painted_background(values: Sequence[int], names: dict[int, str]) -> int | None:
    """Among painted classes, the one that is named background, else none."""
    named = [value for value in values if names[value].lower() == "background"]
    return named[0] if named else None


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
    if len(present) > 1:
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
