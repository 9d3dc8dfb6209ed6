"""The final mask as one object."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persam.pipeline.one_piece import one_piece, without_small_holes


def _two_pieces():
    mask = np.zeros((20, 30), dtype=bool)
    mask[2:12, 2:12] = True
    mask[4:12, 18:28] = True
    return mask


def test_a_piece_without_support_goes():
    mask, prior = _two_pieces(), np.zeros((20, 30), np.float32)
    prior[5, 5], prior[5, 20] = 1.0, 0.6
    found = one_piece(mask, prior)
    assert found[:, :15].sum() == 100
    assert not found[:, 15:].any()


def test_the_likelier_piece_stays_not_the_larger():
    mask, prior = _two_pieces(), np.zeros((20, 30), np.float32)
    prior[5, 5], prior[5, 20] = 0.6, 1.0
    found = one_piece(mask, prior)
    assert not found[:, :15].any()
    assert np.array_equal(found[:, 15:], mask[:, 15:])


def test_an_object_cut_in_two_stays_whole():
    mask, prior = _two_pieces(), np.zeros((20, 30), np.float32)
    prior[5, 5], prior[5, 20] = 1.0, 0.99
    assert np.array_equal(one_piece(mask, prior), mask)


def test_a_fragment_beside_the_object_stays_with_less_support():
    """A collar cuts a dog's head off, and the head is not the likeliest place of the dog."""
    mask, prior = np.zeros((40, 60), dtype=bool), np.zeros((40, 60), np.float32)
    mask[4:24, 4:24] = mask[4:24, 26:40] = True
    prior[10, 10], prior[10, 32] = 1.0, 0.85
    assert np.array_equal(one_piece(mask, prior), mask)
    prior[10, 32] = 0.5
    assert not one_piece(mask, prior)[:, 26:].any()


def test_a_crumb_goes_even_where_it_is_likely():
    mask, prior = _two_pieces(), np.zeros((20, 30), np.float32)
    mask[16, 16] = True
    prior[5, 5], prior[16, 16] = 1.0, 0.99
    assert not one_piece(mask, prior)[16, 16]


def test_small_holes_are_closed_and_large_ones_are_the_objects():
    mask = np.ones((20, 20), dtype=bool)
    mask[3, 3] = False
    assert without_small_holes(mask).all()
    mask[8:14, 8:14] = False
    found = without_small_holes(mask)
    assert found[3, 3]
    assert not found[8:14, 8:14].any()


def test_nothing_stays_nothing_and_a_flat_prior_says_nothing():
    empty = np.zeros((4, 4), dtype=bool)
    assert not one_piece(empty, np.zeros((4, 4), np.float32)).any()
    assert np.array_equal(one_piece(_two_pieces(), np.zeros((20, 30), np.float32)), _two_pieces())


@given(
    arrays.arrays(bool, (8, 9)),
    arrays.arrays(np.float32, (8, 9), elements=st.floats(-1, 1, width=32)),
)
def test_it_adds_closed_holes_alone_and_keeps_something(mask, prior):
    found = one_piece(mask, prior)
    assert found.any() == mask.any()
    assert not (found & ~without_small_holes(mask, 1.0)).any()
