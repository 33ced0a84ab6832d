from __future__ import annotations

import time
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.config.plain_yaml import (
    MAX_DEPTH,
    PlainYamlError,
    dump_plain_yaml,
    load_plain_yaml,
)

words = st.sampled_from(
    ["yes", "No", "on", "010", "0x1F", "1_000", "1:30", "1e-5", "12e03", ".5", "-", "~",
     "null", "", "=", "<<", "2020-01-01", ".inf", "a: b", "# no", "&a", "*a", "!a", "é"]
)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False)
    | words
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(words | st.integers(0, 300), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(values, st.booleans())
def test_what_is_written_is_read(value, is_flow):
    assert load_plain_yaml(dump_plain_yaml(value, is_flow=is_flow)) == value


@given(values)
def test_other_readers_of_yaml_read_the_same(value):
    assert yaml.safe_load(dump_plain_yaml(value)) == value


def test_order_is_kept_and_shared_values_are_written_twice():
    shared = [1, 2]
    text = dump_plain_yaml({"b": shared, "a": shared})
    assert "&" not in text
    assert list(load_plain_yaml(text).items()) == [("b", [1, 2]), ("a", [1, 2])]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-3", -3),
        (".5", 0.5),
        ("010", "010"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("true", True),
        ("2024-05-01", "2024-05-01"),
        ("1" * 5000, float("inf")),
        ("", None),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    assert load_plain_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !mine 3", "tag"),
        ("a: &x [1]\nb: *x", r"anchors and aliases.*line 1"),
        ("a: 1\nb: *x", r"anchors and aliases.*line 2"),
        ("a: [1", "line"),
        ("a: b: c", "line 1"),
        ("{[]: 1}", "unhashable"),
        ("a\0b", "control characters"),
        ("--- 1\n--- 2", "another document"),
        ("[" * (MAX_DEPTH + 1), "nested too deeply"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_reason(text, reason):
    with pytest.raises(PlainYamlError, match=reason):
        load_plain_yaml(text)


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n"
        + "\n".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 12)),
        "[" * 1_000_000,
        "- " * 1_000_000,
        "{a: " * 500_000,
        "1:" * 1_000_000 + "0",
        "9" * 3_000_000,
    ],
    ids=["billion laughs", "brackets", "dashes", "braces", "base 60", "digits"],
)
def test_hostile_text_costs_little_time(text):
    start = time.perf_counter()
    with suppress(PlainYamlError):
        assert isinstance(load_plain_yaml(text), str | float)
    assert time.perf_counter() - start < 3
