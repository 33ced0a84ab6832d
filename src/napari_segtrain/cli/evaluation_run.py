"""Evaluation on the terminal: a table, and files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_segtrain.cli.options import parse_region
from napari_segtrain.errors import DataError, ModelError, OutputError
from napari_segtrain.evaluation.remarks import remarks
from napari_segtrain.image import Image
from napari_segtrain.io import pair_files, read_image, read_stack, refuse_existing
from napari_segtrain.workflows.evaluation import (
    CountedArea,
    OpenedPairs,
    check_pictures,
    limit_pairs,
    open_label_pairs,
    score_pairs,
    with_probabilities,
    write_overlays,
)
from napari_segtrain.workflows.reports import ReportContext, data_facts, write_reports
from napari_segtrain.workflows.run_info import read_run_info
from napari_segtrain.workflows.settings import parse_data, parse_evaluation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_segtrain.config import DataConfig, EvaluationConfig
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.report import EvaluationReport


def start(
    truth: Path,
    segmentation: Path,
    settings: dict[str, Any],
    *,
    output: Path | None,
    images: Path | None,
    region: str | None = None,
    mask: Path | None = None,
    probabilities: Path | None = None,
    against: Path | None = None,
    model: Path | None = None,
    pdf: bool = False,
    excel: bool = False,
    overwrite: bool,
) -> None:
    """Score, print the table, write CSV, JSON, overlays and reports."""
    config, others = parse_evaluation(settings)
    data = parse_data(others)
    area = CountedArea(parse_region(region), mask)
    extra = {"report.pdf": pdf, "metrics.xlsx": excel}
    _check_output(output, images, extra, overwrite=overwrite)
    opened = _open_pairs(truth, segmentation, data)
    pictures = _open_images(images, truth, opened, is_stack=data.stack)
    check_pictures(opened.pairs, pictures)
    if model is not None:
        _check_model(model)
    pairs = limit_pairs(opened.pairs, area)
    if probabilities is not None:
        pairs = with_probabilities(pairs, probabilities)
    other = (
        None if against is None else _score_other(truth, against, data, config, area)
    )
    report = score_pairs(pairs, config)
    typer.echo(report.format_table())
    for text in remarks(report):
        typer.echo(f"! {text}", err=True)
    verdict = _verdict(report, other, segmentation, against) if other else ""
    if verdict:
        typer.echo(verdict)
    if output is None:
        return
    overlays: list[Path] = []
    if images is not None:
        folder = write_overlays(output / "overlays", pairs, pictures)
        overlays = [folder / f"{pair.name}.png" for pair in opened.pairs]
        typer.echo(f"wrote overlays to {folder}")
    report.write_csv(output / "metrics.csv")
    report.write_json(output / "metrics.json")
    typer.echo(f"wrote {output / 'metrics.csv'} and {output / 'metrics.json'}")
    shown = [path for path in overlays if path.exists()]
    write_reports(
        report,
        ReportContext(_facts(pairs, region, mask), config, model, shown, verdict),
        html=output / "report.html",
        pdf=output / "report.pdf" if pdf else None,
        excel=output / "metrics.xlsx" if excel else None,
    )
    more = [name for name, is_asked in extra.items() if is_asked]
    typer.echo(f"wrote {', '.join(str(output / n) for n in ('report.html', *more))}")


def _show(report: EvaluationReport) -> None:
    typer.echo(report.format_table())
    for text in remarks(report):
        typer.echo(f"! {text}", err=True)


def _facts(
    pairs: Sequence[LabelPair], region: str | None, mask: Path | None
) -> dict[str, str]:
    """What was compared, and which part of it."""
    only = [str(part) for part in (region, mask) if part is not None]
    return data_facts(pairs) | ({"Only inside": " and ".join(only)} if only else {})


def _open_pairs(truth: Path, segmentation: Path, data: DataConfig) -> OpenedPairs:
    """Open both sides, and name files that have no partner."""
    opened = open_label_pairs(truth, segmentation, data)
    for path in opened.unmatched:
        typer.echo(f"! {path} has no partner and is left out", err=True)
    return opened


def _check_model(path: Path) -> None:
    info = read_run_info(path)
    if info.state == "damaged":
        raise ModelError(
            f"{path} is no model or run that can be described "
            f"({(info.problem or 'nothing is there').rstrip('.')}); give the folder of "
            "a run."
        )


def _score_other(
    truth: Path,
    other: Path,
    data: DataConfig,
    config: EvaluationConfig,
    area: CountedArea,
) -> EvaluationReport:
    pairs = open_label_pairs(truth, other, data).pairs
    return score_pairs(limit_pairs(pairs, area), config)


def _verdict(
    report: EvaluationReport, other: EvaluationReport, first: Path, second: Path | None
) -> str:
    """Which segmentation is better, in a sentence.

    Raises
    ------
    DataError
        When they are not of the same images.
    """
    try:
        found = report.compare(other)
    except ValueError as error:
        raise DataError(
            f"{first} and {second} cannot be compared: they are not of the same "
            "images, or have other classes."
        ) from error
    if found is None:
        return "There is too little to tell which of the two is better."
    return found.describe(str(first), str(second))


def _check_output(
    output: Path | None,
    images: Path | None,
    extra: Mapping[str, bool],
    *,
    overwrite: bool,
) -> None:
    more = [name for name, is_asked in extra.items() if is_asked]
    if output is None:
        what = "Overlays" if images is not None else " and ".join(more)
        if what:
            raise OutputError(f"{what} need a folder; give one with --output.")
        return
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; --output names a folder.")
    for name in ("metrics.csv", "metrics.json", "report.html", *more):
        refuse_existing(output / name, overwrite=overwrite)


def _open_images(
    images: Path | None, truth: Path, opened: OpenedPairs, *, is_stack: bool
) -> dict[Path, Image]:
    """Image of each ground truth, by the path of the latter."""
    if images is None:
        return {}
    if not is_stack:
        pairs = pair_files(images, truth).pairs
        return {label: read_image(image) for image, label in pairs}
    source = opened.pairs[0].truth.source
    return {source: read_stack(images)} if source else {}
