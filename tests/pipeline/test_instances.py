from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from drawn_many import Counting, iou, sample, two_dogs

from persam.errors import InputError
from persam.methods.persam import personalize
from persam.models.loading import load
from persam.pipeline import instances
from persam.pipeline.one_piece import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from persam.concept import Concept


@pytest.fixture(scope="module")
def dog() -> Concept:
    image, mask = sample(0)
    return personalize(Counting(load("pocket", device="cpu")), image, mask=mask)


def test_two_instances_are_two_masks_of_one_encoding(dog: Concept) -> None:
    image, *truths = two_dogs()
    assert isinstance(dog.backbone, Counting)
    before = dog.backbone.encoded
    found = dog.segment_instances(image)
    assert dog.backbone.encoded == before + 1
    for truth in truths:
        assert max(iou(one.mask, truth) for one in found[:2]) > 0.7
    for one, other in combinations(found, 2):
        assert not (one.mask & other.mask).any()
    alike = [one.likeness or 0.0 for one in found]
    assert alike == sorted(alike, reverse=True)
    assert {one.presence for one in found} == {dog.segment(image).presence}


def test_one_instance_is_one_mask(dog: Concept) -> None:
    image, truth = sample(3)
    (found,) = dog.segment_instances(image)
    assert iou(found.mask, truth) > 0.8
    assert found.box is not None


def test_an_encoded_picture_gives_the_same(dog: Concept) -> None:
    image, _ = sample(3)
    (found,) = dog.segment_instances(image)
    (again,) = dog.segment_instances(dog.backbone.encode(image))
    np.testing.assert_array_equal(found.mask, again.mask)


def test_absent_is_no_instance_and_no_decoder_call(dog: Concept) -> None:
    assert isinstance(dog.backbone, Counting)
    before = dog.backbone.decoded
    assert dog.segment_instances(np.full((60, 80, 3), (30, 90, 40), dtype=np.uint8)) == ()
    assert dog.backbone.decoded == before


def test_every_family_ends_with_masks_that_do_not_overlap(
    backbone: Any, random_image: np.ndarray
) -> None:
    mask = np.zeros(random_image.shape[:2], dtype=bool)
    mask[10:30, 12:40] = True
    concept = personalize(backbone, random_image, mask=mask)
    found = concept.segment_instances(random_image[:, ::-1])
    assert len(found) <= instances.MOST
    assert np.sum([one.mask for one in found] or [~mask], axis=0).max() == 1
    areas = [np.count_nonzero(one.mask) for one in found]
    assert min(areas, default=1) >= instances.LEAST_AREA * max(areas, default=1)


def test_recipes_without_cells_are_searched_too(tiny: Callable[[str], Any]) -> None:
    image, mask = sample(0)
    concept = personalize(tiny("sam"), image, mask=mask, variant="official")
    assert len(concept.features.foreground) == 0
    assert len(concept.segment_instances(image)) >= 1


def test_an_embedding_of_another_model_is_refused(
    dog: Concept, tiny: Callable[[str], Any], random_image: np.ndarray
) -> None:
    with pytest.raises(InputError, match="come from different models"):
        dog.segment_instances(tiny("sam").encode(random_image))


def test_pieces_leave_crumbs_out() -> None:
    mask = np.zeros((20, 40), dtype=bool)
    mask[2:12, 2:12] = mask[2:12, 20:25] = mask[14:18, 30:40] = True
    assert [np.count_nonzero(piece) for piece in pieces_of(mask, instances.PIECE_AREA)] == [100, 50]


@pytest.fixture(scope="module")
def candidate(dog: Concept) -> instances.Candidate:
    embedding = dog.backbone.encode(sample(3)[0])
    return next(instances.candidates(dog, embedding, dog.locate(embedding)))


def test_a_pixel_goes_to_the_highest_logit(candidate: instances.Candidate) -> None:
    surer = replace(candidate, logits=candidate.logits + 1)
    (kept,) = instances._without_crumbs([candidate, surer])
    assert kept.logits is surer.logits
    np.testing.assert_array_equal(kept.mask, candidate.mask)


def test_what_was_shown_is_not_asked_for_again(dog: Concept) -> None:
    embedding = dog.backbone.encode(two_dogs()[0])
    shown = instances.candidates(dog, embedding, dog.locate(embedding))
    first, second = next(shown), next(shown)
    assert first.height > 1 and second.height > 1
    assert iou(first.mask, second.mask) < 0.1


@pytest.mark.parametrize(
    ("signs", "side", "shift", "further"),
    [
        ((0.9, 2.0), 10, 20, True),  # elsewhere, trusted, alike, as large
        ((0.2, 2.0), 10, 20, False),  # trusted too little
        ((0.9, -1.0), 10, 20, False),  # less like the object than the picture's mean
        ((0.6, 1.5), 2, 20, False),  # a twenty-fifth of the first's size
        ((0.9, 2.0), 10, 4, False),  # 6 of its 10 columns were found before
        ((0.9, 2.0), 10, 5, True),  # 5 of 10 were
    ],
)
def test_a_further_instance_is_new_trusted_alike_and_about_as_large(
    candidate: instances.Candidate,
    signs: tuple[float, float],
    side: int,
    shift: int,
    further: bool,
) -> None:
    masks = np.zeros((2, 20, 40), dtype=bool)
    masks[0, :10, :10] = masks[1, :side, shift : shift + side] = True
    first = replace(candidate, mask=masks[0], score=0.9, height=2.0)
    second = replace(candidate, mask=masks[1], score=signs[0], height=signs[1])
    assert instances.is_further(second, [first]) == further
