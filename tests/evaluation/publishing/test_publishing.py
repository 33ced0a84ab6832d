"""Reports as people open them: HTML, PDF and Excel of a real evaluation."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import openpyxl
import PIL.Image
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.evaluation.publishing.contents import describe_report
from napari_segtrain.evaluation.publishing.document import Document, Section, Table
from napari_segtrain.evaluation.publishing.excel import write_workbook
from napari_segtrain.evaluation.publishing.html import render_html
from napari_segtrain.evaluation.publishing.pdf import write_pdf
from napari_segtrain.image import Image
from napari_segtrain.workflows.reports import (
    ReportContext,
    data_facts,
    make_document,
    workbook_sheets,
    write_reports,
)
from napari_segtrain.workflows.running import run

CLASSES = class_table("my<elin>", "axon", ignored=255)
CONFIG = EvaluationConfig(objects=True, boundaries=True, center_distance=3)


class Reader(HTMLParser):
    """Collects what a page shows, and checks that its tags are closed."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.headings, self.pictures = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        elif self.open and self.open[-1] in {"td", "th", "dd", "p"}:
            self.cells.append(data)


def pairs():
    rng = np.random.default_rng(0)
    found = []
    for name in ("first", "second"):
        truth = np.kron(rng.integers(0, 3, (3, 6, 7)), np.ones((1, 5, 5), int))
        predicted = np.where(rng.random(truth.shape) < 0.1, 1, truth)
        maps = np.stack([predicted == c for c in range(3)]) * 0.8 + 0.1
        found.append(
            LabelPair(
                name,
                label_image(truth.astype(np.uint8), voxel_size=(0.05, 0.01, 0.01)),
                label_image(predicted.astype(np.uint8)),
                Image(maps.astype(np.float32), "CZYX"),
            )
        )
    return found


@pytest.fixture(scope="module")
def report():
    return run(iter_evaluation(pairs(), classes=CLASSES, config=CONFIG))


def test_a_page_shows_every_score_and_needs_no_other_file(report):
    text = render_html(describe_report(report, facts={"Data": {"Images": "a & b"}}))
    page = Reader(text)
    assert page.headings == [
        *("Scores", "Images", "Slices", "Objects", "Objects as a whole"),
        *("Centers", "Boundaries", "Probabilities", "Data"),
    ]
    assert f"{report.iou:.3f}" in page.cells
    assert "my<elin>" in page.cells
    assert "a & b" in page.cells
    assert not re.search(r"https?://|<script|<link|url\(", text)
    assert len(page.pictures) == 5
    for picture in page.pictures:
        kind, data = picture["src"].split(",")
        assert kind == "data:image/png;base64"
        with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert np.asarray(image.convert("L")).std() > 5, "something is drawn"
        assert picture["alt"]


def test_html_in_names_stays_text():
    table = Table(("<b>name</b>",), (("<script>alert(1)</script>",),))
    section = Section("<i>title</i>", ("a < b & c",), tables=(table,))
    text = render_html(Document("<h1>", "<p>", (section,)))
    assert "<script>" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;" in text


def test_sections_without_contents_are_left_out():
    text = render_html(Document("a", "b", (Section("empty"), Section("full", ("x",)))))
    assert Reader(text).headings == ["full"]


def test_pdf_has_pages_for_everything(report, tmp_path):
    document = describe_report(report)
    write_pdf(tmp_path / "report.pdf", document)
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"%%EOF" in content[-32:]
    n_pages = len(re.findall(rb"/Type /Page\b", content))
    assert n_pages >= 2
    n_pictures = sum(len(section.pictures) for section in document.sections)
    assert len(re.findall(rb"/Subtype /Image", content)) >= n_pictures
    short = Document("a", "b", (Section("c", ("one line",)),))
    write_pdf(tmp_path / "short.pdf", short)
    short_content = (tmp_path / "short.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", short_content)) == 1
    assert [path.name for path in tmp_path.iterdir()].count("report.pdf") == 1


def test_long_tables_go_on_on_the_next_page(tmp_path):
    rows = tuple((f"image {n}", "$x_1$") for n in range(200))
    table = Table(("image", "IoU"), rows)
    write_pdf(tmp_path / "a.pdf", Document("a", "b", (Section("c", tables=(table,)),)))
    content = (tmp_path / "a.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", content)) == 3


def test_workbook_has_every_table_with_numbers_as_such(report, tmp_path):
    path = tmp_path / "metrics.xlsx"
    write_workbook(path, workbook_sheets(report))
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == [
        *("classes", "confusion", "objects", "object_summary", "centers"),
        *("boundaries", "probabilities", "object_list", "curves", "slices"),
    ]
    header, *rows = book["classes"].iter_rows(values_only=True)
    assert header[:3] == ("image", "class", "iou")
    assert rows[-1][2] == pytest.approx(report.iou)
    assert len(rows) == len(report.to_rows())
    assert rows[0][header.index("accuracy")] is None


def test_names_that_look_like_formulas_stay_text(tmp_path):
    path = tmp_path / "a.xlsx"
    write_workbook(path, {"a" * 40: [{"=name": "=1+1", "n": 3}], "empty": []})
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["a" * 31]
    assert book.active["A2"].value == "=1+1"
    assert book.active["A2"].data_type == "s"
    assert book.active["B2"].value == 3


def test_a_report_says_what_was_compared_and_with_what(report, tmp_path):
    picture = tmp_path / "first.png"
    PIL.Image.new("RGB", (20, 10), "red").save(picture)
    facts = data_facts(pairs())
    context = ReportContext(facts, CONFIG, overlays=[picture], verdict="A is better.")
    document = make_document(report, context)
    facts = {s.title: dict(s.facts) for s in document.sections if s.facts}
    assert facts["Data"]["Images"] == "first, second"
    assert "0.05 × 0.01 × 0.01" in facts["Data"]["Voxel size"]
    assert facts["Settings"]["Boundaries"] == "yes"
    assert facts["Settings"]["IoU thresholds"] == "0.5, 0.75"
    assert set(facts["Versions"]) >= {"napari-segtrain", "torch", "Python"}
    assert "A is better." in document.sections[0].text
    (examples,) = [s for s in document.sections if s.title == "Examples"]
    assert examples.pictures[0].caption == "first"
    names = {key: tmp_path / f"r.{key}" for key in ("html", "pdf", "excel")}
    write_reports(report, context, **names)
    assert all(path.stat().st_size > 1000 for path in names.values())
