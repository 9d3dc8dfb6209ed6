"""What clicks and a box mean, with a second look in a crop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persam import geometry, samples
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.metrics import iou
from persam.models.loading import load
from persam.pipeline.prompted import ask, look_closer, looks_closer, prompts_within
from persam.pipeline.prompts import mask_box
from persam.pipeline.second_look import crop_window
from persam.structures import MaskLogits, Prompts

BOX = (40, 20, 64, 40)


@pytest.fixture(scope="module")
def embedding(sam, image):
    return replace(sam.encode(image), image=image)


def small(sam, embedding) -> MaskLogits:
    """A first answer of our choosing: sure of a small thing, as a random decoder never is."""
    side = sam.decode(embedding, Prompts(box=BOX), multimask=False).logits.shape[-1]
    logits = np.full((1, side, side), -50.0, dtype=np.float32)
    logits[0, side // 4 : side // 2, side // 4 : side // 2] = 50.0
    return MaskLogits(logits, np.array([0.5], dtype=np.float32))


def closely(sam, embedding, prompts, *, multimask=False):
    return ask(sam, embedding, prompts, multimask=multimask, closely=True)


def test_without_a_second_look_the_mask_is_the_decoders(sam, embedding):
    found = ask(sam, embedding, Prompts(box=BOX), multimask=True, closely=False)
    plain = sam.decode(embedding, Prompts(box=BOX), multimask=True)
    for index in range(3):
        wanted = geometry.mask_of(plain.logits[index : index + 1], embedding.frame)
        assert np.array_equal(found.mask(index), wanted)
    assert np.array_equal(found.answer.iou, plain.iou) and not found.closer


def test_a_click_has_two_looks_and_their_logits_mean(sam, embedding, image):
    click, first = Prompts(np.array([[40, 40]]), np.array([1])), small(sam, embedding)
    found = look_closer(sam, embedding, click, first)
    (closer,) = found.closer
    crop = sam.encode(np.ascontiguousarray(image[closer.window]))
    corner = np.array([closer.window[1].start, closer.window[0].start])
    near = sam.decode(crop, replace(click, points=click.points - corner), multimask=False)
    logits = geometry.to_original(first.logits, embedding.frame)[0]
    within = geometry.to_original(near.logits, crop.frame)[0]
    logits[closer.window] = (logits[closer.window] + within) / 2
    assert np.array_equal(found.mask(0), logits > 0)
    assert found.answer.iou == pytest.approx((first.iou + near.iou) / 2)


def test_a_box_has_a_third_look_by_the_masks_own(sam, embedding, image):
    found = look_closer(sam, embedding, Prompts(box=BOX), small(sam, embedding))
    first, second = found.closer
    assert first.window == crop_window(BOX, image.shape)
    own = mask_box(replace(found, closer=(first,)).mask(0))
    assert own is not None and own != BOX
    assert second.window == crop_window(own, image.shape)
    crop = sam.encode(np.ascontiguousarray(image[second.window]))
    asked = prompts_within(Prompts(box=own), second.window, crop.frame)
    assert np.array_equal(second.logits, sam.decode(crop, asked, multimask=False).logits)
    looks = [geometry.to_original(found.answer.logits, embedding.frame)[0]]
    for look in found.closer:
        looks.append(np.full(image.shape[:2], np.nan, dtype=np.float32))
        looks[-1][look.window] = geometry.to_original(look.logits, look.frame)[0]
    mean = np.nanmean(looks, axis=0)
    sure = np.abs(mean) > 1e-3  # sums in another order
    assert np.array_equal(found.mask(0)[sure], mean[sure] > 0)


def test_what_lies_outside_the_crop_stays(sam, embedding, image):
    found = closely(sam, embedding, Prompts(box=BOX), multimask=True)
    outside = np.ones(image.shape[:2], dtype=bool)
    for look in found.closer:
        outside[look.window] = False
    assert outside.any()
    for index in range(3):
        plain = replace(found, closer=()).mask(index)
        assert np.array_equal(found.mask(index)[outside], plain[outside])
        assert not np.array_equal(found.mask(index), plain)


@pytest.mark.parametrize("empty", [False, True])
def test_clicks_are_looked_at_round_the_first_mask_and_themselves(sam, embedding, image, empty):
    side = sam.decode(embedding, Prompts(box=BOX), multimask=False).logits.shape[-1]
    logits = np.full((1, side, side), -1.0, dtype=np.float32)
    logits[0, side // 4, side // 4] = -1.0 if empty else 9.0
    first = MaskLogits(logits, np.array([0.5], dtype=np.float32))
    clicks = Prompts(np.array([[20, 30], [24.5, 33.5], [118, 2]]), np.array([1, 1, 0]))
    found = look_closer(sam, embedding, clicks, first)
    box = mask_box(geometry.mask_of(logits, embedding.frame)) or (20, 30, 25, 34)
    extent = (min(20, box[0]), min(30, box[1]), max(25, box[2]), max(34, box[3]))
    assert found.closer[0].window == crop_window(extent, image.shape[:2])


def test_a_lone_click_is_looked_at_more_widely(sam, embedding):
    """It says little of how far its object goes."""
    first, widths = small(sam, embedding), []
    for points in (np.array([[40, 40]]), np.array([[40, 40], [41, 41]])):
        asked = Prompts(points, np.ones(len(points), dtype=np.int64))
        rows, _ = look_closer(sam, embedding, asked, first).closer[0].window
        widths.append(rows.stop - rows.start)
    assert widths[0] > 1.3 * widths[1]


def test_a_large_mask_is_made_band_by_band(sam, embedding, monkeypatch):
    found = look_closer(sam, embedding, Prompts(box=BOX), small(sam, embedding))
    at_once = [found.mask(0, size) for size in ((80, 120), (333, 500))]
    monkeypatch.setattr("persam.pipeline.prompted._ROWS", 7)
    for mask in at_once:
        assert np.mean(found.mask(0, mask.shape) != mask) < 1e-3  # sums in another order


def test_what_is_only_shown_off_the_object_has_no_place_to_look_at(sam, embedding):
    off = Prompts(np.array([[2, 2]]), np.array([0]))
    assert not closely(sam, embedding, off).closer


def test_the_same_crop_is_not_asked_twice(sam, embedding):
    side = sam.decode(embedding, Prompts(box=BOX), multimask=False).logits.shape[-1]
    first = MaskLogits(np.full((1, side, side), -99.0, np.float32), np.ones(1, np.float32))
    points = np.array([[60, 40], [60, 41]])
    found = look_closer(sam, embedding, Prompts(points, np.ones(2, dtype=np.int64)), first)
    # The first answer, sure of nothing, outweighs the crop's: the points' extent stays the same.
    assert not found.mask(0).any() and len(found.closer) == 1


@pytest.mark.parametrize("case", ["no pixels", "as large as the picture"])
def test_else_there_is_one_look(sam, embedding, case):
    shown = replace(embedding, image=None) if case == "no pixels" else embedding
    box = BOX if case == "no pixels" else (2, 2, 118, 78)
    found = closely(sam, shown, Prompts(box=box))
    assert not found.closer
    plain = ask(sam, shown, Prompts(box=box), multimask=False, closely=False)
    assert np.array_equal(found.mask(0), plain.mask(0))


@pytest.mark.parametrize("size", [(40, 60), (80, 120), (7, 11), (1, 1)])
def test_a_mask_comes_at_any_size(sam, embedding, size):
    found = closely(sam, embedding, Prompts(box=BOX))
    assert found.mask(0, size).shape == size
    if size == (80, 120):
        assert np.array_equal(found.mask(0, size), found.mask(0))


def test_the_models_own_recipe_says_whether(sam):
    assert looks_closer(load("pocket"))
    assert not looks_closer(sam)


def test_a_small_thing_of_the_built_in_model_becomes_finer(tmp_path):
    """The sample photos on a canvas three times as large, as a thing far away."""
    samples.copy(tmp_path)
    pocket, gains = load("pocket"), []
    for number in (0, 1, 2):
        photo, mask = (tmp_path / name for name in samples.files(tmp_path, number))
        image = read_image(photo)
        height, width = image.shape[:2]
        truth = read_mask(mask, (height, width)) > 127
        wide = np.full((3 * height, 3 * width, 3), 90, dtype=np.uint8)
        place = slice(height, 2 * height), slice(width, 2 * width)
        wide[place] = image
        there = np.zeros(wide.shape[:2], dtype=bool)
        there[place] = truth
        embedding = replace(pocket.encode(wide), image=wide)
        once, twice = (
            ask(pocket, embedding, Prompts(box=mask_box(there)), multimask=False, closely=closer)
            for closer in (False, True)
        )
        gains.append(iou(twice.mask(0), there) - iou(once.mask(0), there))
    assert np.mean(gains) > 0.01
