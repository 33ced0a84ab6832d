"""An evaluation as files to hand on: HTML, PDF, Excel."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.axes import format_voxel_size
from napari_segtrain.config import EvaluationConfig
from napari_segtrain.evaluation.publishing.contents import describe_report
from napari_segtrain.evaluation.publishing.document import Picture
from napari_segtrain.evaluation.publishing.excel import write_workbook
from napari_segtrain.evaluation.publishing.html import write_html
from napari_segtrain.evaluation.publishing.pdf import write_pdf
from napari_segtrain.evaluation.report import PARTS, Row
from napari_segtrain.evaluation.table import column_title
from napari_segtrain.workflows.run_info import read_run_info

if TYPE_CHECKING:
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.publishing.document import Document
    from napari_segtrain.evaluation.report import EvaluationReport

_PACKAGES = ("napari-segtrain", "torch", "monai", "numpy", "scipy", "scikit-image")
_MAX_OVERLAYS = 12
_MAX_NAMES = 12


@dataclass(frozen=True)
class ReportContext:
    """What a report says beside the scores.

    Parameters
    ----------
    data : mapping
        What was compared, see `data_facts`.
    config : EvaluationConfig
        What was measured.
    model : Path, optional
        Run or model that the segmentations are from.
    overlays : sequence of Path
        PNG files.
    verdict : str
        How it compares with another segmentation.
    others : sequence of dict
        Of several segmentations the scores of each, see `segmentation_rows`.
    """

    data: Mapping[str, str]
    config: EvaluationConfig
    model: Path | None = None
    overlays: Sequence[Path] = ()
    verdict: str = ""
    others: Sequence[Row] = ()


def make_document(report: EvaluationReport, context: ReportContext) -> Document:
    """Describe an evaluation: data, model card, settings, tables, curves, versions.

    Raises
    ------
    ModelError
        When the model cannot be read.
    """
    facts: dict[str, Mapping[str, str]] = {"Data": context.data}
    curves: list[Picture] = []
    if context.model is not None:
        facts["Model"] = _model_card(context.model)
        curves = _training_curves(context.model)
    facts["Settings"] = _settings(context.config)
    facts["Versions"] = _versions()
    shown = context.overlays[:_MAX_OVERLAYS]
    examples = [Picture(path.read_bytes(), path.stem) for path in shown]
    pictures = {"Training": curves, "Examples": examples}
    return describe_report(
        report,
        facts=facts,
        pictures=pictures,
        verdict=context.verdict,
        others=context.others,
    )


def write_reports(
    report: EvaluationReport,
    context: ReportContext,
    *,
    html: Path | None = None,
    pdf: Path | None = None,
    excel: Path | None = None,
) -> None:
    """Write those files that are asked for.

    Raises
    ------
    ModelError
        When the model cannot be read.
    OutputError
        When a file cannot be written.
    """
    if html is not None or pdf is not None:
        document = make_document(report, context)
        if html is not None:
            write_html(html, document)
        if pdf is not None:
            write_pdf(pdf, document)
    if excel is not None:
        write_workbook(excel, workbook_sheets(report))


def workbook_sheets(report: EvaluationReport) -> dict[str, list[Row]]:
    """Every table of an evaluation, by the name of its sheet; empty ones included."""
    return {
        "classes": report.to_rows(),
        "confusion": report.to_confusion_rows(),
        **{part: report.to_part_rows(part) for part in PARTS},
        "object_list": report.to_list_rows(),
        "curves": report.to_curve_rows(),
        "slices": report.to_slice_rows(),
    }


def data_facts(pairs: Sequence[LabelPair]) -> dict[str, str]:
    """Say what was compared: names, sizes, voxel sizes, folders."""
    names = [pair.name for pair in pairs]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    sizes = {pair.truth.voxel_size for pair in pairs}
    shapes = {
        f"{' × '.join(map(str, pair.truth.array.shape))} ({pair.truth.axes})"
        for pair in pairs
    }
    sides = [pair.truth for pair in pairs], [pair.prediction for pair in pairs]
    folders = [
        sorted({str(labels.source.parent) for labels in side if labels.source})
        for side in sides
    ]
    facts = {
        "Images": ", ".join(names[:_MAX_NAMES]) + more,
        "Sizes": ", ".join(sorted(shapes)[:_MAX_NAMES]),
        "Voxel size": ", ".join(sorted({format_voxel_size(size) for size in sizes})),
        "Ground truth": ", ".join(folders[0]),
        "Segmentation": ", ".join(folders[1]),
    }
    return {name: value for name, value in facts.items() if value}


def _model_card(path: Path) -> dict[str, str]:
    info = read_run_info(path)
    classes = ", ".join(row.name for row in info.classes)
    score = "nothing was held out" if info.score is None else f"{info.score:.4f}"
    facts = {
        "Name": info.name,
        "Path": str(path),
        "Trained": info.created.strftime("%Y-%m-%d %H:%M"),
        "Dimensions": "" if info.dims is None else f"{info.dims}D",
        "Networks": str(info.n_members),
        "Classes": classes,
        "Channels": ", ".join(info.channel_names) or str(info.n_channels or ""),
        "Trained on": ", ".join(info.images[:_MAX_NAMES]),
        "Voxel size": format_voxel_size(info.voxel_size),
        "Iterations": "" if info.iterations is None else f"{info.iterations:,}",
        "Time": "" if info.seconds is None else f"{info.seconds:.0f} s",
        "Validation IoU": score,
    }
    return {name: value for name, value in facts.items() if value}


def _training_curves(path: Path) -> list[Picture]:
    """Curves of the run that a model is of, where it lies in its folder."""
    for folder in (path, path.parent):
        file = folder / "curves.png"
        if file.is_file():
            caption = "Losses, scores and rate of the training."
            return [Picture(file.read_bytes(), caption)]
    return []


def _settings(config: EvaluationConfig) -> dict[str, str]:
    return {_title(name): _words(value) for name, value in config.model_dump().items()}


def _title(name: str) -> str:
    words = column_title(name)
    return words[0].upper() + words[1:]


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "µm" if value == "um" else str(value)


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in _PACKAGES}
    return {**found, "Python": platform.python_version(), "System": platform.platform()}
