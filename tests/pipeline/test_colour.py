"""Colours, where two objects of one class are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.geometry import fit
from persam.pipeline.colour import HUE, LIGHTNESS, cell_colours, colour_gap, lab
from persam.pipeline.comparison import ObjectSet
from persam.pipeline.features import ObjectFeatures, ReferenceFeatures
from persam.structures import Calibration, Embedding, Maps
from persam.variants import Variant


@pytest.mark.parametrize(
    ("rgb", "wanted"),  # of the usual tables
    [
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.2, 80.1, 67.2)),
        ((0, 255, 0), (87.7, -86.2, 83.2)),
        ((0, 0, 255), (32.3, 79.2, -107.9)),
    ],
)
def test_known_colours(rgb, wanted):
    assert lab(np.array(rgb)) == pytest.approx(wanted, abs=0.2)


@given(grey=st.integers(0, 255))
def test_grey_has_no_hue(grey):
    lightness, a, b = lab(np.array([grey] * 3)).tolist()
    assert 0 <= lightness <= 100.1
    assert abs(a) < 0.1
    assert abs(b) < 0.1


def test_cells_have_the_colours_of_their_pixels_and_padding_none():
    image = np.zeros((32, 64, 3), dtype=np.uint8)
    image[:, 32:] = 255
    maps = np.ones((1, 4, 8, 8), dtype=np.float32)
    embedding = Embedding(Maps(maps, maps), fit(32, 64, 128, keep_aspect=True))
    assert cell_colours(embedding) is None
    colours = cell_colours(replace(embedding, image=image))
    assert colours is not None
    assert colours[:4, :4].max() < 1
    assert colours[:4, 4:, 0].min() > 99
    assert not colours[4:].any()


def features(vector: list[float], colour: tuple[float, float, float]) -> ObjectFeatures:
    cells = np.array([vector], dtype=np.float32)
    background = np.array([[0.0, 0.0, 1.0]], dtype=np.float32)
    colours = np.array([colour], dtype=np.float32)
    one = ReferenceFeatures(cells[0], cells[0], cells, background, colours)
    return ObjectFeatures.of([one], [], parts=0)


def test_the_gap_is_that_of_the_cells_most_like_the_object():
    object_ = features([1.0, 0.0, 0.0], (50.0, 20.0, 0.0))
    vectors = np.eye(3, dtype=np.float32)
    colours = np.array([[60.0, 20.0, 5.0], [50.0, 20.0, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    assert colour_gap(vectors, colours, object_) == pytest.approx(10 * LIGHTNESS + 5 * HUE)
    unknown = replace(object_, colours=(np.zeros((0, 3), dtype=np.float32),))
    assert colour_gap(vectors, colours, unknown) is None


class Target:
    """An object with given features; nothing is asked of its model."""

    variant = Variant.named("pocket", "persam")
    calibration = Calibration(middle=0.5, slope=20.0)
    weights = None
    backbone = None

    def __init__(self, object_: ObjectFeatures) -> None:
        self.features = object_


def test_of_two_that_are_equally_like_it_the_one_of_its_colours_stands_higher():
    red, blue = tuple(lab(np.array([200, 30, 30]))), tuple(lab(np.array([30, 30, 200])))
    objects = ObjectSet.of(
        {
            "red car": Target(features([1.0, 0.0, 0.0], red)),
            "blue car": Target(features([1.0, 0.0, 0.0], blue)),
        }
    )
    maps = np.zeros((1, 3, 4, 4), dtype=np.float32)
    maps[:, 0] = 1
    embedding = Embedding(Maps(maps, maps), fit(32, 32, 64, keep_aspect=True))
    blind = objects.judge(embedding)
    assert blind["red car"].odds == blind["blue car"].odds
    image = np.full((32, 32, 3), (30, 30, 200), dtype=np.uint8)
    seen = objects.judge(replace(embedding, image=image))
    assert seen["blue car"].odds > seen["red car"].odds
    assert seen["blue car"].share > 0.9
    assert seen["red car"].share < 0.1
    both = [sum(one.share or 0 for one in found.values()) for found in (blind, seen)]
    assert both[0] == pytest.approx(both[1])  # colours only share it out anew
