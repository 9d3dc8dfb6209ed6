from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import persam
from persam.pipeline import similarity
from persam.pipeline.prompts import mask_box
from persam.structures import Calibration
from persam.video import propagation
from persam.video.choices import Tracking
from persam.video.encoded_frame import EncodedFrame
from persam.video.evidence import Usual
from persam.video.regions import whole
from persam.video.target import TrackedObject, adapted, likeness_within

SIZE = (40, 52)
MASK = np.zeros(SIZE, dtype=bool)
MASK[8:36, 10:42] = True
WHOLE = Tracking(region=0)


def noise(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def sam(tiny):
    return tiny("sam")


@pytest.fixture(scope="module")
def concept(sam):
    bare = persam.Variant(parts=0, min_presence=0.0)
    return persam.personalize(sam, noise(0), mask=MASK, variant=bare)


def marked(sam, concept) -> TrackedObject:
    target = TrackedObject(concept)
    frame = EncodedFrame(sam, noise(0), 0)
    target.mark(frame, whole(SIZE), MASK)
    return target


def test_a_recipe_without_cells_is_compared_by_the_first_frames(sam, concept):
    embedding = sam.encode(noise(0))
    assert len(concept.features.foreground) == 0
    assert likeness_within(concept, embedding, MASK) is None
    known = adapted(concept, embedding, MASK)
    inside = similarity.covered_cells(MASK, embedding.frame, embedding.cells.shape[:2])
    rows, columns = 3, 4  # of 4 x 4 cells the picture covers 52 x 40 pixels
    assert len(known.features.foreground) == inside.sum()
    assert len(known.features.background) == rows * columns - inside.sum()
    assert np.array_equal(known.features.target_feature, concept.features.target_feature)
    assert likeness_within(known, embedding, MASK) == pytest.approx(1, abs=1e-5)


def test_likeness_within_a_mask_by_hand(sam, concept):
    embedding = sam.encode(noise(1))
    known = adapted(concept, sam.encode(noise(0)), MASK)
    part = np.zeros(SIZE, dtype=bool)
    part[:26, :26] = True  # the four cells at the top left
    unit = embedding.cells[:2, :2].reshape(4, -1)
    expected = (known.features.foreground @ unit.T).max(axis=1).mean()
    found = likeness_within(known, embedding, part)
    assert found == pytest.approx(float(expected), abs=1e-6)
    assert found < 1 - 1e-3


def test_a_first_mask_takes_the_place_of_another_photos_cells(sam):
    photo = persam.personalize(sam, noise(5), mask=MASK, variant=persam.Variant(contrast=0.5))
    known = adapted(photo, sam.encode(noise(0)), MASK)
    assert not np.array_equal(known.features.foreground, photo.features.foreground)


def test_the_decoder_is_asked_where_the_object_was(sam, concept):
    target, frame = marked(sam, concept), EncodedFrame(sam, noise(0), 1)
    found = propagation.find_near(target, frame, (10, 8, 42, 36), WHOLE)
    assert found.prompts.box == (10, 8, 42, 36)
    assert len(found.prompts.points) == 1
    assert found.evidence is not None
    # The frame that was marked, once more: nothing speaks against what the memory holds.
    again = propagation._Found(
        _logits(MASK),
        target.recollect(frame.embedding.cells, target.entries[-1].places),
        0.5,
        found.prompts,
    )
    same = propagation._judged(target, frame, whole(SIZE), again)
    assert same.evidence.likeness == pytest.approx(1, abs=1e-5)
    assert same.doubt == 0


def test_the_memory_has_as_much_say_as_the_decoder(sam, concept, monkeypatch):
    target, frame = marked(sam, concept), EncodedFrame(sam, noise(0), 1)
    cells = frame.embedding.cells
    memory = target.recollect(cells, target.entries[-1].places)

    def found(share: float) -> np.ndarray:
        told = replace(memory, readout=np.full(cells.shape[:2], share, dtype=np.float32))
        monkeypatch.setattr(target, "recollect", lambda *_: told)
        return propagation.find_near(target, frame, (10, 8, 42, 36), WHOLE).logits > 0

    # Where the memory is sure, only a decoder that is as sure of the contrary is heard.
    assert found(0.0).mean() < 0.25
    assert found(1.0).mean() > 0.75


def test_a_piece_beside_the_object_is_another_object():
    mask = np.zeros((20, 40), dtype=bool)
    mask[5:15, 4:12] = True
    parts = mask.copy()
    parts[9] = False  # a pole before it
    twin = np.roll(mask, 12, axis=1)
    assert np.array_equal(propagation.in_place(parts | twin, (2, 3, 17, 17)), parts)
    assert np.array_equal(propagation.in_place(twin, (2, 3, 10, 17)), twin)


def test_a_search_is_the_concepts_own(sam, concept):
    frame = EncodedFrame(sam, noise(1), 0)
    found = propagation.find(TrackedObject(concept), frame, WHOLE)
    expected = concept.segment_embedding(frame.embedding)
    assert np.array_equal(found.logits > 0, expected.mask)
    assert found.score == expected.score


def test_what_is_not_like_the_object_is_denied(sam, concept):
    target, frame = marked(sam, concept), EncodedFrame(sam, noise(1), 1)
    assert propagation.find(target, frame, WHOLE).evidence is not None
    target.state = replace(target.state, usual=Usual(likeness=3.0))
    denied = propagation.find(target, frame, replace(WHOLE, kept=1.0))
    assert not (denied.logits > 0).any()
    assert denied.score == 0
    # The concept's own recipe has the say where the tracking has none.
    strict = replace(target.concept.variant, min_presence=1.0)
    cautious = replace(target.concept, variant=strict, calibration=Calibration(0.3, 40.0))
    assert not (propagation.find(TrackedObject(cautious), frame, WHOLE).logits > 0).any()


def test_an_object_is_seen_through_a_region(sam, concept):
    large = np.tile(noise(0), (8, 8, 1))
    mask = np.zeros(large.shape[:2], dtype=bool)
    mask[100:140, 150:200] = True
    target, frame = TrackedObject(concept), EncodedFrame(sam, large, 0)
    region = propagation.region_of(mask_box(mask), frame, Tracking())
    assert region[2] - region[0] == region[3] - region[1] == 128
    target.mark(frame, region, mask)
    found = propagation.find(target, EncodedFrame(sam, large, 1), Tracking())
    x0, y0, x1, y1 = region
    outside = found.logits.copy()
    outside[y0:y1, x0:x1] = -1
    assert not (outside > 0).any()
    assert found.region == region


def _logits(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 1.0, -1.0).astype(np.float32)
