"""A report as paragraphs, facts, tables and pictures, whatever it is written as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.evaluation.table import column_title, format_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Table:
    """Rows of scores.

    Parameters
    ----------
    columns : tuple of str
        Titles.
    rows : tuple of tuple of str
        Cells as text.
    caption : str
        What the numbers are.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping[str, object]],
        columns: Sequence[str],
        caption: str = "",
    ) -> Table:
        """Choose columns of rows, by name; `column_title` makes their titles."""
        cells = [tuple(_cell(row[name]) for name in columns) for row in rows]
        return cls(tuple(map(column_title, columns)), tuple(cells), caption)


def _cell(value: object) -> str:
    return "µm" if value == "um" else format_value(value)


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Parameters
    ----------
    png : bytes
    caption : str
        Also said to those who cannot see it.
    """

    png: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of a report under a title.

    Parameters
    ----------
    title : str
    text : tuple of str
        Paragraphs.
    facts : tuple of (str, str)
        Names and values.
    tables : tuple of Table
    pictures : tuple of Picture
    """

    title: str
    text: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing under the title."""
        return not (self.text or self.facts or self.tables or self.pictures)


@dataclass(frozen=True)
class Document:
    """A report.

    Parameters
    ----------
    title : str
    subtitle : str
        When and with what it was made.
    sections : tuple of Section
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
