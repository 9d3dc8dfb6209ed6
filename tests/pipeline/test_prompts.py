from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from persam.pipeline.prompts import mask_box, point_prompts

SIDES = st.integers(1, 30)


@given(SIDES, SIDES, st.integers(0, 1000))
def test_points_are_the_extremes_of_any_picture(height, width, seed):
    prior = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    points, labels = point_prompts(prior)
    assert labels.tolist() == [1, 0]
    (x, y), (far_x, far_y) = points.tolist()
    assert prior[y, x] == prior.max()
    assert prior[far_y, far_x] == prior.min()


def test_top_k_is_ordered_and_bounded_by_the_picture():
    prior = torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8]])
    points, labels = point_prompts(prior, positive=3, negative=False)
    assert points.tolist() == [[1, 0], [2, 1], [2, 0]]
    assert labels.tolist() == [1, 1, 1]
    assert len(point_prompts(prior, positive=99, negative=False)[0]) == 6


@given(SIDES, SIDES, st.data())
def test_a_box_is_tight_and_ends_at_pixel_edges(height, width, data):
    y0 = data.draw(st.integers(0, height - 1))
    y1 = data.draw(st.integers(y0, height - 1))
    x0 = data.draw(st.integers(0, width - 1))
    x1 = data.draw(st.integers(x0, width - 1))
    mask = np.zeros((height, width), dtype=bool)
    mask[y0, x0] = mask[y1, x1] = True
    assert mask_box(mask) == (x0, y0, x1 + 1, y1 + 1)


def test_an_empty_mask_has_no_box():
    assert mask_box(np.zeros((3, 4), dtype=bool)) is None
