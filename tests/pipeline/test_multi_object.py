from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from drawn_many import Counting, iou, sample, two_dogs

from persam import geometry
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.models.loading import load
from persam.pipeline import multi_object
from persam.pipeline.comparison import ObjectSet
from persam.pipeline.multi_object import segment_objects
from persam.pipeline.prompts import mask_box
from persam.structures import Frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from persam.concept import Concept


@pytest.fixture(scope="module")
def pocket() -> Counting:
    return Counting(load("pocket", device="cpu"))


@pytest.fixture(scope="module")
def dog(pocket: Counting) -> Concept:
    image, mask = sample(0)
    return personalize(pocket, image, mask=mask)


@pytest.fixture(scope="module")
def bear(pocket: Counting) -> Concept:
    return personalize(pocket, sample(4)[0], box=(20, 150, 200, 400))


def test_masks_are_disjoint_and_the_picture_is_encoded_once(
    pocket: Counting, dog: Concept, bear: Concept
) -> None:
    before = pocket.encoded
    found = segment_objects({"dog": dog, "bear": bear}, sample(4)[0])
    assert pocket.encoded == before + 1
    assert list(found) == ["dog", "bear"]
    assert found["dog"].present
    assert found["bear"].present
    assert not (found["dog"].mask & found["bear"].mask).any()


def test_what_both_claim_goes_to_one_of_them_and_the_rest_stays(
    pocket: Counting, dog: Concept, bear: Concept
) -> None:
    embedding = pocket.encode(sample(4)[0])
    left, right = np.zeros((2, 480, 640), dtype=bool)
    left[100:400, 50:300], right[100:400, 250:500] = True, True
    alone = {"dog": dog.segment_embedding(embedding), "bear": bear.segment_embedding(embedding)}
    claims = {"dog": replace(alone["dog"], mask=right), "bear": replace(alone["bear"], mask=left)}
    both = {"dog": dog, "bear": bear}
    standings = ObjectSet.of(both).judge(embedding)
    found = multi_object.resolve_overlaps(both, embedding, claims, standings)
    assert not (found["dog"].mask & found["bear"].mask).any()
    np.testing.assert_array_equal(found["dog"].mask | found["bear"].mask, left | right)
    contested = left & right
    owners = [one.mask[contested].all() for one in found.values()]
    assert sum(owners) == 1


def test_the_better_match_takes_what_both_claim(dog: Concept, pocket: Counting) -> None:
    image, mask = sample(3)
    exact = personalize(pocket, image, mask=mask)
    for order in ({"dog": dog, "exact": exact}, {"exact": exact, "dog": dog}):
        found = segment_objects(order, image)
        assert iou(found["exact"].mask, mask) > 0.8
        assert not found["dog"].present
        assert (found["dog"].score, found["dog"].box) == (0.0, None)


def test_an_absent_object_costs_no_decoder_call(
    pocket: Counting, dog: Concept, bear: Concept
) -> None:
    before = pocket.decoded
    found = segment_objects({"dog": dog, "bear": bear}, np.full((60, 80, 3), 90, dtype=np.uint8))
    assert pocket.decoded == before
    assert not any(one.present for one in found.values())
    assert all(one.presence is not None and one.presence < 0.35 for one in found.values())


def test_one_object_is_found_as_it_is_alone(dog: Concept) -> None:
    image = two_dogs()[0]
    found = segment_objects({"dog": dog}, dog.backbone.encode(image))["dog"]
    np.testing.assert_array_equal(found.mask, dog.segment(image).mask)


def test_every_family_gives_disjoint_masks(backbone: Any, random_image: np.ndarray) -> None:
    mask = np.zeros(random_image.shape[:2], dtype=bool)
    mask[10:30, 12:40] = True
    concepts = {
        str(number): personalize(backbone, random_image, mask=np.roll(mask, number, axis=1))
        for number in (0, 8)
    }
    found = segment_objects(concepts, random_image)
    assert sum(one.mask.astype(int) for one in found.values()).max() <= 1  # pyright: ignore


def test_concepts_that_cannot_go_together_are_refused(
    dog: Concept, tiny: Callable[[str], Any]
) -> None:
    image, mask = sample(0)
    other = personalize(tiny("sam"), image, mask=mask)
    with pytest.raises(InputError, match="different models"):
        segment_objects({"dog": dog, "other": other}, image)
    with pytest.raises(InputError, match="1 to 254 objects; got 0"):
        segment_objects({}, image)


def test_contested_pixels_go_together_by_their_mean() -> None:
    claims = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [0, 0, 1, 1]], dtype=bool)
    bids = np.array([[0.9, 0.1, 0.2, 1.0], [0.3, 0.4, 1.0, 0.5], [1.0, 1.0, 0.3, 0.4]])
    # The first two pixels are claimed by objects 0 and 1: 0.5 against 0.35 on average.
    owners, close = multi_object._owners(claims, 10 * bids)
    assert owners.tolist() == [0, 0, 2, 1]
    assert close.tolist() == [False, False, True, True]


def test_pixels_know_their_cells() -> None:
    rows, columns = geometry.cell_of_pixels(Frame(4, 8, (32, 64), 64), (4, 4))
    assert rows.ravel().tolist() == [0, 0, 1, 1]
    assert columns.ravel().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_remainder_is_nothing(dog: Concept) -> None:
    image, _ = sample(3)
    found = dog.segment(image)
    rest = found.mask.copy()
    rest[np.cumsum(rest).reshape(rest.shape) > 0.2 * rest.sum()] = False
    assert not multi_object._remaining(found, rest).present
    most = found.mask.copy()
    most[np.cumsum(most).reshape(most.shape) > 0.5 * most.sum()] = False
    kept = multi_object._remaining(found, most)
    np.testing.assert_array_equal(kept.mask, most)
    assert (kept.score, kept.box) == (found.score, mask_box(most))
