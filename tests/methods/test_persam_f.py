from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import parity
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam import geometry
from persam.errors import PersamError
from persam.methods.fit import Lesson, fit, losses
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.structures import Frame
from persam.variants import Variant

REFERENCE = parity.picture("vit", "reference")
MASK = parity.picture("vit", "reference_mask")


def blobs(seed: int) -> np.ndarray:
    """Three smooth maps of logits ``(3, 32, 32)``, as a decoder gives."""
    random = np.random.default_rng(seed)
    return geometry.bilinear(6 * random.standard_normal((3, 6, 6), dtype=np.float32), (32, 32))


def full_loss(logits: np.ndarray, weights, frame, mask: np.ndarray) -> float:
    fused = np.einsum("k,kij->ij", np.array(weights, dtype=np.float32), logits)[None]
    dice, focal = losses(
        geometry.to_original(fused, frame).ravel(), mask.ravel().astype(np.float32)
    )
    return float(dice + focal)


def test_losses_by_hand():
    logits = np.array([0.0, 2.0, -1.0])
    truth = np.array([1.0, 1.0, 0.0])
    p = 1 / (1 + np.exp(-logits))
    dice = 1 - (2 * (p[0] + p[1]) + 1) / (p.sum() + 2 + 1)
    parts = [-0.25 * (1 - p[0]) ** 2 * np.log(p[0]), -0.25 * (1 - p[1]) ** 2 * np.log(p[1])]
    parts.append(-0.75 * p[2] ** 2 * np.log(1 - p[2]))
    found = losses(logits, truth)
    assert [float(v) for v in found] == pytest.approx([dice, np.mean(parts)], rel=1e-5)


def test_extreme_logits_stay_finite():
    dice, focal = losses(np.array([1e4, -1e4]), np.array([0.0, 1.0]))
    assert float(dice) == pytest.approx(1 - 1 / 3)
    assert float(focal) == pytest.approx(5000, rel=1e-4)


def test_cells_weigh_as_their_pixels():
    logits, truth = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.0, 1.0])
    small = losses(logits, truth, pixels=4)
    large = losses(np.tile(logits, 4), np.tile(truth, 4))
    assert [float(v) for v in small] == pytest.approx([float(v) for v in large], rel=1e-5)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(60, 100), (90, 40), (150, 150)]))
def test_no_place_of_a_fine_grid_is_lower(seed, size):
    frame = geometry.fit(*size, 64, keep_aspect=True)
    maps = blobs(seed)
    mask = geometry.to_original(blobs(seed + 1)[:1], frame)[0] > 1
    mask[:3, :3] = True
    found = fit([Lesson(maps, frame, mask)], "fast")
    lowest = full_loss(maps, found.weights, frame, mask)
    assert lowest == pytest.approx(float(found.losses[-1, 1:].sum()), abs=1e-4)
    ticks = np.linspace(-0.25, 1.25, 13).tolist()
    others = [(1 - a - b, a, b) for a in ticks for b in ticks]
    assert lowest <= min(full_loss(maps, w, frame, mask) for w in others) + 1e-4


def test_big_pictures_are_fitted_on_smaller_maps_without_loss():
    frame = geometry.fit(1400, 900, 64, keep_aspect=True)
    maps = blobs(4)
    mask = geometry.to_original(maps[1:2] + 0.3 * maps[2:], frame)[0] > 0
    found = fit([Lesson(maps, frame, mask)], "fast")
    here = full_loss(maps, found.weights, frame, mask)
    assert here == pytest.approx(float(found.losses[-1, 1:].sum()), abs=1e-3)
    for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        w1, w2 = found.weights[1] + 0.03 * a, found.weights[2] + 0.03 * b
        assert here <= full_loss(maps, (1 - w1 - w2, w1, w2), frame, mask) + 1e-4


def test_a_speck_in_a_big_picture_is_not_lost():
    frame = geometry.fit(1000, 1000, 64, keep_aspect=True)
    mask = np.zeros((1000, 1000), dtype=bool)
    mask[501:504, 333:335] = True
    found = fit([Lesson(blobs(1), frame, mask)], "fast")
    assert found.losses[-1, 1:].sum() <= found.losses[0, 1:].sum()
    assert sum(found.weights) == pytest.approx(1)


def test_a_lesson_has_its_frames_size():
    frame = geometry.fit(10, 20, 64, keep_aspect=True)
    with pytest.raises(ValueError, match="10x20"):
        Lesson(np.zeros((3, 8, 8), dtype=np.float32), frame, np.zeros((20, 10), dtype=bool))


def test_the_right_mask_is_found():
    frame = geometry.fit(100, 80, 64, keep_aspect=True)
    maps = blobs(2)
    for k in range(3):
        mask = geometry.to_original(maps[k : k + 1], frame)[0] > 0
        weights = fit([Lesson(maps * 3, frame, mask)], "fast").weights
        assert int(np.argmax(weights)) == k


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_more_the_fit_is_shrunk_the_nearer_it_stays_to_equal_weights(seed):
    frame = Frame(32, 32, (32, 32), 32)
    maps = blobs(seed)
    mask = maps[1] > 0
    factors = (0.0, 0.02, 0.1, 1.0, 1000.0)
    fits = [fit([Lesson(maps, frame, mask)], "fast", shrinkage=each) for each in factors]
    apart = [np.square(np.array(found.weights) - 1 / 3).sum() for found in fits]
    assert all(later <= earlier + 1e-3 for earlier, later in itertools.pairwise(apart))
    assert apart[-1] < 1e-4


@pytest.mark.parametrize("how", ["fast", "official"])
def test_overflow_is_an_error(how):
    frame = geometry.fit(10, 10, 64, keep_aspect=True)
    mask = np.eye(10, dtype=bool)
    with pytest.raises(PersamError, match="fp32"):
        fit([Lesson(np.full((3, 8, 8), np.nan), frame, mask)], how)


def test_the_decoder_is_asked_once(parity_sam):
    calls = []
    head = parity_sam.model.mask_decoder.register_forward_hook(lambda *_: calls.append(1))
    try:
        finetune(parity_sam, REFERENCE, mask=MASK)
    finally:
        head.remove()
    assert len(calls) == 1


def test_everything_of_persam_can_be_switched_on_too(parity_sam):
    recipe = replace(
        Variant.named("default", "persam-f"),
        negative_point=True,
        guided_attention=True,
        semantic_prompt=True,
        parts=0,
    )
    concept = finetune(parity_sam, REFERENCE, mask=MASK, variant=recipe)
    trace = concept.segment(parity.picture("vit", "test"), trace=True).trace
    assert len(trace["points_xy"]) == 2
    assert len(trace["point_xy"]) == 1
    assert "attention_similarity" in trace
    assert trace["weights"].tolist() == list(concept.weights)


def test_weights_come_with_the_method(parity_sam):
    plain = personalize(parity_sam, REFERENCE, mask=MASK)
    with pytest.raises(ValueError, match="three weights"):
        replace(plain, method="persam-f")
    assert plain.weights is None
