"""What a person is told, and what goes into a bug report."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from napari_segtrain.errors import DataError
from napari_segtrain.workflows.failures import error_report, explain


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "Memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Memory ran out"),
        (OSError(errno.ENOSPC, "No space left", "a.tif"), "disk is full, so a.tif"),
        (PermissionError(errno.EACCES, "Permission denied", "b"), "Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file", "c"), "c cannot be read"),
    ],
)
def test_what_a_user_can_mend_is_a_sentence(error, words) -> None:
    text = explain(error)
    assert text is not None
    assert words in text
    assert "--" not in text
    assert text.endswith(".")


@pytest.mark.parametrize("error", [RuntimeError("shape"), ValueError("x"), KeyError()])
def test_defects_are_not_explained(error) -> None:
    assert explain(error) is None


def test_options_are_named_without_dashes() -> None:
    error = DataError(
        "Give --voxel-size Z,Y,X (or --axes TYX) for /data/a--b/c.tif, not --9."
    )
    assert explain(error) == (
        "Give voxel size Z,Y,X (or axes TYX) for /data/a--b/c.tif, not --9."
    )


def test_settings_are_named_in_plain_words() -> None:
    text = "use a smaller sampling.patch_size or fewer network.first_filters."
    words = "use a smaller patch size or fewer first filters."
    assert explain(DataError(text + " See data.tif")) == f"{words} See data.tif"
    assert explain(DataError("/a/data.axes is odd.")) == "/a/data.axes is odd."


def test_a_report_has_the_traceback_and_the_versions() -> None:
    report = error_report(raised(ZeroDivisionError("so small")))
    assert "ZeroDivisionError: so small" in report
    assert "in raised" in report
    for name in ("napari-segtrain ", "torch ", "python 3."):
        assert f"\n{name}" in report


def test_a_report_names_the_viewer_only_while_it_is_loaded(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "napari", raising=False)
    assert "\nnapari 0" not in error_report(ValueError())
    monkeypatch.setitem(sys.modules, "napari", object())
    assert "\nnapari 0" in error_report(ValueError())


def test_neither_loads_torch() -> None:
    code = (
        "import sys; from napari_segtrain.workflows.failures import *; "
        "explain(MemoryError()); error_report(ValueError()); "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
