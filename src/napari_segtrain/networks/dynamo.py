"""Loading the part of PyTorch that brings a second LLVM."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def load_dynamo() -> None:
    """Load `torch._dynamo`, which `torch.optim` does with the first optimizer.

    PyTorch's builds for CUDA load triton here, with an LLVM of its own. Where
    windows are drawn by software, Mesa's LLVM is in the process already with its
    symbols for everyone; triton then calls those and the process dies. So triton is
    told to prefer its own symbols.
    """
    if importlib.util.find_spec("triton") is not None:
        # a triton that does not load is no loss: torch does without
        with _own_symbols_first(), contextlib.suppress(Exception):
            importlib.import_module("triton")
    importlib.import_module("torch._dynamo")


@contextlib.contextmanager
def _own_symbols_first() -> Iterator[None]:
    deep = getattr(os, "RTLD_DEEPBIND", None)
    if deep is None:  # not Linux
        yield
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | deep)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)
