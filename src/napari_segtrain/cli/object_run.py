"""Objects on the terminal: label images, tables, and a summary to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_segtrain.config import SeparationConfig, set_value
from napari_segtrain.data.classes import describe_labels
from napari_segtrain.errors import ConfigError, DataError, OutputError
from napari_segtrain.evaluation.table import format_rows
from napari_segtrain.image import LabelImage
from napari_segtrain.io import pair_files, read_image, read_labels, refuse_existing
from napari_segtrain.io.finding import FoundImage, find_images
from napari_segtrain.workflows.object_exports import (
    MESH_SUFFIX,
    SUFFIXES,
    OutlineFormat,
    check_regions,
    write_outlines,
    write_surfaces,
)
from napari_segtrain.workflows.object_files import (
    TABLES,
    object_tables,
    write_objects,
    write_tables,
)
from napari_segtrain.workflows.objects import (
    MeasuredObjects,
    objects_of_labels,
    objects_of_probabilities,
)
from napari_segtrain.workflows.settings import parse_data, parse_separation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_segtrain.config import DataConfig
    from napari_segtrain.image import Image

_ENDING = "_objects.ome.tif"
_SUMMARY = ("image", "t", "class", "n_objects", "density", "share", "unit")


@dataclass(frozen=True)
class Order:
    """What is asked for; see ``segtrain objects --help``."""

    segmentations: Sequence[Path]
    output: Path
    images: Path | None = None
    is_probabilities: bool = False
    channel: str | None = None
    slab: float | None = None
    outlines: tuple[OutlineFormat, ...] = ()
    surfaces: bool = False
    regions: Path | None = None
    excel: bool = False
    overwrite: bool = False


def start(order: Order, values: dict[str, Any], settings: Sequence[str]) -> None:
    """Make objects of every file, write them, and print a summary.

    Raises
    ------
    SegtrainError
        When a setting, a file or an output is not as it must be.
    """
    for assignment in settings:
        set_value(values, assignment, SeparationConfig)
    config, others = parse_separation(values)
    data = parse_data(others)
    _check(order)
    found = find_images(order.segmentations, output=order.output)
    places = {each.path: order.output / each.folder / _name(each) for each in found}
    _check_places(order, places)
    partners = _partners(order, found)
    regions = None if order.regions is None else read_labels(order.regions)
    sources = _open(order, found, data)
    if regions is not None:
        for source in sources.values():
            check_regions(regions, source)
    measured: dict[str, list[MeasuredObjects]] = {}
    written: list[Path] = []
    for each in found:
        source = sources[each.path]
        items = _measure(order, source, partners.get(each.path), config, data)
        written += _write(order, places[each.path], items, source)
        measured[(Path(each.folder) / source.name).as_posix()] = items
    tables = object_tables(measured, slab=order.slab, regions=regions)
    typer.echo(_summary(tables["summary"]))
    for path in _tables_of(order.output):
        path.unlink(missing_ok=True)  # of a run that had others
    written += write_tables(order.output / "objects.csv", tables)
    if order.excel:
        written += write_tables(order.output / "objects.xlsx", tables)
    for path in written:
        typer.echo(f"wrote {path}")


def _write(
    order: Order,
    place: Path,
    items: list[MeasuredObjects],
    source: Image | LabelImage,
) -> list[Path]:
    """Write ids, outlines and surfaces of the objects of a file."""
    start = place.with_name(place.name.removesuffix(_ENDING))
    surfaces = write_surfaces(start, items) if order.surfaces else []
    write_objects(place, items, source)
    written = [place, *surfaces]
    for kind in order.outlines:
        written += write_outlines(start, items, kind)
    return written


def _check(order: Order) -> None:
    if order.channel is not None and not order.is_probabilities:
        raise ConfigError(
            "--channel chooses one of several probability maps; add --probabilities."
        )
    if order.slab is not None and not 0 < order.slab < float("inf"):
        raise ConfigError(
            f"--density is the thickness of a slab, such as 20, not {order.slab:g}."
        )
    if order.output.exists() and not order.output.is_dir():
        raise OutputError(f"{order.output} is a file; --output names a folder.")


def _name(found: FoundImage) -> str:
    from napari_segtrain.io import image_stem

    return f"{image_stem(found.path)}{_ENDING}"


def _check_places(order: Order, places: Mapping[Path, Path]) -> None:
    seen: dict[Path, Path] = {}
    for source, place in places.items():
        if place in seen:
            raise OutputError(
                f"{seen[place]} and {source} would both be written to {place}; make "
                "objects of them one by one, to different outputs."
            )
        seen[place] = source
        refuse_existing(place, overwrite=order.overwrite)
        start = place.with_name(place.name.removesuffix(_ENDING))
        for suffix in _suffixes(order):
            other = start.with_name(f"{start.name}{suffix}")
            refuse_existing(other, overwrite=order.overwrite)
    for path in _tables_of(order.output):
        refuse_existing(path, overwrite=order.overwrite)
    if order.excel:
        refuse_existing(order.output / "objects.xlsx", overwrite=order.overwrite)


def _tables_of(folder: Path) -> list[Path]:
    """Files that tables are written to, when they have rows."""
    first, *others = TABLES
    return [folder / f"{first}.csv", *(folder / f"{first}_{n}.csv" for n in others)]


def _suffixes(order: Order) -> list[str]:
    """Endings of what is written for each file beside its ids."""
    surfaces = [MESH_SUFFIX] if order.surfaces else []
    return [*(SUFFIXES[kind] for kind in order.outlines), *surfaces]


def _partners(order: Order, found: Sequence[FoundImage]) -> dict[Path, Path]:
    """Image whose intensities are measured, by the path of the segmentation."""
    if order.images is None:
        return {}
    if len(found) == 1 and order.images.is_file():
        return {found[0].path: order.images}
    folders = {each.path.parent for each in found}
    pairs: dict[Path, Path] = {}
    for folder in folders:
        matched = pair_files(order.images, folder).pairs
        pairs |= {labels: image for image, labels in matched}
    missing = [each.path for each in found if each.path not in pairs]
    if missing:
        raise DataError(
            f"There is no image of {missing[0]} in {order.images}; name images as "
            "their segmentations."
        )
    return pairs


def _open(
    order: Order, found: Sequence[FoundImage], data: DataConfig
) -> dict[Path, Image | LabelImage]:
    """Open all files; what label values mean is found of all of them together."""
    size = data.voxel_size
    if order.is_probabilities:
        return {each.path: read_image(each.path, voxel_size=size) for each in found}
    opened = {each.path: read_labels(each.path) for each in found}
    table = describe_labels(list(opened.values()), data)
    if table.is_objects and data.target == "auto":
        typer.echo("values are ids of objects (else add --target semantic)")
    return {
        path: replace(
            labels,
            classes=labels.classes or table,
            voxel_size=size or labels.voxel_size,
        )
        for path, labels in opened.items()
    }


def _measure(
    order: Order,
    source: Image | LabelImage,
    partner: Path | None,
    config: SeparationConfig,
    data: DataConfig,
) -> list[MeasuredObjects]:
    image = None if partner is None else read_image(partner)
    if isinstance(source, LabelImage):
        return list(objects_of_labels(source, config, data=data, image=image))
    channel = order.channel
    made = objects_of_probabilities(source, config, channel=channel, image=image)
    return list(made)


def _summary(rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return "There are no objects."
    columns = [name for name in rows[0] if _is_shown(name)]
    shown = [{**row, "density": f"{row['density']:.3g}"} for row in rows]
    return format_rows(shown, columns)


def _is_shown(column: str) -> bool:
    return column in _SUMMARY or column.startswith("mean_")
