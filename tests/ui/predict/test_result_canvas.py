from __future__ import annotations

import numpy as np
from tests.objects.touching import perfect, touching_balls

from napari_segtrain.config import DistancesTarget, InferenceConfig
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.inference.regions import RegionBlock
from napari_segtrain.models import Decision
from napari_segtrain.objects.seeded import evidence_of, make_objects
from napari_segtrain.ui.predict.result_canvas import (
    FormerArrays,
    ResultCanvas,
    fingerprint_of,
)
from napari_segtrain.ui.predict.scope import Frame

BACK = ClassInfo(0, "background", "#000000", "background")
CLASSES = ClassTable((BACK, ClassInfo(300, "a", "#ff0000")))
OBJECTS = ClassTable((BACK, ClassInfo(1, "a", "#ff0000")), is_objects=True)

NOTHING = InferenceConfig()
BYTES = InferenceConfig(probabilities="uint8")


def paint(canvas, index, where, probabilities, spread=None):
    canvas.paint(RegionBlock(index, where, probabilities, spread))


def box(z=(0, 1), y=(0, 4), x=(0, 5)):
    return slice(*z), slice(*y), slice(*x)


def certain(mask):
    """Probabilities (K, Z, Y, X) of a mask (Z, Y, X)."""
    return np.stack([~mask, mask]).astype(np.float32)


def test_a_block_lands_in_the_axes_of_the_result() -> None:
    mask = np.zeros((2, 4, 5), bool)
    mask[1, 2, 3] = True
    for axes in ("TZYX", "ZTXY", "TCZYX", "XYZT"):
        sizes = {"T": 3, "C": 1, "Z": 6, "Y": 4, "X": 5}
        canvas = ResultCanvas(
            Frame(axes, tuple(sizes[a] for a in axes)), CLASSES, BYTES
        )
        paint(canvas, {"T": 2}, box((3, 5)), certain(mask))
        assert canvas.labels.dtype == np.uint16
        (place,) = np.argwhere(canvas.labels == 300)
        where = dict(zip(axes, place, strict=True))
        assert where == {"T": 2, "Z": 4, "Y": 2, "X": 3} | (
            {"C": 0} if "C" in axes else {}
        )
        assert canvas.maps.shape == (2, *canvas.labels.shape)
        np.testing.assert_array_equal(canvas.maps[1] == 255, canvas.labels == 300)


def test_a_cropped_result_counts_from_its_origin() -> None:
    frame = Frame("TZYX", (1, 2, 4, 5), {"T": 7, "Z": 3})
    canvas = ResultCanvas(frame, CLASSES, NOTHING)
    paint(canvas, {"T": 7}, box((4, 5)), certain(np.ones((1, 4, 5), bool)))
    np.testing.assert_array_equal(np.unique(np.nonzero(canvas.labels)[1]), [1])


def test_objects_of_a_slice_get_ids_of_their_own() -> None:
    canvas = ResultCanvas(Frame("ZYX", (3, 4, 5)), OBJECTS, NOTHING)
    mask = np.zeros((1, 4, 5), bool)
    mask[0, 0, 0] = mask[0, 3, 3] = True
    for z in (0, 2):
        part = box((z, z + 1))
        canvas.begin([{}], part)
        paint(canvas, {}, part, certain(mask))
        canvas.finish([{}], part)
    assert np.unique(canvas.labels).tolist() == [0, 1, 2, 3, 4]
    assert np.unique(canvas.labels[2]).tolist() == [0, 3, 4]


def test_an_object_reaches_through_blocks() -> None:
    canvas = ResultCanvas(Frame("ZYX", (3, 4, 5)), OBJECTS, NOTHING)
    whole = box((0, 3))
    canvas.begin([{}], whole)
    for z in (1, 0, 2):
        paint(canvas, {}, box((z, z + 1)), certain(np.ones((1, 4, 5), bool)))
    canvas.finish([{}], whole)
    assert np.unique(canvas.labels).tolist() == [1]


