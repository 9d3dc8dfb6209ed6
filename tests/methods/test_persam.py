from __future__ import annotations

from dataclasses import replace

import numpy as np
import parity
import pytest

from persam import geometry
from persam.concept import Concept
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.pipeline.prompted import ask
from persam.pipeline.reference import Reference
from persam.structures import Prompts
from persam.variants import Variant

REFERENCE = parity.picture("vit", "reference")
MASK = parity.picture("vit", "reference_mask")
OTHER = parity.picture("vit", "test")
HEIGHT, WIDTH = MASK.shape


@pytest.mark.parametrize(
    "hint",
    [{}, {"mask": MASK, "box": (1, 2, 30, 40)}, {"box": (1, 2, 30, 40), "points": [(3, 4)]}],
)
def test_exactly_one_way_to_show_the_object(parity_sam, hint):
    with pytest.raises(InputError, match="exactly one of mask=, box= or points="):
        personalize(parity_sam, REFERENCE, **hint)


@pytest.mark.parametrize(
    "box",
    [
        (30, 2, 10, 40),
        (5, 40, 30, 2),
        (5, 5, 5, 9),
        (-1, 2, 30, 40),
        (1, 2, WIDTH + 1, 40),
        (1, 2, 30, HEIGHT + 1),
        (1, 2, 30),
        (1, 2, 30, float("nan")),
        "left",
        ((1, 2), (3, 4)),
    ],
)
def test_bad_boxes_are_refused(parity_sam, box):
    with pytest.raises(InputError, match=r"box"):
        personalize(parity_sam, REFERENCE, box=box)


@pytest.mark.parametrize("off", [(20.9, 30.0), (20, 30)])
def test_a_pixel_cannot_be_on_and_off_the_object(parity_sam, off):
    shown = Reference(REFERENCE, points=[(5, 5), (20.2, 30.7)], not_points=[(1, 1), off])
    with pytest.raises(InputError, match=r"The pixel \(20, 30\) is given as on .* and as off"):
        personalize(parity_sam, shown)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(-1, 3)],
        [(WIDTH, 3)],
        [(3, HEIGHT)],
        [(3,)],
        [(1, 2, 3)],
        (3, 4),
        [("a", 2)],
        [(1, 2), (3,)],
    ],
)
def test_bad_points_are_refused(parity_sam, points):
    with pytest.raises(InputError, match=r"[Pp]oints"):
        personalize(parity_sam, REFERENCE, points=points)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros_like(MASK), "empty"),
        (MASK[:-1], "240x179"),
    ],
)
@pytest.mark.parametrize("variant", ["default", "official"])
def test_unusable_masks_are_refused(parity_sam, mask, words, variant):
    with pytest.raises(InputError, match=words):
        personalize(parity_sam, REFERENCE, mask=mask, variant=variant)


@pytest.mark.parametrize("learner", [personalize, finetune])
@pytest.mark.parametrize("variant", ["default", "official", "pocket"])
def test_an_object_may_fill_its_reference(parity_sam, tmp_path, learner, variant):
    method = "persam" if learner is personalize else "persam-f"
    recipe = replace(Variant.named(variant, method), fit="fast", alpha=1.0)
    concept = learner(parity_sam, REFERENCE, mask=np.full_like(MASK, 255), variant=recipe)
    assert len(concept.features.background) == 0
    found = concept.segment(OTHER, trace=True)
    assert all(np.isfinite(stage).all() for stage in found.trace.values())
    assert np.isfinite(found.score)
    concept.save(tmp_path / "all.safetensors")
    again = Concept.load(tmp_path / "all.safetensors", parity_sam)
    assert np.array_equal(again.segment(OTHER).mask, found.mask)


def test_nothing_contrasts_with_an_object_that_fills_its_reference(parity_sam):
    whole = np.full_like(MASK, 255)
    plain, contrasted = (
        personalize(parity_sam, REFERENCE, mask=whole, variant=Variant(contrast=contrast))
        for contrast in (0.0, 0.5)
    )
    one, two = (concept.segment(OTHER, trace=True).trace for concept in (plain, contrasted))
    assert np.array_equal(one["similarity"], two["similarity"])


