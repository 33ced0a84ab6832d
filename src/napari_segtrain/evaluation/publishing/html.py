"""A document as one HTML file that needs no other."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from napari_segtrain.io.atomic import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.evaluation.publishing.document import Document

_PACKAGE = "napari_segtrain.evaluation.publishing"


def render_html(document: Document) -> str:
    """Write a document as HTML; all text is escaped, pictures are part of it."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda png: b64encode(png).decode("ascii")
    return environment.get_template("report.html.jinja").render(document=document)


def write_html(path: Path, document: Document) -> None:
    """Write it to a file, atomically."""
    write_text(path, render_html(document))
