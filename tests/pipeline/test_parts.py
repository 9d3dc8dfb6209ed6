from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam.pipeline.parts import cluster, part_cells
from persam.structures import unit_length


def around(centres: np.ndarray, each: int, spread: float, seed: int = 0) -> np.ndarray:
    shape = (len(centres), each, centres.shape[1])
    noise = spread * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return unit_length((centres[:, None] + noise).reshape(-1, centres.shape[1]))


def test_groups_that_lie_apart_are_found():
    centres = np.eye(6, dtype=np.float32)[:3]
    parts = cluster(around(centres, 20, 0.05), 3)
    order = (parts @ centres.T).argmax(axis=1)
    assert sorted(order.tolist()) == [0, 1, 2]
    assert np.allclose(parts, centres[order], atol=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(0, 8))
def test_parts_are_unit_vectors_no_more_than_asked_and_no_more_than_cells(seed, cells, count):
    vectors = unit_length(np.random.default_rng(seed).standard_normal((cells, 5)))
    parts = cluster(vectors, count)
    assert len(parts) == min(cells, count)
    assert np.allclose(np.linalg.norm(parts, axis=1), 1, atol=1e-5)
    assert np.array_equal(parts, cluster(vectors, count))


def test_one_part_is_the_mean():
    cells = around(np.eye(4, dtype=np.float32)[:1], 9, 0.3)
    (part,) = cluster(cells, 1)
    assert np.allclose(part, unit_length(cells.mean(axis=0)), atol=1e-6)


@pytest.mark.parametrize("count", [0, 3])
def test_no_cells_no_parts(count):
    assert cluster(np.zeros((0, 4), dtype=np.float32), count).shape == (0, 4)


def test_equal_cells_are_one_part():
    assert len(cluster(np.eye(3, dtype=np.float32)[[0, 0, 0, 1]], 4)) == 2


def test_every_part_is_looked_for_among_the_likely_cells():
    parts = np.eye(4, dtype=np.float32)[:3]
    features = np.zeros((4, 5, 4), dtype=np.float32)
    features[..., 3] = 1  # the ground
    features[1, 2, 0], features[3, 4, 1], features[0, 0, 2], features[2, 2, 2] = 5, 5, 5, 3
    features = unit_length(features)
    likely = np.ones((4, 5), dtype=bool)
    assert part_cells(features, parts, likely) == [(1, 2), (3, 4), (0, 0)]
    likely[0, 0] = False
    assert part_cells(features, parts, likely) == [(1, 2), (3, 4), (2, 2)]
    # A cell that two parts are most like is one point.
    assert part_cells(features, parts[[0, 0]], likely) == [(1, 2)]
    assert part_cells(features, parts, np.zeros((4, 5), dtype=bool)) == []
    assert part_cells(features, parts[:0], likely) == []