def test_the_official_variant_tells_why_a_dark_mask_has_no_object(parity_sam):
    dark = (MASK > 0).astype(np.uint8) * 38
    with pytest.raises(InputError, match=r"largest is 38.*default"):
        personalize(parity_sam, REFERENCE, mask=dark, variant="official")
    assert personalize(parity_sam, REFERENCE, mask=dark).method == "persam"


def test_a_mask_without_any_zero_is_everything_to_the_official_variant(parity_sam):
    hazy = np.where(MASK > 0, 255, 3).astype(np.uint8)
    with pytest.raises(InputError, match="every grey value above 0"):
        personalize(parity_sam, REFERENCE, mask=hazy, variant="official")
    clear = personalize(parity_sam, REFERENCE, mask=MASK)
    same = personalize(parity_sam, REFERENCE, mask=hazy)
    assert np.array_equal(clear.features.target_feature, same.features.target_feature)


def test_the_default_does_not_read_the_grey_value(parity_sam):
    full, dark = (
        personalize(parity_sam, REFERENCE, mask=(MASK > 0).astype(np.uint8) * grey)
        for grey in (255, 1)
    )
    assert np.array_equal(full.features.target_feature, dark.features.target_feature)


def test_a_single_pixel_is_an_object(parity_sam):
    speck = np.zeros_like(MASK)
    speck[100, 50] = 255
    concept = personalize(parity_sam, REFERENCE, mask=speck)
    assert concept.trace["ref_foreground"].sum() == 1
    assert np.isfinite(concept.features.target_feature).all()


@pytest.mark.parametrize(
    ("hint", "prompts"),
    [
        ({"box": (60, 40, 180, 150)}, Prompts(box=(60, 40, 180, 150))),
        ({"points": [(129, 128)]}, Prompts(np.array([[129, 128]]), np.array([1]))),
    ],
)
def test_the_model_makes_the_mask_of_a_box_or_points(parity_sam, hint, prompts):
    concept = personalize(parity_sam, REFERENCE, **hint)
    embedding = parity_sam.encode(REFERENCE)
    # A box is not ambiguous, a point is: one mask, or the best of three.
    answer = parity_sam.decode(embedding, prompts, multimask="points" in hint)
    best = int(answer.iou.argmax())
    mask = geometry.to_original(answer.logits[best : best + 1], embedding.frame)[0] > 0
    assert np.array_equal(concept.trace["ref_mask"], mask)
    assert concept.references[0].facts["prompt"] == next(iter(hint))
    assert concept.references[0].facts["score"] == pytest.approx(float(answer.iou.max()))
    given = personalize(parity_sam, REFERENCE, mask=mask)
    assert np.array_equal(given.features.target_feature, concept.features.target_feature)


def test_a_recipe_with_a_second_look_takes_one_of_what_is_shown(parity_sam):
    variant = replace(Variant.named("default", "persam"), second_look=0.15)
    box = (100, 80, 140, 120)
    concept = personalize(parity_sam, REFERENCE, box=box, variant=variant)
    embedding = replace(parity_sam.encode(REFERENCE), image=REFERENCE)
    found = ask(parity_sam, embedding, Prompts(box=box), multimask=False, closely=True)
    assert found.closer
    assert np.array_equal(concept.trace["ref_mask"], found.mask(0))
    assert concept.references[0].facts["score"] == pytest.approx(float(found.answer.iou[0]))


def test_pictures_and_masks_come_from_files_too(parity_sam):
    by_path = personalize(
        parity_sam,
        parity.FOLDER / "vit" / "reference.png",
        mask=str(parity.FOLDER / "vit" / "reference_mask.png"),
    )
    by_array = personalize(parity_sam, REFERENCE, mask=MASK)
    assert np.array_equal(by_path.features.target_feature, by_array.features.target_feature)


def test_inputs_are_left_alone(parity_sam):
    image, mask = REFERENCE.copy(), MASK.copy()
    personalize(parity_sam, image, mask=mask)
    assert np.array_equal(image, REFERENCE)
    assert np.array_equal(mask, MASK)


def test_a_variant_goes_by_name_or_by_value(parity_sam):
    named = personalize(parity_sam, REFERENCE, mask=MASK, variant="official")
    assert named.variant == Variant.named("official", "persam")
    with pytest.raises(InputError, match="'best'"):
        personalize(parity_sam, REFERENCE, mask=MASK, variant="best")
