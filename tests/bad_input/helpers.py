"""What a command that must fail is checked for, and files to fail with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tests.cli.helpers import SMALL, disks, listing

CONFIG, DATA, MODEL, TRAINING, PREDICTION, OUTPUT, MEMORY = range(2, 9)
TRAIN = ("train", "--images", "image", "--labels", "label", "--output", "run")
QUICK = (*SMALL, "--iterations", "2", "--validation", "none")

MAX_SENTENCES = 3


def save(path: Path, array: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", **options)


def with_image(folder: Path, image: np.ndarray) -> None:
    """One pair whose labels are as they should be."""
    save(folder / "image/a.tif", image)
    save(folder / "label/a.tif", disks(image.shape[-2:], 0)[1])


def with_labels(folder: Path, labels: np.ndarray) -> None:
    """One pair whose image is as it should be."""
    save(folder / "image/a.tif", disks(labels.shape[:2], 0)[0])
    save(folder / "label/a.tif", labels)


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        name: (folder / name).read_bytes() if (folder / name).is_file() else None
        for name in listing(folder)
    }


def check_sentence(text: str, words: tuple[str, ...]) -> None:
    """One line, for a person, without the noise of a program."""
    assert text.startswith("segtrain: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert len(text) < 500
    assert not {"Traceback", "Error:", "Exception", "errno"} & set(text.split())
    missing = [word for word in words if word not in text]
    assert not missing, text
    sentence = text.removeprefix("segtrain: ").rstrip()
    assert sentence[0].isupper() or sentence.split()[0].rstrip(":") in sentence
    assert sentence.count(". ") < MAX_SENTENCES
