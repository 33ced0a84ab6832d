"""Rows of scores as aligned plain text and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ABSENT = "-"

_TITLES = {
    "iou": "IoU",
    "dice": "Dice",
    "mcc": "MCC",
    "ap": "AP",
    "f1": "F1",
    "pq": "PQ",
    "voi": "VOI",
    "rand": "Rand",
    "f": "F",
    "threshold": "at IoU",
}


def format_value(value: object) -> str:
    """One cell: three digits for a score, thousands separators, ``-`` for ``None``."""
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def format_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Aligned table of some columns, the first flush left and the others right.

    Parameters
    ----------
    rows : sequence of mapping
        Column name to value.
    columns : sequence of str
        Names in order; words are parted by underscores.
    """
    titles = [column_title(column) for column in columns]
    cells = [titles, *([format_value(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_join(line, widths) for line in cells)


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """CSV with the columns of the first row; ``None`` is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def column_title(column: str) -> str:
    """Words for the name of a column: ``n_truth`` is "truth"."""
    words = column.removeprefix("n_").split("_")
    return " ".join(_TITLES.get(word, word) for word in words)


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if position == 0 else cell.rjust(width)
        for position, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
