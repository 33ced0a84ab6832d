"""Tables of scores as an Excel workbook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Cell = str | int | float | None

_MAX_NAME = 31
_MAX_WIDTH = 40


def write_workbook(
    path: Path, sheets: Mapping[str, Sequence[Mapping[str, Cell]]]
) -> None:
    """Write a sheet for each table that has rows, atomically.

    Parameters
    ----------
    path : Path
    sheets : mapping
        Name of the sheet to its rows, which have the same columns; ``None`` is an
        empty cell. Text stays text, also when it looks like a formula.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    for name, rows in sheets.items():
        if not rows:
            continue
        sheet = book.create_sheet(name[:_MAX_NAME])
        sheet.freeze_panes = "A2"
        columns = list(rows[0])
        for number, column in enumerate(columns, start=1):
            cells = (len(str(row[column])) for row in rows[:100])
            width = min(max(len(column), *cells) + 2, _MAX_WIDTH)
            sheet.column_dimensions[get_column_letter(number)].width = width
        header = []
        for column in columns:
            cell = WriteOnlyCell(sheet, column)
            cell.font = Font(bold=True)
            header.append(cell)
        sheet.append(header)
        for row in rows:
            line = []
            for column in columns:
                cell = WriteOnlyCell(sheet, row[column])
                if isinstance(row[column], str):
                    cell.data_type = "s"
                line.append(cell)
            sheet.append(line)
    with atomic_path(path) as temporary:
        book.save(temporary)
