from __future__ import annotations

import gc
from pathlib import Path

from napari.components import ViewerModel

from napari_segtrain.ui.session import session_of


def test_one_session_per_viewer(qtbot) -> None:
    first, second = ViewerModel(), ViewerModel()
    assert session_of(first) is session_of(first)
    assert session_of(first) is not session_of(second)
    assert session_of(first).viewer is first


def test_a_session_does_not_keep_its_viewer(qtbot) -> None:
    viewer = ViewerModel()
    session = session_of(viewer)
    del viewer
    gc.collect()
    assert session.viewer is None
    assert session_of(ViewerModel()) is not session


def test_docks_hear_of_a_chosen_model(qtbot) -> None:
    session = session_of(viewer := ViewerModel())
    with qtbot.waitSignal(session.model_chosen, timeout=100) as heard:
        session.choose_model(Path("model"))
    assert heard.args == [Path("model")]
    assert session_of(viewer).model_path == Path("model")
