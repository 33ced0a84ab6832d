"""Rows of a benchmark that takes long: written when made, and not made twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Rows:
    """A JSON Lines file to which each result is appended at once.

    Parameters
    ----------
    path : Path
        The file; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, row: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def where(self, **values: Any) -> list[dict[str, Any]]:
        """Rows that hold these values."""
        if not self._path.exists():
            return []
        rows = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [row for row in rows if values.items() <= row.items()]
