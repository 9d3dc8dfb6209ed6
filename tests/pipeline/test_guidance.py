from __future__ import annotations

import numpy as np
import pytest

from persam import geometry
from persam.pipeline.guidance import attention_guide

SQUARE = geometry.fit(64, 64, 64, keep_aspect=True)
WIDE = geometry.fit(32, 64, 64, keep_aspect=True)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("how", ["official", "padded"])
def test_guides_of_square_pictures_follow_the_formula(how):
    prior = drawn(64, 64)
    guide = attention_guide(prior, SQUARE, (8, 8), how)
    standard = (prior - prior.mean()) / prior.std(ddof=1)
    # Every eighth place of a grid of eight lies between two pixels of 64.
    sampled = standard.reshape(8, 8, 8, 8)[:, 3:5, :, 3:5].mean(axis=(1, 3))
    np.testing.assert_allclose(guide.ravel(), 1 / (1 + np.exp(-sampled)).ravel(), rtol=1e-5)


def test_the_official_guide_is_displaced_on_wide_pictures_and_the_padded_one_is_not():
    prior = np.zeros((32, 64), dtype=np.float32)
    prior[24:, :] = 1  # the lowest quarter of the picture is rows 3 of the grid's 8
    official = attention_guide(prior, WIDE, (8, 8), "official").reshape(8, 8)
    padded = attention_guide(prior, WIDE, (8, 8), "padded").reshape(8, 8)
    assert official.mean(axis=1).argmax() >= 6
    assert padded.mean(axis=1).argmax() == 3
    assert (padded[4:] == padded.min()).all()


@pytest.mark.parametrize("how", ["official", "padded"])
def test_a_constant_prior_guides_nowhere_and_is_no_nan(how):
    for prior in (np.ones((5, 7), dtype=np.float32), np.ones((1, 1), dtype=np.float32)):
        frame = geometry.fit(*prior.shape, 64, keep_aspect=True)
        guide = attention_guide(prior, frame, (8, 8), how)
        assert (guide == 0.5).all()
