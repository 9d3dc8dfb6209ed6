from __future__ import annotations

import dataclasses

import pytest

from persam.cli.model_args import Component, resolve_variant
from persam.errors import InputError
from persam.variants import Variant


def test_nothing_asked_for_is_the_named_recipe():
    for name in ("default", "official"):
        for method in ("persam", "persam-f"):
            assert resolve_variant(name, method) == Variant.named(name, method)


def test_the_default_is_the_models_own_recipe():
    own = resolve_variant("default", "persam", own="pocket")
    assert own == Variant.named("pocket", "persam")
    assert resolve_variant("official", "persam", own="pocket") == Variant.named(
        "official", "persam"
    )


@pytest.mark.parametrize("part", list(Component))
def test_each_part_switches_one_field_off(part):
    own = "default" if getattr(Variant.named("default", "persam"), part.field) else "pocket"
    before = dataclasses.asdict(Variant.named(own, "persam"))
    after = dataclasses.asdict(resolve_variant("default", "persam", [part.value], own=own))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {part.field}
    assert not after[part.field]


def test_parts_and_alpha_add_up():
    got = resolve_variant("official", "persam", ["refine-box", "refine-mask", "refine-box"], 0.5)
    assert (got.refine_box, got.refine_mask, got.alpha) == (False, False, 0.5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("default", "persam", ["colour"]), "--without knows smoothing, .*'colour'"),
        (("official", "persam-f", ["guided-attention"]), "official recipe of persam-f has no such"),
        (("official", "persam", None, -1.0), "at least 0; got -1"),
        (("official", "persam", None, float("nan")), "finite"),
        (("official", "persam", ["guided-attention"], 2.0), "would do nothing"),
        (("official", "persam-f", None, 2.0), "would do nothing"),
        (("best", "persam"), "best"),
    ],
)
def test_options_that_do_not_fit(arguments, said):
    with pytest.raises(InputError, match=said):
        resolve_variant(*arguments)
