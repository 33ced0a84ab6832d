"""Triton and its LLVM do not meet the LLVM of a software screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_TRITON = """
import os, sys
print("deep" if sys.getdlopenflags() & os.RTLD_DEEPBIND else "shared")
raise ImportError("this triton is for a test")
"""
_LOAD = """
import sys
before = sys.getdlopenflags()
import napari_segtrain.training.optim
print("torch._dynamo" in sys.modules, sys.getdlopenflags() == before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="a flag of Linux' loader")
def test_triton_prefers_its_own_symbols(tmp_path: Path) -> None:
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "__init__.py").write_text(_TRITON)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    # torch asks for it again after the failure, without the flag
    assert done.stdout.splitlines()[0] == "deep"
    assert done.stdout.splitlines()[-1] == "True True"
