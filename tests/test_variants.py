from __future__ import annotations

import json
from dataclasses import replace

import pytest

from persam.errors import InputError
from persam.variants import Variant

# What the official scripts do, written down from their description and not from the table.
OFFICIAL = {
    "persam": {"pooling": "mean", "negative_point": True, "guided_attention": True}
    | {"semantic_prompt": True, "box_in_step_2": False},
    "persam-f": {"pooling": "mean+max", "negative_point": False, "guided_attention": False}
    | {"semantic_prompt": False, "box_in_step_2": True},
}


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_official_rows_are_the_scripts(method):
    variant = Variant.named("official", method)
    for name, value in OFFICIAL[method].items():
        assert getattr(variant, name) == value, name
    assert (variant.foreground, variant.guide_frame, variant.fit) == ("official",) * 3
    assert (variant.contrast, variant.prior_mask, variant.alpha) == (0, 0, 1)
    assert not variant.keep_best
    assert not variant.one_piece
    assert variant.refine_mask
    assert variant.refine_box


@pytest.mark.parametrize("name", ["default", "official", "pocket"])
@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_json_round_trip(name, method):
    variant = Variant.named(name, method)
    assert Variant.from_json(variant.to_json()) == variant


def test_a_variant_from_before_there_were_all_switches_has_none_of_them():
    stored = json.loads(Variant.named("pocket", "persam").to_json())
    del stored["one_piece"], stored["second_look"], stored["shrinkage"]
    assert Variant.from_json(json.dumps(stored)) == replace(
        Variant.named("pocket", "persam"), one_piece=False, second_look=0.0, shrinkage=0.0
    )


def test_unknown_recipe_names_the_known_ones():
    with pytest.raises(InputError, match=r"default persam.*got 'best'"):
        Variant.named("best", "persam")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pooling", "median"),
        ("foreground", None),
        ("alpha", -1.0),
        ("alpha", float("nan")),
        ("contrast", "0.5"),
        ("smoothing", 1.5),
        ("min_presence", 1.5),
        ("min_presence", -0.1),
        ("parts", -1),
        ("parts", 2.0),
        ("parts", True),
        ("prior_mask", True),
        ("negative_point", 1),
        ("positive_points", 0),
        ("positive_points", 1.5),
    ],
)
def test_bad_fields_are_refused_by_name(field, value):
    with pytest.raises(InputError, match=field.split("_")[0]):
        replace(Variant(), **{field: value})


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"alpha": 1}'])
def test_stored_rubbish_is_refused(text):
    with pytest.raises(InputError):
        Variant.from_json(text)


def test_stored_field_of_another_version_is_refused():
    values = json.loads(Variant().to_json()) | {"moonlight": 1}
    with pytest.raises(InputError, match="moonlight"):
        Variant.from_json(json.dumps(values))
