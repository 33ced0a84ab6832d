from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from tests.data.helpers import class_table, facts_of

from napari_segtrain.config import DataConfig
from napari_segtrain.data.classes import describe_labels, propose_classes
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.data.targets import has_only_objects
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassInfo, ClassTable, LabelImage


def propose(*labels, known=None, axes=None, **config):
    facts = [
        fact
        for number, values in enumerate(labels)
        for fact in facts_of(np.asarray(values), axes, image=number)
    ]
    return propose_classes(facts, DataConfig(**config), known)


def with_values(*values, size=20):
    """Labels with about as many voxels of each value, in bands."""
    bands = np.array(values)[np.arange(size) * len(values) // size]
    return np.repeat(bands[:, None], size, axis=1)


def roles(table):
    return {row.value: row.role for row in table.rows}


class TestDense:
    def test_zero_is_the_background_and_the_other_values_are_classes(self):
        table = propose(with_values(0, 1, 2))
        assert table.zero == "dense"
        assert roles(table) == {0: "background", 1: "class", 2: "class"}
        assert table.names == ("background", "class 1", "class 2")
        assert not table.is_objects

    def test_one_value_is_the_foreground(self):
        assert propose(with_values(0, 1)).names == ("background", "foreground")

    def test_voxels_of_all_images_are_counted(self):
        table = propose(with_values(0, 1), with_values(0, 0, 0, 3))
        assert {r.value: r.n_voxels for r in table.rows} == {0: 500, 1: 200, 3: 100}

    def test_labels_without_zero_have_classes_only(self):
        table = propose(with_values(1, 2, 3))
        assert roles(table) == {1: "class", 2: "class", 3: "class"}
        assert table.foreground == (0, 1, 2)

    def test_values_with_gaps_and_below_zero(self):
        table = propose(with_values(-4, 0, 7, 300))
        assert table.values == (0, -4, 7, 300)

    def test_bool_and_float_labels(self):
        assert propose(with_values(0, 1) > 0).values == (0, 1)
        assert propose(with_values(0, 2).astype(np.float32)).values == (0, 2)

    @given(st.sets(st.integers(-100, 70_000), min_size=2, max_size=7))
    def test_every_value_is_a_class_once_and_the_background_is_first(self, values):
        table = propose(with_values(*sorted(values)), ignore=())
        assert sorted(table.values) == sorted(values)
        assert (table.values[0] == 0) == (0 in values)
        assert len({row.color for row in table.rows}) == len(values)


class TestIgnored:
    def test_255_alone_beside_0_is_a_class(self):
        table = propose(with_values(0, 255))
        assert roles(table) == {0: "background", 255: "class"}

    @pytest.mark.parametrize("values", [(0, 1, 255), (1, 2, 255), (0, 1, 2, 3, 255)])
    def test_255_beside_classes_in_a_row_is_unlabelled(self, values):
        table = propose(with_values(*values))
        assert table.unlabelled_values == (255,)
        assert table.n_classes == len(values) - 1

    @pytest.mark.parametrize(
        "values", [(0, 1, 7, 255), (0, 128, 255), (0, 64, 128, 255)]
    )
    def test_255_beside_values_with_gaps_is_a_class(self, values):
        assert propose(with_values(*values)).values == values

    def test_what_is_ignored_can_be_said(self):
        assert propose(with_values(0, 1, 255), ignore=()).values == (0, 1, 255)
        table = propose(with_values(0, 1, 9), ignore=(9,))
        assert roles(table) == {0: "background", 1: "class", 9: "unlabelled"}
        table = propose(with_values(0, 1, 2), ignore=(0,), zero="unlabelled")
        assert table.values == (1, 2)
        assert table.unlabelled_values == (0,)


class TestStrokes:
    def test_bundled_strokes_leave_zero_unlabelled(self):
        folder = sample_dir("axons") / "train" / "strokes"
        table = propose(*[tifffile.imread(path) for path in sorted(folder.iterdir())])
        assert table.zero == "unlabelled"
        assert table.unlabelled_values == (0,)
        assert table.values == (1, 2, 3)
        assert table.names[0] == "background"

    def test_bundled_dense_labels_stay_dense(self):
        folder = sample_dir("axons") / "train" / "label"
        table = propose(*[tifffile.imread(path) for path in sorted(folder.iterdir())])
        assert table.zero == "dense"
        assert table.values == (0, 1, 2)

    def test_strokes_on_a_few_slices_of_a_stack(self):
        folder = sample_dir("axons") / "train" / "strokes"
        plane = tifffile.imread(sorted(folder.iterdir())[0])[:400, :400]
        stack = np.zeros((12, 400, 400), np.uint8)
        stack[3], stack[8] = plane, plane[::-1]
        assert propose(stack).zero == "unlabelled"

    def test_strokes_of_one_class_need_a_background(self):
        labels = np.zeros((200, 200), np.uint8)
        labels[50:53, 20:180] = labels[90:93, 20:180] = 1
        assert propose(labels).zero == "dense"

    def test_the_user_decides(self):
        folder = sample_dir("axons") / "train" / "strokes"
        strokes = tifffile.imread(sorted(folder.iterdir())[0])
        assert propose(strokes, zero="dense").values == (0, 1, 2, 3)
        table = propose(with_values(0, 1, 2), zero="unlabelled")
        assert roles(table) == {1: "background", 0: "unlabelled", 2: "class"}

    def test_the_painted_background_is_the_value_with_that_name(self):
        table = propose(
            with_values(0, 1, 2),
            zero="unlabelled",
            classes={1: "cell", 2: "Background"},
        )
        assert table.values == (2, 1)
        assert roles(table)[2] == "background"

    def test_without_a_background_every_painted_value_is_a_class(self):
        names = {1: "axon", 2: "myelin"}
        table = propose(with_values(0, 1, 2), zero="unlabelled", classes=names)
        assert roles(table) == {0: "unlabelled", 1: "class", 2: "class"}


class TestPaintedSlices:
    stack = np.zeros((12, 10, 10), np.uint8)
    stack[[2, 9], :5] = 1

    def test_zero_counts_in_painted_slices_only(self):
        table = propose(self.stack)
        assert table.zero == "painted-slices"
        assert [row.n_voxels for row in table.rows] == [100, 100]

    def test_the_user_decides(self):
        table = propose(self.stack, zero="dense")
        assert [row.n_voxels for row in table.rows] == [1100, 100]

    def test_frames_of_a_movie_are_as_slices(self):
        assert propose(self.stack, axes="TYX").zero == "painted-slices"

    def test_bundled_volumes_with_empty_slices_are_dense(self):
        for path in sample_dir("embryo").glob("*/label/*.tif"):
            labels = tifffile.imread(path)
            assert not labels.any(axis=(1, 2)).all()
            assert propose(labels).zero == "dense"


class TestObjects:
    def nuclei(self):
        folder = sample_dir("nuclei") / "train" / "label"
        return [tifffile.imread(path) for path in sorted(folder.iterdir())]

    def test_bundled_ids_train_as_foreground(self):
        labels = self.nuclei()
        table = propose(*labels)
        assert table.is_objects
        assert table.names == ("background", "foreground")
        assert [row.n_voxels for row in table.rows] == [
            sum(int((image == 0).sum()) for image in labels),
            sum(int((image != 0).sum()) for image in labels),
        ]

    def test_the_user_decides(self):
        assert propose(with_values(0, 1, 2), target="instances").is_objects
        assert not propose(*self.nuclei(), target="semantic").is_objects

    def test_named_values_are_classes(self):
        assert not propose(*self.nuclei(), classes={1: "nucleus"}).is_objects

    def test_ignored_values_are_no_objects(self):
        table = propose(with_values(0, 3, 4, 99), target="instances", ignore=(99,))
        labels = np.array([0, 3, 4, 99])
        assert table.to_index(labels).tolist() == [0, 1, 1, 255]

    def test_ids_need_a_background(self):
        with pytest.raises(DataError, match=r"need a background.*data\.ignore"):
            propose(with_values(0, 1, 2), target="instances", ignore=(0,))

    def test_sparse_ids_have_a_background_although_0_is_unlabelled(self):
        settings = {"target": "instances", "zero": "unlabelled"}
        table = propose(with_values(0, 1, 2), **settings)
        assert [row.role for row in table.rows] == ["background", "class"]
        assert has_only_objects(table)
        assert propose(with_values(0, 1, 2), known=table) == table

    def test_with_a_painted_background_0_stays_unlabelled(self):
        settings = {"target": "instances", "zero": "unlabelled", "background": (3,)}
        table = propose(with_values(0, 1, 2, 3), **settings)
        assert [row.role for row in table.rows] == ["background", "class", "unlabelled"]
        assert not has_only_objects(table)


class TestNames:
    def test_from_the_config(self):
        names = {0: "outside", 2: "axon"}
        table = propose(with_values(0, 1, 2), classes=names)
        assert table.names == ("outside", "class 1", "axon")

    def test_and_colors_from_a_table_that_came_with_the_labels(self):
        rows = (ClassInfo(0, "nothing", "#111111"), ClassInfo(2, "axon", "#222222"))
        table = propose(with_values(0, 1, 2), known=ClassTable(rows))
        assert table.names[2] == "axon"
        assert table.classes[2].color == "#222222"

    def test_the_config_wins(self):
        known = class_table(0, 1)
        table = propose(with_values(0, 1), known=known, classes={1: "cell"})
        assert table.names[1] == "cell"

    def test_the_same_name_twice_is_refused(self):
        with pytest.raises(DataError, match=r"'cell'.*1 and 2"):
            propose(with_values(0, 1, 2), classes={1: "cell", 2: "cell"})


def table_of(zero="auto", is_objects=False, **roles_and_names):
    """Table with rows such as ``v3="class axon"``."""
    rows = []
    for key, text in roles_and_names.items():
        role, _, name = text.partition(" ")
        value = int(key[1:])
        rows.append(ClassInfo(value, name or role, f"#0000{value:02x}", role))
    return ClassTable(tuple(rows), is_objects=is_objects, zero=zero)


class TestTablesThatCameWithTheLabels:
    def test_say_what_is_unlabelled(self):
        known = class_table(0, 1, unlabelled=[2])
        assert propose(with_values(0, 1, 2), known=known).unlabelled_values == (2,)
        known = class_table(1, 2, unlabelled=[0], zero="unlabelled")
        assert propose(with_values(0, 1, 2), known=known).zero == "unlabelled"

    def test_say_whether_values_are_objects(self):
        known = class_table(0, 1, is_objects=True)
        assert propose(with_values(0, 3, 4), known=known).is_objects

    def test_say_which_value_is_the_background(self):
        known = table_of("unlabelled", v1="class axon", v3="background outside")
        table = propose(with_values(0, 1, 3), known=known)
        assert table.names == ("outside", "axon")
        assert roles(table) == {3: "background", 1: "class", 0: "unlabelled"}
        assert table.classes[0].color == "#000003"
        assert table.to_index(np.array([0, 1, 3])).tolist() == [255, 1, 0]

    def test_a_painted_background_leaves_0_unlabelled_unless_it_is_said(self):
        known = table_of(v1="background", v2="class")
        assert propose(with_values(0, 1, 2), known=known).zero == "unlabelled"
        assert propose(with_values(0, 1, 2), known=known, zero="dense").values == (0, 2)
        assert propose(with_values(1, 2), known=known).zero == "dense"

    def test_0_may_be_a_class(self):
        known = table_of("dense", v0="class gap", v1="background", v2="class axon")
        table = propose(with_values(0, 1, 2), known=known)
        assert roles(table) == {1: "background", 0: "class", 2: "class"}
        assert table.names == ("background", "gap", "axon")

    def test_255_may_be_a_class(self):
        known = table_of("dense", v255="class axon")
        assert 255 in propose(with_values(0, 1, 255), known=known).values

    @pytest.mark.parametrize("zero", ["dense", "painted-slices", "unlabelled"])
    def test_say_what_0_means(self, zero):
        known = table_of(zero, v1="class a", v2="class b")
        assert propose(with_values(0, 1, 2), known=known).zero == zero

    def test_classes_that_are_not_painted_are_not_trained(self):
        known = table_of("dense", v1="class axon", v2="class soma")
        assert propose(with_values(0, 1), known=known).names == ("background", "axon")

    def test_objects_may_have_a_painted_background(self):
        known = table_of(
            "unlabelled", is_objects=True, v1="background", v2="class nucleus"
        )
        table = propose(with_values(0, 1, 2, 3), known=known)
        assert table.names == ("background", "nucleus")
        assert table.values == (1, 2)
        assert table.to_index(np.arange(5)).tolist() == [255, 0, 1, 1, 1]

    def test_the_config_wins(self):
        known = table_of("dense", v1="class a", v2="unlabelled b", v3="background c")
        table = propose(
            with_values(0, 1, 2, 3),
            known=known,
            zero="unlabelled",
            background=[1],
            ignore=[3],
            classes={2: "soma"},
        )
        expected = {1: "background", 2: "class", 0: "unlabelled", 3: "unlabelled"}
        assert roles(table) == expected
        assert table.names == ("a", "soma")


class TestSeveralBackgrounds:
    known = table_of("dense", v0="background", v2="class axon", v3="background gap")

    def test_are_one_class_written_as_0(self):
        table = propose(with_values(0, 2), with_values(2, 3), known=self.known)
        assert table.values == (0, 2)
        assert table.classes[0].aliases == (3,)
        assert table.to_index(np.array([0, 2, 3], np.uint8)).tolist() == [0, 1, 0]
        assert table.to_index(np.array([0, 2, 3], np.int64)).tolist() == [0, 1, 0]
        assert table.to_values(np.array([0, 1], np.uint8)).tolist() == [0, 2]
        assert [row.n_voxels for row in table.rows] == [400, 400]

    def test_without_0_the_least_is_written(self):
        table = propose(with_values(1, 4, 7), background=(7, 4))
        assert table.classes[0].all_values == (4, 7)

    def test_from_the_config(self):
        table = propose(with_values(0, 2, 3), background=[0, 3])
        assert table.classes[0].all_values == (0, 3)
        assert table.zero == "dense"
        table = propose(with_values(0, 2, 3), background=[3])
        assert roles(table) == {3: "background", 2: "class", 0: "unlabelled"}
        table = propose(with_values(0, 2, 3), background=[])
        assert set(roles(table).values()) == {"class"}


class TestTooLittle:
    @pytest.mark.parametrize("values", [(0,), (0, 0)])
    def test_empty_labels(self, values):
        with pytest.raises(DataError, match=r"labels are empty.*paint at least two"):
            propose(with_values(*values))

    def test_nothing_but_unlabelled_voxels(self):
        with pytest.raises(DataError, match="labels are empty"):
            propose(with_values(7, 9), ignore=(7, 9))

    def test_one_class(self):
        with pytest.raises(
            DataError, match=r"one class only.*value 3, 400 voxels.*as 0"
        ):
            propose(with_values(3))

    def test_one_painted_class(self):
        with pytest.raises(DataError, match=r"one class only.*--zero dense"):
            propose(with_values(0, 1), zero="unlabelled")

    def test_nothing_but_an_ignored_zero_and_a_class(self):
        with pytest.raises(DataError, match="one class only"):
            propose(with_values(0, 1), ignore=(0,))

    def test_more_values_than_classes(self):
        with pytest.raises(
            DataError, match=r"300 different values.*--target instances"
        ):
            propose(np.arange(301).repeat(3)[None], target="semantic")


def test_labels_that_are_only_looked_at_may_be_empty():
    table = describe_labels([LabelImage(np.zeros((9, 9), int))], DataConfig())
    assert table.values == (0,)


def test_labels_are_described_with_the_table_that_they_carry():
    labels = LabelImage(with_values(0, 5), classes=class_table(0, 5, is_objects=True))
    assert describe_labels([labels], DataConfig()).is_objects


def test_values_that_are_no_labels_are_named_with_their_image():
    labels = LabelImage(with_values(0, 1) / 2, name="mask_07")
    with pytest.raises(DataError, match=r"0\.5 in mask_07"):
        describe_labels([labels], DataConfig())
