"""INSID3's arithmetic on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation.methods.insid3 import (
    Insid3Options,
    aggregate,
    candidates,
    debiased,
    group,
    insid3,
    positional_basis,
)


def test_directions_of_an_empty_picture_are_projected_out():
    # Four patches that differ along the first two axes alone, mostly along the first.
    vectors = np.array([[0.3, 0.1, 1, 0], [-0.3, 0.1, 1, 0], [0.3, -0.1, 1, 0], [-0.3, -0.1, 1, 0]])
    basis = positional_basis(vectors)
    assert basis.shape == (4, 1)  # at most 500 / 1024 of four directions
    np.testing.assert_allclose(np.abs(basis[:, 0]), [1, 0, 0, 0], atol=1e-12)
    left = debiased(vectors, basis)
    np.testing.assert_allclose(left @ basis, 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(left, axis=1), 1)


def test_patches_that_are_all_alike_have_no_position():
    assert positional_basis(np.ones((6, 8)) / np.sqrt(8)).shape == (8, 0)


def test_candidates_match_forward_and_backward():
    reference = np.array([[1.0, 0.0], [0.0, 1.0]])
    picture = np.array([[0.8, 0.6], [0.6, 0.8], [-1.0, 0.0]])
    # The third is unlike the object, the second nearer to the background.
    found = candidates(picture, reference, np.array([True, False]), reference[0])
    assert found.tolist() == [True, False, False]


def test_groups_merge_while_their_mean_cosine_is_high_enough():
    angles = np.deg2rad([0, 10, 60])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert len(np.unique(group(vectors, 0.99))) == 3
    labels = group(vectors, 0.9)
    assert labels[0] == labels[1] != labels[2]
    # From the pair to the third: (cos 60 + cos 50) / 2 = 0.57.
    assert len(np.unique(group(vectors, 0.58))) == 2
    assert len(np.unique(group(vectors, 0.56))) == 1
    assert group(vectors[:1], 0.5).tolist() == [0]


def test_clusters_join_the_seed_by_hand():
    labels = np.array([0, 0, 1, 1, 2])
    candidate = np.array([True, False, True, True, False])
    to_object = np.array([0.9, 0.5, 0.95])  # cluster 2 has no candidate, so 0 is the seed
    mean = np.array([0.8, 0.4, 0.7])
    each = np.array([[1.0, 0.5, 0.9], [0.5, 1.0, 0.2], [0.9, 0.2, 1.0]])
    belongs = aggregate(labels, candidate, (to_object, mean, each))
    # The seed counts whole; 0.4 x 0.5 x 2/2; 0.7 x 0.9 x 0.
    assert belongs.tolist() == pytest.approx([0.8, 0.2, 0.0])


def test_thresholds_are_above_zero(tiny, random_image):
    mask = np.ones(random_image.shape[:2], dtype=bool)
    with pytest.raises(InputError, match="join= is a number above 0"):
        insid3(tiny("sam"), random_image, mask=mask, options=Insid3Options(join=0))
