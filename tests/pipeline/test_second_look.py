"""A second look at a found object, in a crop round it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam import samples
from persam.errors import InputError
from persam.io.images import read_image
from persam.methods.persam import personalize
from persam.metrics import iou
from persam.models.loading import load
from persam.pipeline.decoder import Step
from persam.pipeline.multi_object import segment_objects
from persam.pipeline.second_look import crop_window, look_again, prompts_within
from persam.structures import Frame, MaskLogits, Prompts
from persam.variants import Variant

NEVER = replace(Variant.named("default", "persam"), min_presence=0.0)
ALWAYS = replace(NEVER, second_look=1.0)


@pytest.fixture(scope="module")
def concept(sam, image):
    mask = np.zeros((80, 120), dtype=bool)
    mask[20:40, 30:60] = True
    return personalize(sam, image, mask=mask, variant=ALWAYS)


def found(place: tuple[slice, slice]) -> Step:
    """A first mask of our choosing, with the logits of its place."""
    mask = np.zeros((80, 120), dtype=bool)
    mask[place] = True
    asked = Prompts(np.array([[40, 30], [2, 70]]), np.array([1, 0]))
    logits = np.full((1, 16, 16), 1.0, dtype=np.float32)
    return Step(1, asked, MaskLogits(logits, np.array([0.5])), 0, logits, mask, 0.5)


SMALL = found((slice(25, 35), slice(35, 50)))


@given(data=st.data(), height=st.integers(1, 300), width=st.integers(1, 300))
def test_the_crop_lies_in_the_picture_and_shows_the_whole_box(data, height, width):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    rows, columns = crop_window((x0, y0, x1, y1), (height, width))
    assert 0 <= rows.start <= y0 < y1 <= rows.stop <= height
    assert 0 <= columns.start <= x0 < x1 <= columns.stop <= width


@given(data=st.data())
def test_prompts_in_a_crop_lie_in_it(data):
    width, height = data.draw(st.integers(4, 60)), data.draw(st.integers(4, 60))
    x0, y0 = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    box = (x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height)))
    rows, columns = window = crop_window(box, (height, width))
    points = np.array(
        data.draw(st.lists(st.tuples(*map(st.integers, (0, 0), (59, 59))), max_size=4))
    )
    points = points.reshape(-1, 2)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    asked = Prompts(points, np.arange(len(points)) % 2, box)
    moved = prompts_within(asked, window, Frame(*size, (8, 8), 8))
    corner = np.array([columns.start, rows.start])
    assert (np.reshape(moved.box, (2, 2)) + corner).ravel().tolist() == list(box)
    kept = [
        (x, y, label)
        for (x, y), label in zip(points.tolist(), asked.labels.tolist(), strict=True)
        if rows.start <= y < rows.stop and columns.start <= x < columns.stop
    ]
    found = zip(*(moved.points + corner).T.tolist(), moved.labels.tolist(), strict=True)
    assert list(found if len(moved.points) else []) == kept


def test_the_finer_mask_is_the_decoders_of_the_crop(concept, image):
    embedding = replace(concept.backbone.encode(image), image=image)
    prior = np.zeros((80, 120), dtype=np.float32)
    again = look_again(concept, embedding, SMALL, prior)
    rows, columns = crop_window((35, 25, 50, 35), (80, 120))
    outside = np.ones((80, 120), dtype=bool)
    outside[rows, columns] = False
    assert again.mask.any()
    assert not again.mask[outside].any()
    assert again.score != SMALL.score
    assert again.mask.sum() != SMALL.mask.sum()


@pytest.mark.parametrize(
    ("share", "step", "pixels"),
    [
        (0.0, SMALL, True),  # the recipe does not want it
        (1.0, SMALL, False),  # no picture at hand
        (0.01, SMALL, True),  # not small enough for the recipe
        (1.0, found((slice(0, 80), slice(0, 120))), True),  # its crop is the picture
        (1.0, found((slice(0, 0), slice(0, 0))), True),  # nothing to look at
    ],
)
def test_else_the_first_mask_stays(concept, image, share, step, pixels):
    target = replace(concept, variant=replace(ALWAYS, second_look=share))
    embedding = concept.backbone.encode(image)
    embedding = replace(embedding, image=image) if pixels else embedding
    assert look_again(target, embedding, step, np.zeros((80, 120), np.float32)) is step


def test_every_way_to_ask_looks_again(tmp_path):
    """With the built-in model, whose masks are smaller than their pictures."""
    samples.copy(tmp_path)
    first, mask = samples.files(tmp_path, 0)
    photo = read_image(samples.files(tmp_path, 3)[0])
    pocket = load("pocket")
    variant = replace(Variant.named("pocket", "persam"), second_look=1.0)
    concept = personalize(pocket, first, mask=mask, variant=variant)
    alone = concept.segment(photo).mask
    assert iou(concept.segment([photo, photo])[1].mask, alone) > 0.99
    assert np.array_equal(segment_objects({"it": concept}, photo)["it"].mask, alone)
    once = concept.segment_embedding(pocket.encode(photo)).mask
    assert 0.5 < iou(once, alone) < 0.999


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "best"])
def test_a_share_is_a_share(share):
    with pytest.raises((InputError, TypeError), match="second_look"):
        replace(NEVER, second_look=share)
