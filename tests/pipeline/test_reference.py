"""Several references, negatives and corrections in one concept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import parity
import pytest

import persam
from persam.concept import Concept
from persam.errors import InputError
from persam.methods.fit import Lesson, fit
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.pipeline.reference import Reference, encode_reference
from persam.structures import unit_length
from persam.variants import Variant

REFERENCE = parity.picture("vit", "reference")
MASK = parity.picture("vit", "reference_mask") > 0
TEST = parity.picture("vit", "test")
TEST_MASK = parity.picture("vit", "test_mask") > 0
FIRST = Reference(REFERENCE, mask=MASK)
SECOND = Reference(TEST, mask=TEST_MASK)
METHODS = [personalize, finetune]
CONTRASTED = Variant(contrast=0.5, min_presence=0.1)


def test_shown_is_public():
    assert persam.Reference is Reference


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", ["default", "official"])
def test_one_shown_is_the_same_as_a_picture_and_its_mask(parity_sam, method, variant):
    if (method, variant) == (finetune, "official"):
        variant = replace(Variant.named("official", "persam-f"), fit="fast")
    plain = method(parity_sam, REFERENCE, mask=MASK, variant=variant)
    for shown in (FIRST, [FIRST]):
        same = method(parity_sam, shown, variant=variant)
        assert np.array_equal(same.features.target_feature, plain.features.target_feature)
        assert same.weights == plain.weights
        assert np.array_equal(same.segment(TEST).mask, plain.segment(TEST).mask)


def test_references_may_be_shown_in_different_ways(parity_sam):
    concept = personalize(parity_sam, [FIRST, Reference(TEST, box=(60, 40, 180, 150))])
    assert [view.facts["prompt"] for view in concept.references] == ["mask", "box"]


def test_what_two_references_teach(parity_sam):
    both = personalize(parity_sam, [FIRST, SECOND], variant=CONTRASTED)
    alone = [personalize(parity_sam, shown, variant=CONTRASTED) for shown in (FIRST, SECOND)]
    mean = unit_length(alone[0].features.target_feature + alone[1].features.target_feature)
    assert np.allclose(both.features.target_feature, mean, atol=1e-6)
    assert np.array_equal(
        both.features.foreground, np.concatenate([one.features.foreground for one in alone])
    )
    assert np.array_equal(
        both.features.background, np.concatenate([one.features.background for one in alone])
    )
    # One reference says nothing of presence with this model, two do.
    assert [one.segment(REFERENCE).presence for one in alone] == [None, None]
    presence = both.segment(REFERENCE).presence
    assert presence is not None and presence > 0.5


def test_the_order_of_references_does_not_matter(parity_sam):
    one, other = (
        personalize(parity_sam, shown, variant=CONTRASTED).segment(REFERENCE)
        for shown in ([FIRST, SECOND], [SECOND, FIRST])
    )
    assert np.array_equal(one.mask, other.mask)
    assert one.presence == pytest.approx(other.presence)


def test_the_weights_are_fitted_to_all_references_together(parity_sam):
    concept = finetune(parity_sam, [FIRST, SECOND])
    lessons = [
        Lesson(answer.logits, embedding.frame, mask)
        for picture, mask in ((REFERENCE, MASK), (TEST, TEST_MASK))
        for embedding in [parity_sam.encode(picture)]
        for seen in [concept.locate(embedding)]
        for answer in [parity_sam.decode(embedding, seen.prompts, guidance=seen.guidance)]
    ]
    together = fit(lessons, "fast")
    assert concept.weights == together.weights
    alone = [fit([lesson], "fast") for lesson in lessons]
    # The mean of both losses: no better than each on its own, no worse than equal weights.
    assert (
        together.losses[1, 1:].sum() >= np.mean([one.losses[1, 1:].sum() for one in alone]) - 1e-5
    )
    assert together.losses[1, 1:].sum() <= together.losses[0, 1:].sum()


def test_the_same_lesson_twice_changes_nothing(parity_sam):
    once, twice = (finetune(parity_sam, shown) for shown in (FIRST, [FIRST, FIRST]))
    assert twice.weights == pytest.approx(once.weights, abs=1e-6)


@pytest.mark.parametrize("how", ["fast", "official"])
def test_several_lessons_are_fitted_by_their_mean_loss(how):
    frame = persam.structures.Frame(24, 24, (24, 24), 24)
    random = np.random.default_rng(1)
    maps = [3 * random.standard_normal((3, 6, 6), dtype=np.float32) for _ in range(2)]
    masks = [np.zeros((24, 24), dtype=bool) for _ in range(2)]
    masks[0][4:12, 4:20], masks[1][10:22, 2:9] = True, True
    lessons = [Lesson(m, frame, mask) for m, mask in zip(maps, masks, strict=True)]
    found = fit(lessons, how).losses
    singles = [fit([lesson], how).losses[0, 1:] for lesson in lessons]
    assert found[0, 1:] == pytest.approx(np.mean(singles, axis=0), abs=1e-6)  # at equal weights


@pytest.mark.parametrize(
    ("shown", "hint", "said"),
    [
        ([], {}, "at least one; got 0"),
        ([FIRST, REFERENCE], {}, "1 are something else"),
        ([FIRST], {"mask": MASK}, "says itself"),
        (FIRST, {"points": [(1, 2)]}, "says itself"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_what_references_are_not(parity_sam, method, shown, hint, said):
    with pytest.raises(InputError, match=said):
        method(parity_sam, shown, **hint)


@pytest.mark.parametrize("method", METHODS)
def test_a_negative_is_one_more_thing_that_the_object_is_not(parity_sam, method):
    plain = method(parity_sam, FIRST, variant=CONTRASTED)
    warned = method(parity_sam, FIRST, negatives=[SECOND], variant=CONTRASTED)
    assert len(warned.negatives) == 1
    assert warned.variant.contrast == 1.0
    assert np.array_equal(warned.features.target_feature, plain.features.target_feature)
    cells = warned.negatives[0].foreground
    assert np.array_equal(
        warned.features.background, np.concatenate([plain.features.background, cells])
    )


def test_where_the_negative_is_the_prior_falls(parity_sam):
    recipe = replace(CONTRASTED, contrast=1.0)
    embedding = parity_sam.encode(TEST)
    plain, warned = (
        personalize(parity_sam, FIRST, negatives=negatives, variant=recipe).locate(embedding).prior
        for negatives in ([], [SECOND])
    )
    assert (warned <= plain + 1e-5).all()
    inside = TEST_MASK
    assert float(warned[inside].mean()) < float(plain[inside].mean()) - 0.01


def test_a_recipe_without_cells_keeps_them_for_a_negative(parity_sam):
    bare = Variant.named("official", "persam")
    concept = personalize(parity_sam, FIRST, negatives=[SECOND], variant=bare)
    assert concept.variant == replace(bare, contrast=1.0)
    assert len(concept.features.foreground) > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_correction_is_one_more_reference(parity_sam, method):
    concept = method(parity_sam, FIRST, variant=CONTRASTED)
    better = concept.correct(TEST, mask=TEST_MASK)
    both = method(parity_sam, [FIRST, SECOND], variant=CONTRASTED)
    assert np.array_equal(better.features.target_feature, both.features.target_feature)
    assert np.array_equal(better.features.foreground, both.features.foreground)
    assert better.calibration == both.calibration
    assert better.weights == concept.weights  # pictures that went wrong teach nothing about scale
    assert len(concept.references) == 1  # the concept itself stays as it was


def test_a_correction_may_be_points_and_follows_a_loaded_concept(parity_sam, tmp_path):
    concept = finetune(parity_sam, FIRST, negatives=[SECOND], variant=CONTRASTED)
    concept.save(tmp_path / "dog.safetensors")
    again = Concept.load(tmp_path / "dog.safetensors", parity_sam)
    one, other = (each.correct(TEST, points=[(120, 90)]) for each in (concept, again))
    assert np.array_equal(one.features.foreground, other.features.foreground)
    assert len(other.negatives) == 1
    with pytest.raises(InputError, match="exactly one of"):
        concept.correct(TEST)


@pytest.mark.parametrize("method", METHODS)
def test_views_negatives_and_calibration_survive_a_file(parity_sam, method, tmp_path):
    concept = method(parity_sam, [FIRST, SECOND], negatives=[SECOND], variant=CONTRASTED)
    concept.save(tmp_path / "dog.safetensors")
    again = Concept.load(tmp_path / "dog.safetensors", parity_sam)
    assert again.calibration == concept.calibration is not None
    assert (len(again.references), len(again.negatives)) == (2, 1)
    for one, other in zip(concept.features.arrays(), again.features.arrays(), strict=True):
        assert np.array_equal(one, other)
    before, after = concept.segment(REFERENCE), again.segment(REFERENCE)
    assert np.array_equal(before.mask, after.mask)
    assert before.presence == after.presence


def test_points_on_parts_lie_between_the_peak_and_the_point_off_it(parity_sam):
    embedding = parity_sam.encode(TEST)
    plain, parted = (
        personalize(parity_sam, FIRST, variant=Variant(parts=parts)).locate(embedding).prompts
        for parts in (0, 3)
    )
    assert parted.labels.tolist() == [1] * (len(parted.labels) - 1) + [0]
    assert 3 <= len(parted.points) <= 5
    assert parted.points[[0, -1]].tolist() == plain.points.tolist()
    assert (parted.points >= 0).all()
    assert (parted.points < (TEST.shape[1], TEST.shape[0])).all()


def test_input_that_cannot_be_meant_is_refused_unless_it_is_given_so(tiny) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    mask = np.ones((60, 80), dtype=bool)
    mask[20:40, 30:50] = False
    for way, words in (
        ({"mask": mask}, "inverted"),
        ({"mask": picture.max(axis=2)}, "is a photo"),
        ({"box": (10, 20, 12, 40)}, "sliver"),
    ):
        with pytest.raises(InputError, match=words):
            encode_reference(tiny("sam"), Reference(picture, **way), Variant())
        if "box" not in way:
            encode_reference(tiny("sam"), Reference(picture, **way, as_given=True), Variant())


def test_a_reference_knows_in_how_many_pieces_it_shows_the_object(tiny) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:30, 10:30] = mask[35:55, 40:70] = mask[2, 2] = True
    found = encode_reference(tiny("sam"), Reference(picture, mask=mask), Variant())
    assert found.facts["pieces"] == 2
