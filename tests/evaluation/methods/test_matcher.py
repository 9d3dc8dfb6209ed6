"""Matcher's arithmetic on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation.methods.matcher import (
    MANY,
    MatcherOptions,
    match_both_ways,
    prompt_groups,
    score_masks,
)


def test_matches_are_one_to_one_and_come_back():
    # Patches 0 and 1 of the reference are the object; both like patch 0 of the picture best.
    # Together 0.9 + 0.6 is the most, so 0 -> 0 and 1 -> 1. Back, 0 likes 0 best; 1 likes the
    # background's patch 2 (0.8), which is not the object's: that match is dropped.
    cosines = np.array([[0.9, 0.1, 0.0], [0.7, 0.6, 0.0], [0.1, 0.8, 0.0]])
    indices, matched = match_both_ways(cosines, np.array([True, True, False]))
    assert (indices.tolist(), matched.tolist()) == ([0], [0.9])
    # With the background less alike, both stand, the better first.
    cosines[2, 1] = 0.5
    indices, matched = match_both_ways(cosines, np.array([True, True, False]))
    assert (indices.tolist(), matched.tolist()) == ([0, 1], [0.9, 0.6])


def test_where_nothing_comes_back_all_matches_stand():
    cosines = np.array([[0.5, 0.4], [0.9, 0.3], [0.2, 0.8]])
    indices, _ = match_both_ways(cosines, np.array([True, False, False]))
    assert indices.tolist() == [0]


def test_of_many_matches_the_better_half_is_kept():
    count = MANY + 2
    cosines = np.diag(np.linspace(0.5, 0.9, count))
    indices, matched = match_both_ways(cosines, np.ones(count, dtype=bool))
    assert len(indices) == count // 2
    assert matched.min() > 0.7 > np.median(np.linspace(0.5, 0.9, count)) - 0.01


def test_groups_are_combinations_of_points_on_the_matches():
    points = np.array([[x, x % 7] for x in range(60)])
    options = MatcherOptions(centres=5, smallest=2, largest=3, samples=4)
    groups = prompt_groups(points, options)
    assert [len(group) for group in groups] == [2] * 4 + [3] * 4
    assert all(tuple(point) in set(map(tuple, points)) for group in groups for point in group)
    again = prompt_groups(points, options)
    assert all(np.array_equal(one, two) for one, two in zip(groups, again, strict=True))


def test_few_points_are_one_group():
    groups = prompt_groups(np.array([[3, 4], [3, 4], [5, 6]]), MatcherOptions())
    assert [group.tolist() for group in groups] == [[[3, 4], [5, 6]]]


def test_scores_by_hand():
    # One patch of the object; two of the picture at distances 0.1 and 0.5; matched is the first.
    costs = np.array([[0.1, 0.5]])
    shares = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    scores = score_masks(shares, np.array([0]), costs, MatcherOptions())
    # 0.8 x (1 - 0.1) + 0.2 x 1 x 1; 0.8 x (1 - 0.3) + 0.2 x 1/2 x 1; nothing.
    assert scores.tolist() == pytest.approx([0.92, 0.66, 0.0])


def test_options_that_make_no_sense():
    with pytest.raises(InputError, match="smallest before largest"):
        MatcherOptions(smallest=7, largest=6)
