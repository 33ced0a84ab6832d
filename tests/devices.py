"""Devices of the computer that the tests run on."""

from __future__ import annotations

from typing import Literal


def absent_device() -> Literal["cuda", "mps"]:
    """Return a device that this computer has not; none has both."""
    import torch

    return "mps" if torch.cuda.is_available() else "cuda"
