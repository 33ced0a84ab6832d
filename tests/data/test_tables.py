from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from tests.data.helpers import make_dataset
from tests.data.test_classes import table_of, with_values

from napari_segtrain.config import DataConfig, parse_experiment
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.tables import disagreements, merge_tables, settle
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.io import read_labels, write_labels


def dataset(*tables, values=(0, 1, 2)):
    samples = make_dataset(*[with_values(*values, size=60)] * len(tables)).samples
    pairs = zip(samples, tables, strict=True)
    return Dataset(tuple(replace(s, labels=s.labels.with_classes(t)) for s, t in pairs))


def gather(*tables, values=(0, 1, 2), **data):
    config = parse_experiment({"data": data}, source="x")
    return gather_facts(dataset(*tables, values=values), config)


def test_tables_that_agree_have_no_disagreement():
    first = table_of("dense", v0="background", v1="class axon")
    second = table_of("auto", v0="background", v1="class axon", v2="class soma")
    assert disagreements([first, second, first]) == []
    assert disagreements([first]) == disagreements([]) == []


def test_every_difference_is_a_sentence():
    first = table_of("dense", v1="class axon", v2="background", v3="class soma")
    second = table_of("unlabelled", v1="class glia", v2="class", v3="unlabelled")
    assert disagreements([first, second], ["cell_a", "cell_b"]) == [
        "0 is background everywhere (dense) in cell_a, but not labelled (unlabelled) "
        "in cell_b.",
        "The value 1 is called 'axon' in cell_a, but 'glia' in cell_b.",
        "The value 2 is background in cell_a, but a class in cell_b.",
        "The value 3 is a class in cell_a, but unlabelled in cell_b.",
    ]
    objects = table_of("dense", is_objects=True)
    assert disagreements([first, objects]) == [
        "The values are ids of objects in table 2, but classes in table 1."
    ]


def test_an_unlabelled_row_of_0_is_a_policy():
    first = table_of("auto", v0="unlabelled")
    (sentence,) = disagreements([first, table_of("dense", v0="background")])
    assert sentence.startswith("0 is not labelled")


def test_the_first_table_that_speaks_of_a_thing_decides_it():
    first = table_of("auto", v1="class axon")
    second = table_of("dense", v1="class glia", v2="background gap")
    merged = merge_tables([first, second])
    assert [row.name for row in merged.rows] == ["axon", "gap"]
    assert merged.zero == "dense"
    assert merge_tables([]) is None


def test_aliases_are_rows_of_their_own_again():
    row = ClassInfo(0, "background", "#000000", "background", 9, aliases=(3,))
    merged = merge_tables([ClassTable((row,))])
    assert [(row.value, row.role) for row in merged.rows] == [
        (0, "background"),
        (3, "background"),
    ]


def test_the_config_is_put_over_a_table():
    table = table_of("dense", v0="background", v1="class a", v2="unlabelled")
    config = DataConfig(
        zero="unlabelled", background=(1,), ignore=(), target="instances"
    )
    settled = settle(table, config)
    assert (settled.zero, settled.is_objects) == ("unlabelled", True)
    assert [row.role for row in settled.rows] == ["class", "background", "class"]


def test_names_that_differ_are_told():
    facts = gather(
        table_of("dense", v1="class axon"), table_of("dense", v1="class glia")
    )
    assert "axon" in facts.classes.names
    (sentence,) = facts.disagreements
    assert "'axon' in sample 0, but 'glia' in sample 1" in sentence


@pytest.mark.parametrize(
    ("second", "words", "remedy"),
    [
        ({"zero": "unlabelled"}, r"0 is background.* in sample 0", {"zero": "dense"}),
        ({"v1": "background"}, "The value 1 is a class", {"background": [0]}),
        ({"v2": "unlabelled"}, "The value 2 is a class", {"ignore": []}),
        ({"is_objects": True}, "ids of objects in sample 1", {"target": "semantic"}),
    ],
)
def test_tables_that_contradict_each_other_are_refused(second, words, remedy):
    first = {"zero": "dense", "v1": "class a", "v2": "class b"}
    tables = table_of(**first), table_of(**{**first, **second})
    with pytest.raises(DataError, match=words):
        gather(*tables)
    assert gather(*tables, **remedy).classes.values == (0, 1, 2)


def test_a_table_holds_for_labels_without_one():
    table = table_of("unlabelled", v1="background", v2="class axon")
    facts = gather(None, table)
    assert facts.classes.names == ("background", "axon")
    assert facts.classes.zero == "unlabelled"


def test_classes_that_are_not_painted_are_remembered():
    table = table_of(
        "dense", v1="class a", v2="class b", v7="class soma", v9="unlabelled"
    )
    assert [row.name for row in gather(table).absent] == ["soma"]


def test_what_a_table_calls_unlabelled_makes_no_slice_used():
    labels = np.zeros((8, 40, 40), np.uint8)
    labels[2, :20] = 1
    labels[5] = 9
    (sample,) = make_dataset(labels).samples
    table = table_of("painted-slices", v1="class a", v9="unlabelled")
    sample = replace(sample, labels=sample.labels.with_classes(table))
    facts = gather_facts(Dataset((sample,)), parse_experiment({}, source="x"))
    assert np.flatnonzero(facts.used[0]).tolist() == [2]
    assert facts.class_voxels == (800, 800)


TABLES = [
    table_of("dense", v0="background", v1="class a", v2="background"),
    table_of("dense", v0="class z", v1="background", v2="class b"),
    table_of("unlabelled", v0="unlabelled", v1="background", v2="class b"),
    table_of("unlabelled", v0="unlabelled", v1="class a", v2="class b"),
    table_of("painted-slices", v0="background", v1="class a", v2="unlabelled"),
    table_of("dense", v1="class a", v2="class b"),
]


@pytest.mark.parametrize("table", TABLES)
def test_everything_that_a_table_says_can_be_said_in_the_config(table):
    rows = table.rows
    has_zero = table.zero != "unlabelled" and not any(
        row.value == 0 and row.role == "class" for row in rows
    )
    painted = [r.value for r in rows if r.role == "background" and r.value]
    said = gather(
        None,
        zero=table.zero,
        background=[0] * has_zero + painted,
        ignore=[r.value for r in rows if r.role == "unlabelled" and r.value],
        classes={r.value: r.name for r in rows if r.role != "unlabelled"},
    ).classes
    known = gather(table).classes
    assert said.zero == known.zero
    assert [(r.all_values, r.name, r.role, r.n_voxels) for r in said.classes] == [
        (r.all_values, r.name, r.role, r.n_voxels) for r in known.classes
    ]
    assert said.unlabelled_values == known.unlabelled_values


def test_tables_with_aliases_are_kept_in_files_and_models(tmp_path):
    row = ClassInfo(0, "background", "#000000", "background", 9, aliases=(3, 4))
    table = ClassTable((row, ClassInfo(1, "cell", "#ff0000")))
    write_labels(tmp_path / "a.ome.tif", np.zeros((5, 5), np.uint8), classes=table)
    assert read_labels(tmp_path / "a.ome.tif").classes == table
    adapter = TypeAdapter(ClassTable)
    assert adapter.validate_json(adapter.dump_json(table)) == table
    older = {"value": 1, "name": "cell", "color": "#ff0000", "role": "class"}
    assert TypeAdapter(ClassInfo).validate_python(older).aliases == ()
