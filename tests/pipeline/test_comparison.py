from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_many import sample

from persam.methods.persam import personalize
from persam.models.loading import load
from persam.pipeline.comparison import ELSEWHERE, IN_COMPANY, ObjectSet, Standing
from persam.pipeline.multi_object import segment_set
from persam.pipeline.presence import Evidence, judge


@pytest.fixture(scope="module")
def concepts():
    pocket = load("pocket", device="cpu")
    image, mask = sample(0)
    bear = personalize(pocket, sample(4)[0], box=(20, 150, 200, 400))
    return {"dog": personalize(pocket, image, mask=mask), "bear": bear}


def test_offsets_of_a_set_add_up_to_nothing(concepts):
    offsets = ObjectSet.of(concepts).offsets
    assert offsets is not None
    assert sum(offsets.values()) == pytest.approx(0)


def test_objects_together_have_the_evidence_that_each_has_alone(concepts):
    dog, bear = concepts["dog"], concepts["bear"]
    image, mask = sample(0)
    concepts = {"dog": dog, "two": dog.correct(image, mask=mask), "other": dog.reject(image, mask)}
    concepts |= {"bear": bear, "unknown": replace(bear, calibration=None)}
    embedding = dog.backbone.encode(sample(1)[0])
    together = ObjectSet.of(concepts).judge(embedding)
    for name, concept in concepts.items():
        alone = judge(concept, embedding)
        assert together[name].evidence.likeness == pytest.approx(alone.likeness, abs=1e-6)
        assert (together[name].evidence.presence is None) == (alone.presence is None)


def test_in_a_large_set_some_pictures_stand_for_the_others(concepts):
    kinds = list(concepts.values())
    many = {f"{number}": kinds[number % 2] for number in range(ELSEWHERE + 2)}
    offsets = ObjectSet.of(many).offsets
    assert offsets is not None
    found = [offsets["0"], offsets["1"]]
    assert [offsets[name] for name in many] == pytest.approx((found * 10)[: len(many)], abs=0.05)


def test_shares_compare_the_objects_and_none_of_them(concepts):
    objects = ObjectSet.of(concepts)
    image, _ = sample(0)
    standings = objects.judge(next(iter(concepts.values())).backbone.encode(image))
    shares = {name: one.share for name, one in standings.items()}
    assert shares["dog"] > shares["bear"]
    assert sum(shares.values()) <= 1
    odds = standings["dog"].odds
    rest = 1 - sum(shares.values())
    assert shares["dog"] / rest == pytest.approx(np.exp(odds), rel=1e-3)


def test_one_object_or_one_without_a_calibration_is_judged_alone(concepts):
    dog = concepts["dog"]
    unknown = replace(concepts["bear"], calibration=None)
    for objects in ({"dog": dog}, {"dog": dog, "bear": unknown}):
        made = ObjectSet.of(objects)
        assert made.offsets is None
        embedding = dog.backbone.encode(sample(0)[0])
        assert all(one.share is None for one in made.judge(embedding).values())


@pytest.mark.parametrize(
    ("presence", "share", "absent"),
    [
        (0.9, 0.01, False),
        (0.5, 0.01, True),
        (0.2, 0.3, False),
        (0.2, 0.1, True),
        (0.2, None, True),
        (None, None, False),
    ],
)
def test_in_company_less_presence_is_enough(presence, share, absent):
    assert pytest.approx(0.1505, abs=1e-3) == IN_COMPANY * 0.35
    assert Standing(Evidence(None, presence), share=share).absent(0.35) == absent


def test_the_likelier_object_keeps_the_pixels_and_a_close_call_is_doubtful(concepts):
    dog = concepts["dog"]
    image, mask = sample(0)
    twin = {"dog": dog, "twin": replace(dog)}
    found = segment_set(ObjectSet.of(twin), dog.backbone.encode(image))
    assert all(one.doubtful for one in found.values())
    clear = segment_set(ObjectSet.of(concepts), dog.backbone.encode(image))
    assert np.count_nonzero(clear["dog"].mask & mask) > 0.8 * np.count_nonzero(mask)
    assert not clear["dog"].doubtful
