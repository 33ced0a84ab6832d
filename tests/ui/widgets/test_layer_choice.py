from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_segtrain.ui.widgets.layer_choice import LayerChoice


def labels(name: str) -> Labels:
    return Labels(np.zeros((4, 4), np.uint8), name=name)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def choice(qtbot, viewer) -> LayerChoice:
    box = LayerChoice(viewer, Labels)
    qtbot.addWidget(box)
    return box


def texts(box: LayerChoice) -> list[str]:
    return [box.itemText(index) for index in range(box.count())]


def test_layers_of_its_kind_top_first(qtbot, viewer) -> None:
    viewer.add_layer(labels("low"))
    viewer.add_layer(Image(np.zeros((4, 4)), name="image"))
    viewer.add_layer(labels("high"))
    box = LayerChoice(viewer, Labels)
    qtbot.addWidget(box)
    assert texts(box) == ["high", "low"]
    assert box.layer() is viewer.layers["high"]


def test_nothing_to_choose(choice) -> None:
    assert choice.layer() is None
    assert not choice.isEnabled()


def test_the_choice_stays_whatever_happens_to_others(choice, viewer) -> None:
    first, second = viewer.add_layer(labels("a")), viewer.add_layer(labels("b"))
    choice.set_layer(first)
    heard: list[object] = []
    choice.layer_changed.connect(heard.append)
    viewer.add_layer(labels("c"))
    first.name = "renamed"
    viewer.layers.move(0, 2)
    viewer.layers.remove(second)
    assert choice.layer() is first
    assert texts(choice) == ["c", "renamed"] or texts(choice) == ["renamed", "c"]
    assert choice.currentText() == "renamed"
    assert heard == []


def test_two_layers_that_swap_names(choice, viewer) -> None:
    first, second = viewer.add_layer(labels("a")), viewer.add_layer(labels("b"))
    choice.set_layer(first)
    second.name, first.name = "spare", "b"
    second.name = "a"
    assert choice.layer() is first
    assert choice.currentText() == "b"


def test_a_removed_choice_gives_way_to_the_topmost(choice, viewer) -> None:
    first, second = viewer.add_layer(labels("a")), viewer.add_layer(labels("b"))
    choice.set_layer(first)
    heard: list[object] = []
    choice.layer_changed.connect(heard.append)
    viewer.layers.remove(first)
    viewer.layers.clear()
    assert heard == [second, None]
    assert choice.layer() is None


def test_none_is_an_entry_where_allowed(qtbot, viewer) -> None:
    layer = viewer.add_layer(labels("a"))
    box = LayerChoice(viewer, Labels, none="everything")
    qtbot.addWidget(box)
    assert texts(box) == ["everything", "a"]
    assert box.layer() is None
    box.set_layer(layer)
    viewer.layers.clear()
    assert box.layer() is None
    assert texts(box) == ["everything"]


def test_a_layer_that_is_not_offered(choice, viewer) -> None:
    image = viewer.add_layer(Image(np.zeros((4, 4))))
    with pytest.raises(ValueError, match="not offered"):
        choice.set_layer(image)


def test_layers_that_are_not_accepted(qtbot, viewer) -> None:
    viewer.add_layer(labels("a"))
    viewer.add_layer(labels("errors"))
    box = LayerChoice(viewer, Labels, accept=lambda layer: layer.name != "errors")
    qtbot.addWidget(box)
    assert texts(box) == ["a"]


def test_what_the_user_picked_is_known(qtbot, choice, viewer) -> None:
    for name in "ab":
        viewer.add_layer(labels(name))
    choice.set_layer(viewer.layers["a"])
    assert not choice.is_chosen_by_user
    qtbot.keyClicks(choice, "b")
    assert choice.layer() is viewer.layers["b"]
    assert choice.is_chosen_by_user
    viewer.layers.remove("b")
    assert not choice.is_chosen_by_user


def test_neither_viewer_nor_layers_are_kept(qtbot) -> None:
    viewer = ViewerModel()
    viewer.add_layer(labels("a"))
    box = LayerChoice(viewer, Labels)
    qtbot.addWidget(box)
    gone = [weakref.ref(viewer), weakref.ref(viewer.layers[0])]
    del viewer
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert box.layer() is None


def test_a_deleted_box_hears_nothing(qtbot, viewer) -> None:
    box = LayerChoice(viewer, Labels)
    box.deleteLater()
    qtbot.wait(10)
    viewer.add_layer(labels("a"))
