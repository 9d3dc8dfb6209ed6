from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import persam
from persam.pipeline import similarity
from persam.structures import Calibration, Prompts
from persam.video import propagation
from persam.video.choices import Tracking
from persam.video.overlaps import ObjectLogits
from persam.video.propagation import TrackState

SIZE = (40, 52)
MASK = np.zeros(SIZE, dtype=bool)
MASK[8:36, 10:42] = True


def noise(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def sam(tiny):
    return tiny("sam")


@pytest.fixture(scope="module")
def concept(sam):
    bare = persam.Variant(parts=0, min_presence=0.0)
    return persam.personalize(sam, noise(0), mask=MASK, variant=bare)


def test_a_recipe_without_cells_is_compared_by_the_first_frames(sam, concept):
    embedding = sam.encode(noise(0))
    assert len(concept.features.foreground) == 0
    assert propagation.likeness_within(concept, embedding, MASK) is None
    known = propagation.adapted(concept, embedding, MASK)
    inside = similarity.covered_cells(MASK, embedding.frame, embedding.matching.shape[2:])
    rows, columns = 3, 4  # of 4 x 4 cells the picture covers 52 x 40 pixels
    assert len(known.features.foreground) == inside.sum()
    assert len(known.features.background) == rows * columns - inside.sum()
    assert np.array_equal(known.features.target_feature, concept.features.target_feature)
    assert propagation.likeness_within(known, embedding, MASK) == pytest.approx(1, abs=1e-5)


def test_likeness_within_a_mask_by_hand(sam, concept):
    embedding = sam.encode(noise(1))
    known = propagation.adapted(concept, sam.encode(noise(0)), MASK)
    part = np.zeros(SIZE, dtype=bool)
    part[:26, :26] = True  # the four cells at the top left
    unit = embedding.cells[:2, :2].reshape(4, -1)
    expected = (known.features.foreground @ unit.T).max(axis=1).mean()
    found = propagation.likeness_within(known, embedding, part)
    assert found == pytest.approx(float(expected), abs=1e-6)
    assert found < 1 - 1e-3


def test_a_first_mask_takes_the_place_of_another_photos_cells(sam):
    photo = persam.personalize(sam, noise(5), mask=MASK, variant=persam.Variant(contrast=0.5))
    known = propagation.adapted(photo, sam.encode(noise(0)), MASK)
    assert not np.array_equal(known.features.foreground, photo.features.foreground)


def test_the_box_and_its_centre_are_asked_where_the_object_was(sam, concept):
    embedding, last = sam.encode(noise(0)), (10, 8, 41, 35)
    own = concept.locate(embedding).prompts.points.tolist()
    there = propagation.find(concept, embedding, TrackState(last), Tracking())
    assert there.prompts.box == last
    assert there.prompts.points.tolist() == [*own, [25, 21]]
    assert there.prompts.labels.tolist() == [1, 0, 1]
    bare = propagation.find(concept, embedding, TrackState(last), Tracking(centre_point=False))
    assert bare.prompts.points.tolist() == own
    for search in (
        propagation.find(concept, embedding, TrackState(), Tracking()),
        propagation.find(concept, embedding, TrackState(last), Tracking(last_box=False)),
    ):
        assert search.prompts.points.tolist() == own


def test_a_search_is_the_concepts_own(sam, concept):
    embedding = sam.encode(noise(1))
    found = propagation.find(concept, embedding, TrackState(), Tracking())
    expected = concept.segment_embedding(embedding)
    assert np.array_equal(found.logits > 0, expected.mask)
    assert found.score == expected.score


def test_what_is_not_like_the_object_is_denied(sam, concept):
    known = propagation.adapted(concept, sam.encode(noise(0)), MASK)
    embedding, last = sam.encode(noise(1)), (10, 8, 41, 35)
    denied = propagation.find(known, embedding, TrackState(last, level=1.0), Tracking(kept=1.0))
    assert not (denied.logits > 0).any()
    assert denied.score == 0
    # The concept's own recipe has the say where the tracking has none.
    strict = replace(known.variant, min_presence=1.0)
    cautious = replace(known, variant=strict, calibration=Calibration(0.3, 40.0))
    assert not (propagation.find(cautious, embedding, TrackState(), Tracking()).logits > 0).any()
    assert (propagation.find(known, embedding, TrackState(last), Tracking()).logits > 0).any()


def test_a_trail_keeps_the_last_box_and_the_usual_likeness():
    def found(within: float | None) -> ObjectLogits:
        return ObjectLogits(np.zeros((2, 2)), 0.5, Prompts(), within=within)

    start = TrackState((0, 0, 1, 1))
    first = start.after(found(0.8), (1, 1, 2, 2))
    assert first == TrackState((1, 1, 2, 2), 0.8)
    second = first.after(found(0.6), (2, 2, 3, 3))
    assert second.level == pytest.approx(0.78)
    assert second.after(found(0.1), None) == second  # it was not there
    assert start.after(found(None), (1, 1, 2, 2)) == TrackState(
        (1, 1, 2, 2)
    )  # or cannot be compared


def test_a_given_mask_is_beyond_doubt():
    given = ObjectLogits.from_mask(MASK)
    assert np.array_equal(given.logits > 0, MASK)
    assert given.score == 1
