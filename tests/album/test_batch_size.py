"""The size of the next batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from persam.album.batch_size import SIZES, BatchSize
from persam.errors import InputError


def settle(each: Callable[[int], float]) -> tuple[int, list[int]]:
    """Encode with ``each(size)`` seconds a picture; the settled size and the sizes before."""
    size, asked = BatchSize(), []
    for _ in range(30):
        asked.append(size.now)
        size.took(size.now, size.now * each(size.now))
    return size.now, asked


def test_a_size_that_is_given_stays():
    size = BatchSize(3)
    for _ in range(5):
        size.took(3, 1.0)
        assert size.now == 3


def test_the_quickest_is_found_and_every_trial_encodes_real_pictures():
    chosen, asked = settle(lambda size: 1 / size + 0.01 * size)
    assert chosen == 8
    assert asked[: 1 + 2 * len(SIZES)] == [1, 1, 1, 2, 2, 4, 4, 8, 8, 16, 16]


def test_of_nearly_equal_ones_the_smallest_is_taken():
    assert settle(lambda size: 1 - 0.001 * size)[0] == 1


def test_larger_ones_are_not_tried_once_it_gets_worse():
    chosen, asked = settle(lambda size: 1 + 0.2 * size)
    assert chosen == 1
    assert max(asked) == 2


def test_the_first_picture_and_the_slower_of_two_say_nothing():
    seconds = iter([50.0, 1.0, 9.0, 9.0, 1.6, 8.0, 9.0])
    size = BatchSize()
    for took in seconds:
        size.took(size.now, took)
    assert size.now == 2


def test_a_batch_that_does_not_fit_is_not_asked_again():
    assert settle(lambda size: 1 / size if size < 8 else math.inf)[0] == 4


def test_batches_of_other_sizes_teach_nothing():
    size = BatchSize()
    for _ in range(20):
        size.took(7, 0.001)
    assert size.now == 1
    size.took(1, 1.0)
    assert size.now == 1


def test_a_batch_of_none_is_refused():
    with pytest.raises(InputError, match="got 0"):
        BatchSize(0)
