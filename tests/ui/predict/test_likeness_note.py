"""Images that are unlike the training, and rescaling."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.training.tasks import disks
from tests.ui.predictions import WAIT, opened, predicted, trained

from napari_segtrain import predict
from napari_segtrain.image import Image
from napari_segtrain.inference import likeness


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return trained(folder / "disks", data={"voxel_size": (0.5, 0.5)})


@pytest.fixture
def viewer(preferences, tmp_path) -> ViewerModel:
    preferences.run_folder = str(tmp_path)
    viewer = ViewerModel()
    image = disks((80, 90), 7)[0]
    viewer.add_image(image, name="cells", scale=(0.5, 0.5), units=("um", "um"))
    return viewer


def settled(qtbot, widget) -> None:
    qtbot.wait(20)
    qtbot.waitUntil(lambda: not widget.note._job.is_busy, timeout=WAIT)  # noqa: SLF001


def test_images_as_in_the_training(qtbot, viewer, model) -> None:
    widget = opened(qtbot, viewer, model)
    settled(qtbot, widget)
    assert widget.note.text == ""
    assert widget.note.rescale_box.isHidden()


def test_other_intensities(qtbot, viewer, model) -> None:
    layer = viewer.layers["cells"]
    layer.data = np.where(layer.data > np.median(layer.data), 1000, 0).astype(float)
    widget = opened(qtbot, viewer, model)
    qtbot.waitUntil(lambda: "intensities of cells" in widget.note.text, timeout=WAIT)
    assert widget.note.rescale_box.isHidden()
    predicted(qtbot, widget)  # it is a warning
    assert widget.run.failure is None


def test_voxels_are_read_once_for_a_choice(qtbot, viewer, model, monkeypatch) -> None:
    n_reads = []
    real = likeness.sample_slices
    monkeypatch.setattr(
        likeness, "sample_slices", lambda *a: n_reads.append(1) or real(*a)
    )
    widget = opened(qtbot, viewer, model)
    settled(qtbot, widget)
    widget.maps_box.setChecked(True)
    settled(qtbot, widget)
    assert len(n_reads) == 1
    viewer.add_image(disks((80, 90), 8)[0], name="others")
    widget.images.check([viewer.layers["others"]])
    settled(qtbot, widget)
    assert len(n_reads) == 2


def test_rescaling_is_offered_and_done(qtbot, viewer, model) -> None:
    layer = viewer.layers["cells"]
    layer.scale = (1.0, 1.0)
    widget = opened(qtbot, viewer, model)
    widget.show()
    assert "trained on 0.5 × 0.5 µm" in widget.note.text
    assert widget.note.rescale_box.isVisible()
    widget.note.rescale_box.setChecked(True)
    assert "trained on" not in widget.note.text
    assert widget.note.rescale_box.isVisible()  # so that it can be taken back
    predicted(qtbot, widget)
    assert widget.run.failure is None
    image = Image(layer.data, "YX", (1.0, 1.0), name="cells")
    found = viewer.layers["cells segmentation"].data
    expected = predict(model, image, device="cpu", rescale=True).labels.array
    np.testing.assert_array_equal(found, expected)
    plain = predict(model, image, device="cpu").labels.array
    assert (found != plain).any()
