"""Names of settings and choices as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_WORDS = {
    "amp": "mixed precision",
    "beta1": "β1",
    "beta2": "β2",
    "cache_megabytes": "cache (MB)",
    "cross_entropy_weight": "cross-entropy",
    "dice_weight": "Dice",
    "dims": "dimensions",
    "ema_decay": "weight averaging",
    "iterations_per_epoch": "iterations / epoch",
    "max_minutes": "at most (minutes)",
    "min_voxels": "smallest object (voxels)",
    "ring_width": "ring of background (voxels)",
    "norm": "normalization",
    "poisson": "Poisson noise",
    "zero": "meaning of 0",
}
_CHOICES = {
    "adam": "Adam",
    "adamw": "AdamW",
    "amp": "mixed precision",
    "attention-unet": "attention U-Net",
    "boundary-cross-entropy": "boundary-weighted cross-entropy",
    "cdeep3m": "CDeep3M",
    "cpu": "CPU",
    "cross-entropy": "cross-entropy",
    "cuda": "CUDA",
    "deepem3d": "DeepEM3D",
    "deepmib": "DeepMIB",
    "dice": "Dice",
    "dice-cross-entropy": "Dice + cross-entropy",
    "dynunet": "DynUNet (nnU-Net)",
    "encoder-unet": "U-Net with encoder",
    "generalized-dice": "generalized Dice",
    "mps": "MPS",
    "muon": "Muon",
    "plateau": "until plateau",
    "residual-unet": "residual U-Net",
    "rmsprop": "RMSprop",
    "segnet": "SegNet",
    "segresnet": "SegResNet",
    "sgd": "SGD",
    "swin-unetr": "Swin UNETR",
    "tversky": "Tversky",
    "unet": "U-Net",
    "unet++": "U-Net++",
    "unet-2.5d": "U-Net 2.5D",
    "unet-3d": "U-Net 3D (DeepMIB)",
    "zscore": "z-score",
    True: "yes",
    False: "no",
    None: "not set",
}
_SMALL, _LARGE = 1e-3, 1e15


def label_of(name: str) -> str:
    """Words for a field's name: ``first_filters`` is "first filters"."""
    if name in _WORDS:
        return _WORDS[name]
    largest = f"largest {name[4:]}" if name.startswith("max_") else name
    return largest.removeprefix("n_").replace("_", " ")


def title_of(name: str) -> str:
    """Words for a section's name."""
    label = label_of(name)
    return label[:1].upper() + label[1:]


def choice_text(choice: Any) -> str:
    """Words for one of several fixed values."""
    if isinstance(choice, str):
        return _CHOICES.get(choice, choice.replace("-", " "))
    if choice is None or isinstance(choice, bool):
        return _CHOICES[choice]
    return str(choice)


def number_text(value: float) -> str:
    """Shortest text that is read back as the same number; 0.0001 is "1e-4"."""
    if isinstance(value, int):
        return str(value)
    if value == 0 or _SMALL <= abs(value) < _LARGE:
        return str(int(value)) if value == int(value) else repr(value)
    return np.format_float_scientific(value, trim="-", exp_digits=1).replace("e+", "e")


def value_text(value: Any) -> str:
    """Text of any value that a plan has chosen."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " × ".join(value_text(part) for part in value)
    return choice_text(value)
