"""Several models together, chosen in the dock."""

from pathlib import Path

import numpy as np
import pytest
from tests.ui.predictions import QUICK, WAIT, opened, predicted, trained

from napari_segtrain import predict


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    trained(folder / "first")
    trained(folder / "second", training=QUICK["training"] | {"seed": 2})
    trained(folder / "objects", data={"target": "instances"})
    trained(folder / "two", n_channels=2)
    return folder


@pytest.fixture
def widget(qtbot, viewer, models, preferences):
    preferences.run_folder = str(models)
    widget = opened(qtbot, viewer, models / "first")
    qtbot.waitUntil(lambda: len(widget.model.list.runs) == 4, timeout=WAIT)
    widget.show()
    return widget


def test_models_of_the_same_classes_are_offered(widget, models) -> None:
    others = widget.model.others
    others.add_button.click()
    (row,) = others.rows()
    texts = [row.box.itemText(n) for n in range(row.box.count())]
    assert [text.split(" · ")[0] for text in texts] == ["second"]
    assert not others.add_button.isVisible()  # there is no third
    assert widget.model.paths == (models / "first", models / "second")
    widget.model.list.select(models / "objects")
    assert widget.model.paths == (models / "objects",)
    assert not others.isVisible()


def test_the_mean_and_where_they_differ(qtbot, widget, viewer, models) -> None:
    widget.model.others.add_button.click()
    widget.maps_box.setChecked(True)
    config = widget.form.config().model_copy(update={"uncertainty": "agreement"})
    widget.form.set_config(config)
    predicted(qtbot, widget)
    assert widget.run.failure is None
    image = viewer.layers["cells"].data
    paths = [models / "first", models / "second"]
    expected = predict(
        paths, image, axes="YX", probabilities="uint8", uncertainty="agreement"
    )
    np.testing.assert_array_equal(
        viewer.layers["cells segmentation"].data, expected.labels.array
    )
    np.testing.assert_array_equal(
        viewer.layers["cells probabilities"].data, expected.probabilities.array
    )
    np.testing.assert_array_equal(
        viewer.layers["cells agreement"].data, expected.uncertainty.array
    )


def test_results_of_a_mean_are_apart_from_those_of_one(qtbot, widget, viewer) -> None:
    predicted(qtbot, widget)
    first = viewer.layers["cells segmentation"]
    widget.model.others.add_button.click()
    predicted(qtbot, widget)
    assert sum("segmentation" in layer.name for layer in viewer.layers) == 2
    widget.model.others.rows()[0].remove_button.click()
    assert widget.model.paths == (widget.model.path,)
    predicted(qtbot, widget)
    assert sum("segmentation" in layer.name for layer in viewer.layers) == 2
    assert first in viewer.layers


def test_agreement_of_one_model_is_refused(widget) -> None:
    config = widget.form.config().model_copy(update={"uncertainty": "agreement"})
    widget.form.set_config(config)
    widget.controls.start_button.click()
    assert "There is no agreement of a single prediction" in widget.messages.text
