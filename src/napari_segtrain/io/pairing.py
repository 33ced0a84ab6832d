"""Which label file belongs to which image."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import image_stem
from napari_segtrain.io.listing import list_images, name_some

Key = Callable[[Path], str]

_LABEL_WORDS = (
    r"labels?|masks?|seg|segmentations?|gt|ground[-_ ]?truth|annotations?|ann|targets?"
)
_IMAGE_WORDS = r"images?|img|raw|im"


def _affix(words: str) -> re.Pattern[str]:
    """Match the words before or after the rest of a name."""
    prefix = rf"^(?:{words})(?:[-_. ]+|(?=\d))"
    suffix = rf"(?:[-_. ]+|(?<=\d))(?:{words})$"
    return re.compile(f"{prefix}|{suffix}", re.IGNORECASE)


_LABEL_AFFIX, _IMAGE_AFFIX = _affix(_LABEL_WORDS), _affix(_IMAGE_WORDS)


@dataclass(frozen=True)
class Pairing:
    """Images with their labels.

    Parameters
    ----------
    pairs : tuple of (Path, Path)
        Image and label file, in natural order of the images.
    unmatched_images, unmatched_labels : tuple of Path
        Files without a partner.
    """

    pairs: tuple[tuple[Path, Path], ...]
    unmatched_images: tuple[Path, ...] = ()
    unmatched_labels: tuple[Path, ...] = ()


def pair_files(images: str | Path, labels: str | Path) -> Pairing:
    """Pair the images of a file, folder or store with labels by name.

    Names are compared without suffixes (``.ome.tif``, ``.ome.zarr`` included); what
    does not match is compared again without words such as ``_label``, ``_mask``,
    ``-seg`` or ``img_``. One image and one label file are a pair whatever their names.
    When both are the same folder, the names with such a word are the labels.

    Raises
    ------
    DataError
        When nothing matches, or two files have the same name but for the suffix.
    """
    images, labels = Path(images), Path(labels)
    image_files, label_files = _both_lists(images, labels)
    if len(image_files) == len(label_files) == 1:
        return Pairing(((image_files[0], label_files[0]),))
    partners = _match(image_files, label_files)
    if not partners:
        raise DataError(
            f"No image matches a label file by name: {images} has "
            f"{name_some(image_files)}; {labels} has {name_some(label_files)}; give "
            "both the same names."
        )
    used = set(partners.values())
    return Pairing(
        tuple((image, partners[image]) for image in image_files if image in partners),
        tuple(image for image in image_files if image not in partners),
        tuple(label for label in label_files if label not in used),
    )


def _both_lists(images: Path, labels: Path) -> tuple[list[Path], list[Path]]:
    image_files = list_images(images)
    if not (labels.exists() and images.resolve() == labels.resolve()):
        return image_files, list_images(labels)
    label_files = [p for p in image_files if _LABEL_AFFIX.search(image_stem(p))]
    image_files = [p for p in image_files if p not in label_files]
    if not image_files or not label_files:
        raise DataError(
            f"Images and labels are both {images}; give two folders, or call the label "
            "files like their image with _label at the end."
        )
    return image_files, label_files


def _match(images: Sequence[Path], labels: Sequence[Path]) -> dict[Path, Path]:
    partners: dict[Path, Path] = {}
    for image_key, label_key in _PASSES:
        used = set(partners.values())
        left = [path for path in images if path not in partners]
        free = [path for path in labels if path not in used]
        partners |= _join(left, free, image_key, label_key)
    return partners


def _join(
    images: Sequence[Path], labels: Sequence[Path], image_key: Key, label_key: Key
) -> dict[Path, Path]:
    by_image, by_label = _group(images, image_key), _group(labels, label_key)
    common = [key for key in by_image if key in by_label]
    for key in common:
        _check_single(key, by_image[key])
        _check_single(key, by_label[key])
    return {by_image[key][0]: by_label[key][0] for key in common}


def _plain_key(path: Path) -> str:
    return image_stem(path).casefold()


def _image_key(path: Path) -> str:
    return _strip(_plain_key(path), _IMAGE_AFFIX)


def _label_key(path: Path) -> str:
    return _strip(_plain_key(path), _LABEL_AFFIX)


def _bare_label_key(path: Path) -> str:
    return _strip(_label_key(path), _IMAGE_AFFIX)


def _strip(stem: str, affix: re.Pattern[str]) -> str:
    return affix.sub("", stem) or stem


def _group(paths: Sequence[Path], key: Key) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _check_single(key: str, paths: Sequence[Path]) -> None:
    if len(paths) > 1:
        raise DataError(
            f"{name_some(tuple(paths))} in {paths[0].parent} all count as '{key}', so "
            "pairs are not clear; keep one of them."
        )


_PASSES: tuple[tuple[Key, Key], ...] = (
    (image_stem, image_stem),
    (_plain_key, _label_key),
    (_image_key, _bare_label_key),
)
"""How names are compared, strictest first."""
