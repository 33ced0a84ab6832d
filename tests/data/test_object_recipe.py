from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from napari_segtrain.config import (
    BoundariesTarget,
    DistancesTarget,
    ObjectsConfig,
    PredictedObjectsConfig,
)
from napari_segtrain.data.object_recipe import (
    ObjectRecipe,
    changed_recipe,
    known_recipe,
    plan_objects,
    recipe_words,
)
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import ClassInfo, ClassTable

BACK = ClassInfo(0, "background", "#000000", "background")
OBJECTS = ClassTable((BACK, ClassInfo(1, "cell", "#ff0000")), is_objects=True)
RECIPE = ObjectRecipe(BoundariesTarget(), (2.0, 1.0, 1.0), radius=8.0)


@dataclass(frozen=True)
class Facts:
    """Nuclei in thick sections."""

    classes: ClassTable = OBJECTS
    shapes: tuple = ((20, 80, 80),)
    voxel_size: tuple = (1.0, 0.25, 0.25)
    object_voxels: tuple = (300, 900, 2000)


def changed(recipe, *, is_2d=False, **settings):
    changes = PredictedObjectsConfig.model_validate(settings)
    return changed_recipe(recipe, changes, is_2d=is_2d)


@pytest.mark.parametrize("recipe", [RECIPE, ObjectRecipe(), None])
def test_nothing_changes_unless_it_is_asked_for(recipe):
    assert changed(recipe) == recipe


def test_what_is_asked_for_changes():
    given = {"prominence": 0.3, "min_voxels": 0, "fill_holes": True}
    assert changed(RECIPE, **given) == replace(RECIPE, **given)


@pytest.mark.parametrize("is_2d", [True, False])
def test_smoothing_means_the_same_as_in_the_training(is_2d):
    usual = plan_objects(ObjectsConfig(), Facts(), is_2d=is_2d)
    other = plan_objects(ObjectsConfig(smoothing=0.6), Facts(), is_2d=is_2d)
    assert other.smoothing != usual.smoothing
    assert changed(usual, smoothing=0.6, is_2d=is_2d) == other
    assert usual.smoothing_in_radii == pytest.approx(0.15, abs=1e-3)


def test_a_model_of_classes_makes_no_objects():
    with pytest.raises(ConfigError, match=r"makes no objects.* objects\.prominence"):
        changed(None, prominence=0.1)


@pytest.mark.parametrize("name", ["prominence", "smoothing"])
def test_connected_pieces_are_not_parted(name):
    with pytest.raises(ConfigError, match=rf"each connected piece.* objects\.{name}"):
        changed(ObjectRecipe(radius=8), **{name: 0.5})
    assert changed(ObjectRecipe(), min_voxels=9).min_voxels == 9


def test_a_model_that_does_not_know_its_objects_size():
    recipe = ObjectRecipe(DistancesTarget())
    assert recipe.smoothing_in_radii is None
    with pytest.raises(ConfigError, match=r"does not say how large .* train"):
        changed(recipe, smoothing=0.5)
    assert changed(recipe, prominence=0.5).prominence == 0.5


def test_a_recipe_in_words():
    recipe = replace(RECIPE, smoothing=(0.6, 1.2, 1.2), min_voxels=9, fill_holes=True)
    assert recipe_words(recipe) == (
        "boundaries, prominence 0.02, smoothing 0.15 radii, at least 9 voxels, "
        "holes filled"
    )
    assert recipe_words(ObjectRecipe()) == "connected pieces, at least 0 voxels"


def test_models_that_say_nothing_make_objects_of_pieces():
    assert known_recipe(OBJECTS, None) == ObjectRecipe()
    assert known_recipe(OBJECTS, RECIPE) is RECIPE
    assert known_recipe(replace(OBJECTS, is_objects=False), None) is None
