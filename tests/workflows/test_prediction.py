"""``predict`` takes arrays and paths, and gives what can be saved and scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.cli.helpers import disks, iou

from napari_segtrain import (
    Image,
    Model,
    evaluate,
    load_model,
    predict,
    read_labels,
    train,
    write_labels,
)
from napari_segtrain.inference.likeness import differences_from_training, sample_image
from napari_segtrain.models import save_model
from napari_segtrain.workflows.run_info import read_run_info


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    images, labels = zip(*(disks((96, 96), seed) for seed in range(3)), strict=True)
    result = train(
        list(images),
        list(labels),
        output=tmp_path_factory.mktemp("model") / "run",
        iterations=40,
        network={"depth": 1, "first_filters": 8, "stem": 1},
        sampling={"patch_size": (1, 48, 48), "batch_size": 8},
        training={"learning_rate": 0.03},
        validation={"kind": "none"},
    )
    return load_model(result.model_path)


def test_every_form_of_an_image_gives_the_same(model: Model, tmp_path: Path) -> None:
    image, truth = disks((60, 50), 7)
    tifffile.imwrite(tmp_path / "a.tif", image)
    forms = (image, Image(image), tmp_path / "a.tif", str(tmp_path / "a.tif"))
    first, *others = (predict(model, form).labels.array for form in forms)
    assert iou(truth, first, 100) > 0.8
    assert all(np.array_equal(first, other) for other in others)


def test_what_is_predicted_can_be_saved_and_scored(
    model: Model, tmp_path: Path
) -> None:
    image, truth = disks((60, 50), 7)
    labels = predict(model, Image(image, voxel_size=(0.5, 0.25))).labels
    write_labels(tmp_path / "a.tif", labels)
    again = read_labels(tmp_path / "a.tif")
    assert again.voxel_size == (0.5, 0.25)
    assert again.classes == labels.classes
    assert evaluate(truth, labels).iou == evaluate(truth, tmp_path / "a.tif").iou > 0.8


def test_settings_axes_and_slices(model: Model) -> None:
    images = np.stack([disks((40, 50), seed)[0] for seed in range(4)])
    whole = predict(model, images, axes="TYX", probabilities="float32")
    assert whole.labels.axes == "TYX"
    assert whole.probabilities.axes == "TCYX"
    assert np.allclose(whole.probabilities.array.sum(1), 1, atol=1e-5)
    part = predict(model, images, slices=(1, 3))
    assert part.labels.axes == "ZYX"
    assert part.first_slice == 1
    assert np.array_equal(part.labels.array, whole.labels.array[1:3])


def test_a_training_notes_what_it_saw(model: Model) -> None:
    spec = model.spec
    assert spec.intensities is not None
    assert spec.intensities.n_slices == 3
    like, _ = disks((96, 96), 9)
    for array, kinds in ((like, []), (255 - like, ["intensities"])):
        image = Image(array)
        found = differences_from_training(spec, image, sample_image(image))
        assert [each.kind for each in found] == kinds


def test_what_is_known_without_loading_a_model_suffices(
    model: Model, tmp_path: Path
) -> None:
    save_model(tmp_path / "model", model.spec, model.network.state_dict())
    info = read_run_info(tmp_path / "model")
    assert (info.normalization, info.intensities) == (
        model.spec.normalization,
        model.spec.intensities,
    )
    image = Image(255 - disks((96, 96), 9)[0])
    sample = sample_image(image)
    found = differences_from_training(info, image, sample)
    assert found == differences_from_training(model.spec, image, sample)


def test_at_the_voxel_size_of_the_training(model: Model) -> None:
    sized = replace(model, spec=replace(model.spec, voxel_size=(0.4, 0.4)))
    image, truth = disks((60, 50), 7)
    large, large_truth = (a.repeat(3, 0).repeat(3, 1) for a in (image, truth))
    fine = Image(large, voxel_size=(0.4 / 3, 0.4 / 3))
    labels = predict(sized, fine, rescale=True).labels.array
    assert labels.shape == (180, 150)
    assert np.mean([iou(large_truth, labels, value) for value in (100, 255)]) > 0.8
