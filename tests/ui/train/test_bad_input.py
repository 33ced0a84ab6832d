"""Everything that can be wrong ends in one sentence, and the next try works."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.bad_input.test_disk import FullDisk
from tests.devices import absent_device
from tests.training.tasks import disks, make_config

from napari_segtrain.ui.train.training_widget import TrainingWidget

WAIT = 30_000
Trouble = Callable[[ViewerModel, TrainingWidget, pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Case:
    """What is wrong, the words that must be said, and whether it looks like a bug."""

    name: str
    make: Trouble
    words: tuple[str, ...]
    has_details: bool = False

    def __str__(self) -> str:
        return self.name


def no_layers(viewer, _widget, _patch) -> None:
    viewer.layers.clear()


def no_image(viewer, _widget, _patch) -> None:
    viewer.layers.remove("disks")


def no_labels(viewer, _widget, _patch) -> None:
    viewer.layers.remove("truth")


def nothing_painted(viewer, _widget, _patch) -> None:
    viewer.layers["truth"].data = np.zeros((96, 96), np.uint8)


def one_class(viewer, _widget, _patch) -> None:
    viewer.layers["truth"].data = np.ones((96, 96), np.uint8)


def labels_of_another_image(viewer, _widget, _patch) -> None:
    viewer.layers["truth"].data = np.ones((40, 50, 60), np.uint8)


def labels_far_away(viewer, _widget, _patch) -> None:
    viewer.layers["truth"].translate = (500, 500)


def wrong_axes(_viewer, widget, _patch) -> None:
    (row,) = widget.setup_page.samples.table.row_widgets()
    row.axes_edit.setText("ZYX")
    row.axes_edit.setModified(True)


def not_a_number(viewer, _widget, _patch) -> None:
    image = viewer.layers["disks"].data.astype(np.float32)
    image[40:60, 40:60] = np.nan
    viewer.layers["disks"].data = image


def read_only_folder(_viewer, _widget, patch) -> None:
    """Even root cannot make a folder below a file."""
    from napari.settings import get_plugin_settings

    folder = Path(get_plugin_settings("napari-segtrain").general.run_folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file")


def full_disk(_viewer, _widget, patch) -> None:
    patch.setattr(os, "fsync", FullDisk(1))


def full_disk_later(_viewer, _widget, patch) -> None:
    patch.setattr(os, "fsync", FullDisk(6))


def out_of_memory(_viewer, _widget, patch) -> None:
    import torch

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: out of memory")

    patch.setattr(torch.Tensor, "backward", fail)


def no_memory_for_the_plan(_viewer, _widget, patch) -> None:
    from napari_segtrain.workflows import training

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    patch.setattr(training, "gather_facts", fail)


def loose_screw(_viewer, _widget, patch) -> None:
    from napari_segtrain.workflows import training

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a screw is loose")

    patch.setattr(training, "gather_facts", fail)


def no_such_device(_viewer, _widget, _patch) -> None:
    from napari.settings import get_plugin_settings

    get_plugin_settings("napari-segtrain").general.device = absent_device()


def settings(**sections) -> Trouble:
    """Settings that do not go with the data, or with one another."""

    def make(_viewer, widget, _patch) -> None:
        widget.setup_page.form.set_config(make_config(**USUAL, **sections))

    return make


USUAL = {"training": {"length": {"kind": "iterations", "iterations": 6}}}
TOO_DEEP = settings(
    network={"depth": 8, "first_filters": 1}, sampling={"patch_size": "auto"}
)
FLATTENED = settings(network={"flat_levels": 1})
COLORED = settings(augmentation={"color": {"max_hue": 30}})
UNKNOWN_CLASS = settings(loss={"class_weights": {"cell": 3}})


CASES = [
    Case("no layers", no_layers, ("no sample", "add a row")),
    Case("no image", no_image, ("No image is chosen", "open one")),
    Case("no labels", no_labels, ("No labels are chosen", "New training labels")),
    Case("nothing painted", nothing_painted, ("label",), has_details=True),
    Case("one class", one_class, ("class",), has_details=True),
    Case("labels of another image", labels_of_another_image, ("truth",)),
    Case("labels far away", labels_far_away, ("do not overlap", "500 to 595",)),
    Case("wrong axes", wrong_axes, ("ZYX", "disks")),
    Case("not a number", not_a_number, ("disks",), has_details=True),
    Case("no such device", no_such_device, ("only", "cpu"), has_details=True),
    Case("read-only folder", read_only_folder, ("cannot be made",), has_details=True),
    Case("full disk", full_disk, ("disk is full",), has_details=True),
    Case("full disk later", full_disk_later, ("disk is full",), has_details=True),
    Case(
        "out of memory", out_of_memory, ("memory", "first filters"), has_details=True
    ),
    Case(
        "no memory for the plan",
        no_memory_for_the_plan,
        ("Memory ran out",),
        has_details=True,
    ),
    Case("loose screw", loose_screw, ("screw", "report"), has_details=True),
    Case("too deep", TOO_DEEP, ("1 × 1024 × 1024", "depth"), has_details=True),
    Case("flattened", FLATTENED, ("one slice", "dims"), has_details=True),
    Case("colored", COLORED, ("1 channels, not 3",), has_details=True),
    Case("unknown class", UNKNOWN_CLASS, ("'cell'", "name one"), has_details=True),
]  # fmt: skip


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    fill(viewer)
    return viewer


def fill(viewer: ViewerModel) -> None:
    image, labels = disks((96, 96), 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")


@pytest.fixture
def dock(qtbot, viewer, tmp_path: Path, preferences) -> TrainingWidget:
    preferences.run_folder = str(tmp_path / "runs")
    widget = TrainingWidget(viewer)
    qtbot.addWidget(widget)
    widget.setup_page.form.set_config(make_config(**USUAL))
    return widget


def attempt(qtbot, dock: TrainingWidget) -> None:
    """Press Start, and wait until the dock can be used again."""
    dock.controls.start_button.click()
    run = dock.run_page.run
    if run is not None:
        qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert dock.controls.start_button.isVisibleTo(dock)
    assert dock.controls.start_button.isEnabled()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_sentence_and_on_it_goes(
    qtbot, viewer, dock, tmp_path: Path, preferences, case: Case
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        case.make(viewer, dock, patch)
        attempt(qtbot, dock)
        said = dock.messages.text
        check_sentence(said, case.words)
        assert dock.messages.level == "error"
        assert ("Traceback" in dock.messages.details) is case.has_details
    mend(viewer, dock, tmp_path, preferences)
    attempt(qtbot, dock)
    assert dock.messages.text == ""
    assert dock.run_page.run.result.is_complete


def mend(viewer, dock, tmp_path: Path, preferences) -> None:
    preferences.device = "auto"
    preferences.run_folder = str(tmp_path / "elsewhere")
    dock.setup_page.form.set_config(make_config(**USUAL))
    viewer.layers.clear()
    fill(viewer)
    (row,) = dock.setup_page.samples.table.row_widgets()
    row.image_choice.set_layer(viewer.layers["disks"])
    row.labels_choice.set_layer(viewer.layers["truth"])


def check_sentence(text: str, words: tuple[str, ...]) -> None:
    """For a person, without the noise of a program."""
    assert text
    for word in words:
        assert word in text, text
    assert "\n" not in text
    assert len(text) < 500
    assert not {"Traceback", "Exception", "errno"} & set(text.split())
    assert " --" not in text
    assert "sampling." not in text
    assert text.endswith(".")


PLANNED = [case for case in CASES if case.make not in {
    read_only_folder, full_disk, full_disk_later, out_of_memory, not_a_number,
}]  # fmt: skip


@pytest.mark.parametrize("case", PLANNED, ids=str)
def test_the_sentence_stands_where_the_plan_would_be(
    qtbot, viewer, dock, case: Case
) -> None:
    view = dock.setup_page.plan_view
    qtbot.waitUntil(lambda: bool(view.details.text()), timeout=WAIT)
    with pytest.MonkeyPatch.context() as patch:
        case.make(viewer, dock, patch)
        dock.setup_page.form.changed.emit()
        qtbot.waitUntil(lambda: not view.details.text(), timeout=WAIT)
        (said,) = view.remarks()
        check_sentence(said, case.words)


def test_a_model_that_is_gone(qtbot, viewer, dock, tmp_path: Path) -> None:
    from napari_segtrain.ui.session import session_of

    session_of(viewer).choose_base(tmp_path / "gone")
    attempt(qtbot, dock)
    check_sentence(dock.messages.text, ("no model at", "gone"))
    dock.setup_page.base.clear_button.click()
    attempt(qtbot, dock)
    assert dock.messages.text == ""
