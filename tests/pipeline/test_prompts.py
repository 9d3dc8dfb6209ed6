from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam import geometry
from persam.pipeline.features import ObjectFeatures
from persam.pipeline.prompts import make_prompts, mask_box, point_prompts, prior_mask
from persam.pipeline.similarity import PRIOR_CUT, location_prior, standardise
from persam.structures import Embedding, Maps
from persam.variants import Variant

SIDES = st.integers(1, 30)


@given(SIDES, SIDES, st.integers(0, 1000))
def test_points_are_the_extremes_of_any_picture(height, width, seed):
    prior = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    points, labels = point_prompts(prior)
    assert labels.tolist() == [1, 0]
    (x, y), (far_x, far_y) = points.tolist()
    assert prior[y, x] == prior.max()
    assert prior[far_y, far_x] == prior.min()


def test_top_k_is_ordered_and_bounded_by_the_picture():
    prior = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8]])
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


def test_prior_mask_is_standardised_over_the_picture_and_lowest_in_the_padding():
    found = np.random.default_rng(0).standard_normal((8, 8), dtype=np.float32)
    mask = prior_mask(standardise(found[:4]), (8, 8), 8, 2.0)
    assert mask.shape == (1, 8, 8)
    picture = mask[0, :4]
    assert float(picture.mean()) == pytest.approx(-2 * PRIOR_CUT, abs=1e-5)
    assert float(picture.std(ddof=1)) == pytest.approx(2, abs=1e-4)
    assert (mask[0, 4:] == picture.min()).all()
    assert prior_mask(found, (8, 8), 32, 2.0).shape == (1, 32, 32)


@pytest.mark.parametrize(("height", "places"), [(64, [(12, 12), (52, 52)]), (32, [(12, 12)])])
def test_parts_are_pointed_at_where_the_picture_stands_out_never_in_its_padding(height, places):
    frame = geometry.fit(height, 64, 64, keep_aspect=True)
    found = np.zeros((8, 8), dtype=np.float32)
    found[1, 1], found[6, 6] = 5.0, 9.0
    matching = np.ones((1, 2, 8, 8), dtype=np.float32)
    matching[0, :, 1, 1], matching[0, :, 6, 6] = (1, 0), (0, 1)
    none, each = np.zeros((0, 2), dtype=np.float32), np.eye(2, dtype=np.float32)
    features = ObjectFeatures(each[0], each[0], (each,), (none,), (), parts=each)
    made = make_prompts(
        found,
        location_prior(found, frame),
        Embedding(Maps(matching, matching), frame),
        features,
        Variant(parts=2, negative_point=False),
    )
    assert [tuple(point) for point in made.points[1:].tolist()] == places
    flat = np.ones((8, 8), dtype=np.float32)
    same = make_prompts(flat, flat, Embedding(Maps(matching, matching), frame), features, Variant())
    assert len(same.points) == 2  # the first pixel on it and off it; no part stands out
