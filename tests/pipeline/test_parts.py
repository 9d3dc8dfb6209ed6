from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from persam.pipeline.parts import cluster, part_cells


def around(centres: torch.Tensor, each: int, spread: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = spread * torch.randn(len(centres), each, centres.shape[1], generator=generator)
    return F.normalize((centres[:, None] + noise).flatten(0, 1), dim=1)


def test_groups_that_lie_apart_are_found():
    centres = torch.eye(6)[:3]
    parts = cluster(around(centres, 20, 0.05), 3)
    order = (parts @ centres.T).argmax(dim=1)
    assert sorted(order.tolist()) == [0, 1, 2]
    assert torch.allclose(parts, centres[order], atol=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(0, 8))
def test_parts_are_unit_vectors_no_more_than_asked_and_no_more_than_cells(seed, cells, count):
    generator = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(cells, 5, generator=generator), dim=1)
    parts = cluster(vectors, count)
    assert len(parts) == min(cells, count)
    assert torch.allclose(parts.norm(dim=1), torch.ones(len(parts)), atol=1e-5)
    assert torch.equal(parts, cluster(vectors, count))


def test_one_part_is_the_mean():
    cells = around(torch.eye(4)[:1], 9, 0.3)
    (part,) = cluster(cells, 1)
    assert torch.allclose(part, F.normalize(cells.mean(dim=0), dim=0), atol=1e-6)


@pytest.mark.parametrize("count", [0, 3])
def test_no_cells_no_parts(count):
    assert cluster(torch.zeros(0, 4), count).shape == (0, 4)


def test_equal_cells_are_one_part():
    assert len(cluster(torch.eye(3)[[0, 0, 0, 1]], 4)) == 2


def test_every_part_is_looked_for_among_the_likely_cells():
    parts = torch.eye(4)[:3]
    features = torch.zeros(4, 4, 5)
    features[3] = 1  # the ground
    features[0, 1, 2], features[1, 3, 4], features[2, 0, 0], features[2, 2, 2] = 5, 5, 5, 3
    likely = torch.ones(4, 5, dtype=torch.bool)
    assert part_cells(features, parts, likely) == [(1, 2), (3, 4), (0, 0)]
    likely[0, 0] = False
    assert part_cells(features, parts, likely) == [(1, 2), (3, 4), (2, 2)]
    # A cell that two parts are most like is one point.
    assert part_cells(features, parts[[0, 0]], likely) == [(1, 2)]
    assert part_cells(features, parts, torch.zeros(4, 5, dtype=torch.bool)) == []
    assert part_cells(features, parts[:0], likely) == []
