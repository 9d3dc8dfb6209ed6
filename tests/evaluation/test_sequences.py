from __future__ import annotations

import json

import numpy as np
import parity
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from persam.errors import InputError
from persam.evaluation import sequences

FOLDER = parity.FOLDER / "metrics"
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
pairs = shapes.flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


@pytest.fixture(scope="module")
def official():
    return json.loads((FOLDER / "davis.json").read_text())


def read(kind: str) -> list[np.ndarray]:
    paths = sorted(FOLDER.glob(f"{kind}_*.png"))
    return [np.array(Image.open(path)) > 0 for path in paths]


@pytest.mark.parametrize(
    ("name", "measure"),
    [("J", sequences.region_similarity), ("F", sequences.contour_accuracy)],
)
def test_every_frame_and_the_statistics_are_the_official_scorers(official, name, measure):
    values = [measure(*pair) for pair in zip(read("prediction"), read("truth"), strict=True)]
    assert values == pytest.approx(official[name], abs=1e-9)
    got = sequences.statistics(values[1:-1])
    expected = official[f"{name}_mean_recall_decay"]
    assert [got.mean, got.recall, got.decay] == pytest.approx(expected, abs=1e-9)


def test_the_fixtures_hold_empty_masks_of_either_kind(official):
    empty = [
        (not found.any(), not truth.any())
        for found, truth in zip(read("prediction"), read("truth"), strict=True)
    ]
    assert {(True, False), (False, True), (True, True), (False, False)} == set(empty)
    assert len(official["J"]) == len(empty)


def test_contour_accuracy_by_hand():
    truth = np.zeros((60, 60), dtype=bool)
    truth[20:40, 20:40] = True
    # The diagonal is 84.9 pixels, so contours may lie ceil(0.68) = 1 pixel apart.
    for shift, expected in ((0, 1.0), (1, 1.0), (30, 0.0)):
        assert sequences.contour_accuracy(np.roll(truth, shift, axis=1), truth) == expected
    # The contour is a ring of 21 x 21, 80 pixels. 2 pixels to the side, each of its horizontal
    # edges matches in the 19 columns that both share and in the next one, and the left edge in the
    # 2 pixels beside the other's horizontal edges.
    assert sequences.contour_accuracy(np.roll(truth, 2, axis=1), truth) == (2 * 20 + 2) / 80


def test_a_mask_that_fills_the_frame_has_no_contour():
    full = np.ones((10, 12), dtype=bool)
    empty = np.zeros((10, 12), dtype=bool)
    assert not sequences.contour(full).any()
    assert sequences.contour_accuracy(full, empty) == 1.0
    assert sequences.region_similarity(full, empty) == 0.0


@given(pairs)
def test_measures_are_symmetric_shares(pair):
    for measure in (sequences.region_similarity, sequences.contour_accuracy):
        value = measure(*pair)
        assert 0 <= value <= 1
        assert value == pytest.approx(measure(*reversed(pair)), abs=1e-12)
        assert measure(pair[0], pair[0]) == 1


@given(hnp.arrays(np.bool_, shapes))
def test_a_contour_pixel_differs_from_a_neighbour_to_the_right_or_below(mask):
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    neighbours = np.stack([padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    assert (sequences.contour(mask) == (neighbours != mask).any(axis=0)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_decay_compares_the_first_quarter_with_the_last(values):
    got = sequences.statistics(values)
    backwards = sequences.statistics(values[::-1])
    assert got.mean == pytest.approx(backwards.mean)
    assert got.recall == backwards.recall
    assert -1 <= got.decay <= 1
    if len(set(values)) == 1:
        assert got.decay == pytest.approx(0)


def test_decay_of_a_long_sequence_does_not_wrap():
    values = [1.0] * 300 + [0.0] * 700
    assert sequences.statistics(values).decay == pytest.approx(1.0)


@pytest.mark.parametrize("measure", [sequences.region_similarity, sequences.contour_accuracy])
def test_masks_that_cannot_be_compared(measure):
    with pytest.raises(InputError, match="different sizes"):
        measure(np.ones((2, 3), dtype=bool), np.ones((3, 2), dtype=bool))
    with pytest.raises(InputError, match="bool"):
        measure(np.ones((2, 3)), np.ones((2, 3), dtype=bool))


def test_no_frames():
    with pytest.raises(InputError, match="at least one frame"):
        sequences.statistics([])