def test_touching_objects_are_separated_across_blocks_and_slices() -> None:
    ids = touching_balls((4, 40, 40), (3, 1, 1), n=6)
    recipe = ObjectRecipe(DistancesTarget(), (3, 1, 1))
    probabilities = perfect(ids, recipe, is_2d=False)
    canvas = ResultCanvas(Frame("ZYX", ids.shape), OBJECTS, BYTES, objects=recipe)
    whole = box((0, 4), (0, 40), (0, 40))
    canvas.begin([{}], whole)
    for z in (1, 0, 2, 3):
        part = box((z, z + 1), (0, 40), (0, 40))
        paint(canvas, {}, part, probabilities[:, z : z + 1])
        assert set(np.unique(canvas.labels)) <= {0, 1}, "only foreground for the time"
    canvas.finish([{}], whole)
    expected = make_objects(evidence_of(probabilities, recipe), recipe)
    np.testing.assert_array_equal(canvas.labels, expected)
    assert expected.max() == 6
    assert len(canvas.maps) == len(canvas.outputs) == 6


def test_nothing_is_painted_into_a_closed_canvas() -> None:
    canvas = ResultCanvas(Frame("YX", (4, 5)), CLASSES, NOTHING)
    canvas.is_closed = True
    paint(canvas, {}, box(), certain(np.ones((1, 4, 5), bool)))
    assert not canvas.labels.any()


def test_fingerprints_tell_any_voxel() -> None:
    labels = np.zeros((40, 50), np.uint8)
    before = fingerprint_of(labels)
    labels[39, 49] = 1
    assert fingerprint_of(labels) != before
    labels[39, 49] = 0
    assert fingerprint_of(labels) == before
    assert fingerprint_of(labels.T) != before


def test_nothing_is_left_of_another_model() -> None:
    mask = np.ones((1, 4, 5), bool)
    canvas = ResultCanvas(Frame("ZYX", (1, 4, 5)), CLASSES, BYTES)
    paint(canvas, {}, box(), certain(mask))
    canvas.clear()
    assert not canvas.labels.any()
    assert canvas.maps is not None
    assert not canvas.maps.any()


def test_the_decision_of_a_model_is_applied_to_the_whole_box() -> None:
    decision = Decision((0.3, 0.7), min_voxels=(0, 3))
    canvas = ResultCanvas(Frame("ZYX", (1, 4, 5)), CLASSES, NOTHING, decision=decision)
    found = np.zeros((1, 4, 5), np.float32)
    found[0, 1, 1:3] = 0.8
    found[0, 1, 3] = 0.65
    found[0, 3, 2:] = 0.75
    for x in ((0, 3), (3, 5)):
        part = found[:, :, slice(*x)]
        paint(canvas, {}, box(x=x), np.stack([1 - part, part]))
    expected = np.zeros((4, 5), bool)
    expected[1, 1:3] = expected[3, 2:] = True
    np.testing.assert_array_equal(canvas.labels[0] == 300, expected)
    canvas.clean([{}], box())
    expected[1] = False
    np.testing.assert_array_equal(canvas.labels[0] == 300, expected)


def test_uncertainty_lies_as_the_labels_do() -> None:
    config = InferenceConfig(probabilities="uint8", uncertainty="deviation")
    canvas = ResultCanvas(Frame("XYZ", (5, 4, 6)), CLASSES, config)
    spread = np.zeros((2, 4, 5), np.float32)
    spread[1, 2, 3] = 0.4
    paint(canvas, {}, box((3, 5)), certain(spread > 0.1), spread)
    assert canvas.uncertainty.dtype == np.uint8
    assert np.argwhere(canvas.uncertainty).tolist() == [[3, 2, 4]]
    assert canvas.uncertainty[3, 2, 4] == 102
    canvas.clear()
    assert not canvas.uncertainty.any()


def test_former_arrays_are_gone_on_with_where_they_fit() -> None:
    config = InferenceConfig(uncertainty="entropy")
    frame = Frame("YX", (4, 5))
    former = FormerArrays(
        np.zeros((4, 5), np.uint16), None, np.zeros((4, 5), np.float32)
    )
    canvas = ResultCanvas(frame, CLASSES, config, former=former)
    assert canvas.labels is former.labels
    assert canvas.uncertainty is former.uncertainty
    other = FormerArrays(former.labels, None, np.zeros((4, 5), np.uint8))
    assert ResultCanvas(frame, CLASSES, config, former=other).uncertainty.dtype == (
        np.float32
    )
