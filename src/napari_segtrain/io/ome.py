"""OME-XML: voxel size, channel names and the class table of this package."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args
from xml.etree import ElementTree as ET

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.image import ClassInfo, ClassTable, ZeroSetting
from napari_segtrain.io.units import to_micrometers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLASSES_NAMESPACE = "napari-segtrain/classes/1"
_DEFAULT_UNIT = "µm"
_ZERO: dict[str, ZeroSetting] = {policy: policy for policy in get_args(ZeroSetting)}


@dataclass(frozen=True)
class OmeFacts:
    """What the first image of an OME-XML document says.

    Parameters
    ----------
    sizes : dict
        Micrometers per voxel along Z, Y, X, ``None`` where unknown.
    channel_names : tuple of str
        Empty unless every channel has a name.
    classes : ClassTable, optional
    """

    sizes: dict[str, float | None] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    classes: ClassTable | None = None


def parse_ome(xml: str) -> OmeFacts:
    """Read the metadata of the first image; a broken document says nothing."""
    try:
        root = ET.fromstring(xml)
    except ET.ParseError:
        return OmeFacts()
    pixels = next(_elements(root, "Pixels"), None)
    if pixels is None:
        return OmeFacts()
    return OmeFacts(_sizes(pixels), _channel_names(pixels), _classes(root))


def annotate_classes(classes: ClassTable) -> dict[str, str]:
    """Class table as an OME map annotation (for tifffile's ``MapAnnotation``)."""
    rows = {
        f"class {index}": json.dumps(vars(row), ensure_ascii=False, default=int)
        for index, row in enumerate(classes.rows)
    }
    table = {"zero": classes.zero, "is_objects": json.dumps(classes.is_objects)}
    return {"Namespace": CLASSES_NAMESPACE, **table, **rows}


def _elements(root: ET.Element, tag: str) -> Iterator[ET.Element]:
    return (element for element in root.iter() if element.tag.endswith(f"}}{tag}"))


def _sizes(pixels: ET.Element) -> dict[str, float | None]:
    get = pixels.attrib.get
    return {
        axis: to_micrometers(
            get(f"PhysicalSize{axis}"), get(f"PhysicalSize{axis}Unit", _DEFAULT_UNIT)
        )
        for axis in SPATIAL_AXES
    }


def _channel_names(pixels: ET.Element) -> tuple[str, ...]:
    names = [channel.attrib.get("Name") for channel in _elements(pixels, "Channel")]
    found = tuple(name for name in names if name)
    return found if len(found) == len(names) else ()


def _classes(root: ET.Element) -> ClassTable | None:
    for annotation in _elements(root, "MapAnnotation"):
        if annotation.attrib.get("Namespace") == CLASSES_NAMESPACE:
            pairs = _elements(annotation, "M")
            return parse_classes({m.attrib["K"]: m.text or "" for m in pairs})
    return None


def parse_classes(entries: Mapping[str, str]) -> ClassTable | None:
    """Undo `annotate_classes`; ``None`` when the entries are no class table."""
    try:
        rows: list[dict[str, Any]] = [
            json.loads(text) for key, text in entries.items() if key.startswith("class")
        ]
        return ClassTable(
            tuple(ClassInfo(**row) for row in rows),
            is_objects=bool(json.loads(entries["is_objects"])),
            zero=_ZERO[entries["zero"]],
        )
    except (KeyError, TypeError, ValueError):
        return None
