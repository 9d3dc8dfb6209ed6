from __future__ import annotations

import hashlib

import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from persam.errors import InputError
from persam.evaluation.datasets import segments

# Outlines, pictures' sizes, and the run lengths that pycocotools 2.0.11 makes of them: plain ones,
# some that cross themselves or leave the picture, one with repeated corners, one too thin to show.
DRAWN_BY_COCO = [
    ([1.2, 1.3, 7.8, 2.2, 5.1, 6.6], (8, 10), "9180O1O2N00N2O?"),
    ([-1.86, 8.7, 3.58, 7.85, 11.67, 5.08], (9, 7), "R11i00YO"),
    (
        [7.52, -1.49, 2.64, 7.5, 11.26, 13.88, 5.0, -1.62, 3.05, 16.1],
        (12, 15),
        "Z127ON0M131NNN66O1O2Mb1",
    ),
    (
        [
            *(2.55, 8.76, 21.21, -2.35, 12.61, 21.7, 2.99, 11.26),
            *(20.64, 0.46, 10.61, 16.51, 14.39, 9.16, 2.33, 9.76),
        ],
        (20, 11),
        "a11b01_OO?4N2NLE2:MG47MH57JJ74JL7O",
    ),
    (
        [
            *(5.19, 7.5, 5.05, 15.43, 13.91, 3.91, 9.6, 3.07, 6.96, 4.77, 11.46, 5.15),
            *(7.1, 12.83, 6.09, 16.94, 0.97, 13.3, 6.29, 6.38, 10.96, 8.5, 6.13, -2.97),
        ],
        (16, 16),
        "m01=2O2N2JL44OKJ20N;OE12O54IL8152ON1Om0",
    ),
    ([2, 2, 2, 2, 9, 2, 9, 9, 9, 9, 2, 9, 2, 2], (12, 12), "j07500000000000R1"),
    ([0.5, 0.5, 3.5, 0.5, 3.5, 2.5, 0.5, 2.5], (4, 5), "5220003"),
    ([5.1, 5.1, 5.3, 5.1, 5.3, 5.3], (9, 9), "a2"),
]
# Of the masks that pycocotools 2.0.11 makes of the 300 outlines below.
OF_300_BY_COCO = "7456233090060fb7e8b4ef0ff67cfb225151f1ae8307a6e6aeb0eeffa0735f85"


def test_run_lengths_by_eye():
    rows = segments.run_lengths({"size": [8, 10], "counts": "9180O1O2N00N2O?"}).astype(int)
    assert ["".join(map(str, row)) for row in rows] == [
        "0000000000",
        "0100000000",
        "0011111100",
        "0001111000",
        "0000110000",
        "0000110000",
        "0000000000",
        "0000000000",
    ]


@pytest.mark.parametrize(("outline", "size", "counts"), DRAWN_BY_COCO)
def test_polygons_as_coco_draws_them(outline, size, counts):
    drawn = segments.run_lengths({"size": list(size), "counts": counts.encode()})
    np.testing.assert_array_equal(segments.polygon(np.array(outline, float), size), drawn)


def test_many_polygons_as_coco_draws_them():
    draws = np.random.RandomState(11)
    digest = hashlib.sha256()
    for _ in range(300):
        height, width = (int(side) for side in draws.randint(1, 50, 2))
        outline = np.round(draws.uniform(-8, 55, 2 * draws.randint(3, 12)), 2)
        drawn = segments.polygon(outline, (height, width))
        digest.update(drawn.astype(np.uint8).tobytes())
    assert digest.hexdigest() == OF_300_BY_COCO


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_run_lengths_hold_every_mask(mask):
    np.testing.assert_array_equal(segments.run_lengths(layouts.runs(mask)), mask)
    np.testing.assert_array_equal(segments.draw([layouts.runs(mask)], mask.shape), mask)


def test_segments_add_up():
    corner = [[0, 0, 2, 0, 2, 2, 0, 2], [4, 0, 5, 0, 5, 1, 4, 1]]
    middle = np.zeros((4, 5), np.uint8)
    middle[2, 2] = 7
    rle = {"size": [4, 5], "counts": [3, 1, 16]}
    drawn = segments.draw([corner, middle, rle], (4, 5)).astype(int)
    assert drawn.tolist() == [[1, 1, 0, 0, 1], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert not segments.draw([], (4, 5)).any()


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ([[1, 1, 2, 2]], "at least three corners in turn; got 4 numbers"),
        ([[1, 1, 2, 2, 3, 3, 4]], "got 7 numbers"),
        ({"size": [4, 6], "counts": [24]}, "picture of 4x6 .* this one is 4x5"),
        ({"size": [4, 5], "counts": [3, 4]}, "add up to 7 pixels.*4x5 = 20"),
        ({"size": [4, 5], "counts": [25, -5]}, "damaged run lengths"),
        ({"counts": [20]}, "got dict"),
        (7, "got int"),
    ],
)
def test_segments_that_are_none(segment, said):
    with pytest.raises(InputError, match=said):
        segments.draw([segment], (4, 5))


@pytest.mark.parametrize("far", [1e4, 1e7, 1e12])
def test_corners_far_away_take_no_memory_and_change_nothing_near(far):
    size = (40, 50)
    near = segments.polygon(np.array([10.0, 10, 49, 10, 49, 30, 10, 30]), size)
    reached = segments.polygon(np.array([10.0, 10, far, 10, far, 30, 10, 30]), size)
    np.testing.assert_array_equal(reached[:, :49], near[:, :49])
    assert reached[10:30, 10:].all()
    assert segments.polygon(np.array([-far, -far, far, -far, far, far, -far, far]), size).all()
    assert not segments.polygon(np.array([far, far, 2 * far, far, 2 * far, 2 * far]), size).any()


@pytest.mark.parametrize("corner", [np.nan, np.inf])
def test_corners_that_are_no_numbers_are_refused(corner):
    with pytest.raises(InputError, match="NaN or infinity"):
        segments.polygon(np.array([0, 0, 5, 0, corner, 5]), (9, 9))
