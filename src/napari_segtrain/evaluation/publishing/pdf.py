"""A document as PDF, page by page, by matplotlib."""

from __future__ import annotations

import textwrap
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image as PillowImage

from napari_segtrain.io.atomic import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    from napari_segtrain.evaluation.publishing.document import (
        Document,
        Picture,
        Section,
        Table,
    )

_WIDTH, _HEIGHT = 8.27, 11.69
_MARGIN = 0.7
_POINTS = 72
_SIZE = 9
_TITLE_SIZE = 16
_HEADING_SIZE = 12
_LINE = 1.45
_CHARACTERS = 105
_NAME_WIDTH = 1.7
_VALUE_CHARACTERS = 78
_MAX_COLUMNS = 9
_TITLE_CHARACTERS = 11
_PICTURE_DPI = 130


def write_pdf(path: Path, document: Document) -> None:
    """Write a document to a file of A4 pages, atomically."""
    from matplotlib.backends.backend_pdf import PdfPages

    with atomic_path(path) as temporary:
        stream = BytesIO()
        with PdfPages(stream, metadata={"Title": document.title}) as pages:
            writer = _Writer(pages)
            writer.write(document.title, _TITLE_SIZE)
            writer.paragraph(document.subtitle)
            for section in document.sections:
                if not section.is_empty:
                    writer.section(section)
            writer.end_page()
        temporary.write_bytes(stream.getvalue())


class _Writer:
    """Fills pages from top to bottom; lengths are in inches."""

    def __init__(self, pages: PdfPages) -> None:
        self._pages = pages
        self._page: Figure | None = None
        self._y = 0.0

    def section(self, section: Section) -> None:
        self._room(1.0)
        self._y -= 0.15
        self.write(section.title, _HEADING_SIZE)
        for text in section.text:
            self.paragraph(text)
        for name, value in section.facts:
            self._fact(name, value)
        for table in section.tables:
            self._table(table)
        self._pictures(section.pictures)

    def paragraph(self, text: str) -> None:
        for line in textwrap.wrap(text, _CHARACTERS) or [""]:
            self.write(line, _SIZE)
        self._y -= 0.06

    def write(self, text: str, size: float, x: float = 0.0) -> None:
        """Write a line of text and go below it."""
        height = size * _LINE / _POINTS
        self._room(height)
        self._put(text, size, x)
        self._y -= height

    def end_page(self) -> None:
        """Write the page that is begun, if there is one."""
        if self._page is not None:
            self._pages.savefig(self._page)  # type: ignore[no-untyped-call]
            self._page = None

    def _fact(self, name: str, value: str) -> None:
        lines = textwrap.wrap(value, _VALUE_CHARACTERS) or [""]
        self._room(_SIZE * _LINE / _POINTS)
        self._put(name, _SIZE, 0.0, color="#666666")
        for line in lines:
            self.write(line, _SIZE, _NAME_WIDTH)

    def _table(self, table: Table) -> None:
        """Write a table; one with many columns in parts that repeat the first."""
        others = range(1, len(table.columns))
        for start in range(0, len(others), _MAX_COLUMNS - 1) or (0,):
            chosen = [0, *others[start : start + _MAX_COLUMNS - 1]]
            self._titles([table.columns[n] for n in chosen])
            for row in table.rows:
                self._line([row[n] for n in chosen])
            self._y -= 0.06
        if table.caption:
            self.paragraph(table.caption)

    def _titles(self, titles: list[str]) -> None:
        """Write titles of columns, long ones in several lines, above each other."""
        parts = [textwrap.wrap(title, _TITLE_CHARACTERS) or [""] for title in titles]
        n_lines = max(map(len, parts))
        self._room((n_lines + 1) * _SIZE * _LINE / _POINTS)
        lines = [[""] * (n_lines - len(part)) + part for part in parts]
        for line in zip(*lines, strict=True):
            self._line(list(line), is_bold=True)

    def _line(self, cells: list[str], *, is_bold: bool = False) -> None:
        """Write cells: the first flush left, the others in columns flush right."""
        self._room(_SIZE * _LINE / _POINTS)
        room = _WIDTH - 2 * _MARGIN
        width = (room - _NAME_WIDTH) / max(_MAX_COLUMNS - 1, 1)
        weight = "bold" if is_bold else "normal"
        size = 0.8 * _SIZE
        self._put(_cut(cells[0], 30), size, 0.0, weight=weight)
        for number, cell in enumerate(cells[1:], start=1):
            right = _NAME_WIDTH + number * width
            self._put(_cut(cell, 15), size, right, ha="right", weight=weight)
        self._y -= size * _LINE / _POINTS

    def _pictures(self, pictures: tuple[Picture, ...]) -> None:
        room = _WIDTH - 2 * _MARGIN
        for picture in pictures:
            with PillowImage.open(BytesIO(picture.png)) as image:
                pixels = image.convert("RGB")
            width = min(pixels.width / _PICTURE_DPI, room)
            height = width * pixels.height / pixels.width
            most = _HEIGHT - 2 * _MARGIN - 0.5
            if height > most:
                width, height = width * most / height, most
            self._room(height + 0.4)
            page = self._page
            assert page is not None
            place = (
                _MARGIN / _WIDTH,
                (self._y - height) / _HEIGHT,
                width / _WIDTH,
                height / _HEIGHT,
            )
            axes = page.add_axes(place)
            axes.imshow(pixels)
            axes.set_axis_off()
            self._y -= height
            self.paragraph(picture.caption)

    def _put(self, text: str, size: float, x: float, **options: Any) -> None:
        page = self._page
        assert page is not None
        at = (_MARGIN + x) / _WIDTH, self._y / _HEIGHT
        page.text(*at, text, fontsize=size, va="top", parse_math=False, **options)

    def _room(self, height: float) -> None:
        """Begin a page when what comes does not fit on this one."""
        from matplotlib.figure import Figure

        if self._page is None or self._y - height < _MARGIN:
            self.end_page()
            self._page = Figure(figsize=(_WIDTH, _HEIGHT))
            self._y = _HEIGHT - _MARGIN


def _cut(text: str, n: int) -> str:
    return text if len(text) <= n else text[: n - 1] + "…"
