"""GF-SAM's arithmetic on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from persam.evaluation.methods.gf_sam import (
    MOST,
    Priors,
    clusters,
    overshooting_gate,
    positive_gate,
    prompt_patches,
)


def test_priors_by_hand():
    # Patch 0 of the reference is the object, patch 1 the rest.
    priors = Priors.of(np.array([[0.8, 0.2, 0.5], [0.1, 0.9, 0.3]]), np.array([1.0, 0.0]))
    assert priors.mean.tolist() == pytest.approx([0.8, 0.2, 0.5], abs=1e-5)
    assert priors.largest.tolist() == pytest.approx([0.8, 0.2, 0.5])
    assert priors.background.tolist() == pytest.approx([0.1, 0.9, 0.3], abs=1e-5)
    # mean x largest: 0.64, 0.04, 0.25 -> 1, 0, 0.35; background -> 0, 1, 0.25.
    assert priors.aligned.tolist() == pytest.approx([1.0, 0.0, 0.35], abs=1e-4)
    # mean squared less background x (0.8 + 0.2) / 2: 0.59, -0.41, 0.10.
    assert priors.gain.tolist() == pytest.approx([0.59, -0.41, 0.10], abs=1e-4)


def test_a_patch_that_is_half_object_counts_half():
    priors = Priors.of(np.array([[0.6], [0.2]]), np.array([0.5, 1.0]))
    assert priors.mean[0] == pytest.approx((0.5 * 0.6 + 0.2) / 1.5, abs=1e-5)
    assert priors.largest[0] == pytest.approx(0.3)


def test_the_sum_is_the_number_of_points():
    assert prompt_patches(np.array([0.4, 0.5, 0.0])).tolist() == [1]
    assert prompt_patches(np.zeros(3)).tolist() == []
    assert len(prompt_patches(np.ones(500))) == MOST


def test_clusters_are_weakly_connected():
    # 0 covers 1, 2 covers 1: one cluster though no edge goes from 0 to 2.
    covered = np.eye(4, dtype=bool)
    covered[0, 1] = covered[2, 1] = True
    assert clusters(covered).tolist() == [0, 0, 0, 1]


def test_the_positive_gate_grows_masks_by_their_gain():
    gain = np.array([1.0, 1.0, -1.0, -1.0])
    shares = np.array(
        [
            [1.0, 0.0, 0.0, 0.0],  # gain 1: first, all of it object
            [1.0, 1.0, 1.0, 1.0],  # adds one of the object and two of the rest: out
            [1.0, 1.0, 1.0, 0.0],  # adds one and one: no more of the object than of the rest
        ]
    )
    passed, _ = positive_gate(shares, gain, np.array([0, 0, 0]))
    assert passed.tolist() == [True, False, False]
    alone, _ = positive_gate(shares[2:], gain, np.array([0]))
    assert alone.tolist() == [True]  # two of the object, one of the rest


def test_the_overshooting_gate_asks_whose_point_it_is():
    places = np.array([[0, 0], [0, 1], [9, 9]])
    labels = np.array([0, 0, 1])
    like = np.array([[0.9, 0.8, 0.7], [0.1, 0.1, 0.9]])
    assert overshooting_gate(like, places, labels).tolist() == [True, True, True]
    # Point 1 is far more like cluster 1, but that is far away: 0.9 / 12.04 < 0.3.
    like[:, 1] = [0.3, 0.9]
    assert overshooting_gate(like, places, labels).tolist() == [True, True, True]
    # Beside it, it is not its own any more, and one of two agreeing is enough for the cluster.
    near = np.array([[0, 0], [0, 8], [0, 9]])
    assert overshooting_gate(like, near, labels).tolist() == [True, False, True]
    # Where most of a cluster disagree, none of it passes.
    crowd = np.array([[0, 0], [0, 1], [0, 8], [0, 9]])
    three = np.array([[0.9, 0.1, 0.1, 0.0], [0.0, 0.9, 0.9, 0.9]])
    assert overshooting_gate(three, crowd, np.array([0, 0, 0, 1])).tolist() == [
        False,
        False,
        False,
        True,
    ]
