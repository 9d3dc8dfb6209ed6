from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam import geometry
from persam.errors import PersamError
from persam.pipeline import decoder
from persam.structures import Guidance, Maps, MaskLogits, Prompts
from persam.variants import Variant

POINT = Prompts(np.array([[30, 20]]), np.array([1]))


@pytest.fixture(scope="module")
def seen(sam):
    image = np.random.default_rng(3).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    return sam.encode(image)


def made(number: int, score: float, *, empty: bool = False) -> decoder.Step:
    """A step with a result of our choosing."""
    logits = np.full((1, 16, 16), -1.0 if empty else 1.0, dtype=np.float32)
    mask = np.full((4, 4), not empty)
    answer = MaskLogits(logits, np.array([score]))
    return decoder.Step(number, POINT, answer, 0, logits, mask, score)


@pytest.mark.parametrize(("weights", "k"), [((1, 0, 0), 0), ((0, 1, 0), 1), ((0, 0, 1), 2)])
def test_a_single_weight_is_that_mask(sam, seen, weights, k):
    fused = decoder.first_step(sam, seen, POINT, weights=weights)
    plain = sam.decode(seen, POINT, multimask=True)
    assert np.array_equal(fused.logits[0], plain.logits[k])
    assert fused.score == pytest.approx(float(plain.iou[k]))
    full = geometry.to_original(plain.logits[k : k + 1], seen.frame)[0] > 0
    assert np.array_equal(fused.mask, full)


def test_the_first_step_takes_the_single_mask_output(sam, seen):
    step = decoder.first_step(sam, seen, POINT)
    plain = sam.decode(seen, POINT, multimask=False)
    assert (step.number, step.index) == (1, 0)
    assert np.array_equal(step.logits, plain.logits)


def test_refinement_asks_with_the_previous_mask_and_takes_the_best(sam, seen):
    first = decoder.first_step(sam, seen, POINT)
    second = decoder.refine_step(sam, seen, first, number=2, box=False)
    plain = sam.decode(seen, Prompts(POINT.points, POINT.labels, mask=first.logits))
    assert np.array_equal(second.answer.logits, plain.logits)
    assert second.index == plain.best()
    assert second.score == pytest.approx(float(plain.iou.max()))
    assert np.array_equal(second.logits[0], plain.logits[second.index])
    third = decoder.refine_step(sam, seen, second, number=3, box=True)
    rows, columns = np.nonzero(second.mask)
    assert third.prompts.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_guidance_stays_in_the_first_step(sam, seen):
    target = np.random.default_rng(1).standard_normal((1, 1, seen.features.shape[1]), np.float32)
    plain = decoder.refine_step(sam, seen, made(1, 0.5), number=2, box=False)
    guided = decoder.first_step(sam, seen, POINT, Guidance(target=target))
    after = decoder.refine_step(sam, seen, made(1, 0.5), number=2, box=False)
    assert not np.array_equal(guided.logits, decoder.first_step(sam, seen, POINT).logits)
    assert np.array_equal(plain.answer.logits, after.answer.logits)


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"refine_mask": False}, [1, 3]),
        ({"refine_box": False}, [1, 2]),
        ({"refine_mask": False, "refine_box": False}, [1]),
    ],
)
def test_each_refinement_can_be_left_out(sam, seen, changes, numbers):
    first = decoder.first_step(sam, seen, POINT)
    steps = decoder.refine(sam, seen, first, replace(Variant(), **changes))
    assert [step.number for step in steps] == numbers


def test_the_box_of_step_2_is_a_switch(sam, seen):
    first = decoder.first_step(sam, seen, POINT)
    boxes = {}
    for wanted in (True, False):
        steps = decoder.refine(sam, seen, first, replace(Variant(), box_in_step_2=wanted))
        boxes[wanted] = steps[1].prompts.box
    assert first.mask.any()
    assert boxes[True] is not None
    assert boxes[False] is None


def test_a_step_that_finds_nothing_is_set_aside():
    first, empty, third = made(1, 0.2), made(2, 0.9, empty=True), made(3, 0.1)
    assert decoder.final_step([first, empty]) is first
    assert decoder.final_step([first, empty], keep_best=True) is first
    assert decoder.final_step([first, empty, third]) is third
    assert decoder.final_step([first, empty, third], keep_best=True) is first
    nothing = [made(1, 0.1, empty=True), made(2, 0.9, empty=True)]
    assert decoder.final_step(nothing) is nothing[0]


def test_an_empty_mask_gives_no_box(sam, seen):
    again = decoder.refine_step(sam, seen, made(1, 0.5, empty=True), number=3, box=True)
    assert again.prompts.box is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=3))
def test_what_stands_is_never_empty_if_anything_was_found(drawn):
    steps = [made(i + 1, score, empty=empty) for i, (score, empty) in enumerate(drawn)]
    best = decoder.final_step(steps, keep_best=True)
    assert best.mask.any() == any(step.mask.any() for step in steps)
    assert all(best.score >= s.score for s in steps if s.mask.any())


def test_overflow_is_an_error_and_no_mask(sam, seen):
    answer = sam.decode(seen, POINT)
    broken = replace(seen, maps=Maps(seen.features * float("nan"), seen.matching, seen.extras))
    assert np.isfinite(answer.iou).all()
    with pytest.raises(PersamError, match="fp32"):
        decoder.first_step(sam, broken, POINT)
