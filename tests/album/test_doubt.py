from __future__ import annotations

from dataclasses import replace

import made_labels as made
import numpy as np
import plush
import pytest

from persam import samples
from persam.album.doubt import DoubtSigns, doubt_signs, presence_sign, shape_numbers, shape_sign
from persam.integrations.open_concepts import open_concepts
from persam.io.images import read_image

SIZE = (80, 120)


def test_presence_doubts_at_the_threshold_alone():
    values = [presence_sign(one, 0.4) for one in (0.0, 0.2, 0.4, 0.7, 1.0)]
    assert values == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])
    assert presence_sign(0.3, 0.0) == pytest.approx(0.7)


def test_shapes_alike_wherever_and_however_large():
    small, large = made.disc(SIZE, 20, 20, 10), made.disc(SIZE, 70, 40, 30)
    assert shape_sign(small, [large]) < 0.1
    bar = np.zeros(SIZE, bool)
    bar[38:42, 5:115] = True
    crumbs = np.random.default_rng(0).random(SIZE) < 0.2
    assert shape_sign(bar, [large]) > 0.5
    assert shape_sign(crumbs, [large]) > 0.5
    assert shape_sign(bar, [large, bar]) == 0.0
    assert shape_sign(np.zeros(SIZE, bool), [large]) == 0.0
    assert shape_numbers(large) == pytest.approx([0, 1, 0], abs=0.05)


def test_the_sign_that_weighs_most_is_the_reason():
    assert DoubtSigns().doubt == 0
    assert DoubtSigns().reason == ""
    assert DoubtSigns(contested=0.9, score=0.1).reason == "two objects claim the same pixels"
    assert DoubtSigns(1, 1, 1, 1, 1).doubt == 1
    assert DoubtSigns(score=0.5).doubt < DoubtSigns(score=1.0).doubt < 1


def test_references_that_disagree_and_objects_that_claim_the_same(plush_concepts):
    objects = open_concepts(plush_concepts, device="cpu")
    embedding = objects.backbone.encode(read_image(samples.files(samples.PICTURES, 2)[0]))
    concept = objects.concepts["plush dog"]
    one, signs = doubt_signs(objects.concepts, embedding)["plush dog"]
    assert plush.iou(one.mask, plush.truth(2)) > 0.8
    assert signs.disagreement < 0.2
    assert signs.contested == 0
    # A reference that shows the background in place of the dog makes the answers differ.
    wrong = concept.correct(samples.files(samples.PICTURES, 3)[0], mask=~plush.truth(3))
    confused = doubt_signs({"plush dog": wrong}, embedding)["plush dog"][1]
    assert confused.disagreement > signs.disagreement
    twins = {"one": concept, "two": replace(concept)}
    contested = doubt_signs(twins, embedding)
    assert max(signs.contested for _, signs in contested.values()) > 0.9
