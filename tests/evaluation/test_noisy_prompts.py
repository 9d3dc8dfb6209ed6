from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam.errors import InputError
from persam.evaluation.noisy_prompts import PromptKind, kinds, noisy_box, random_points

MASK = np.zeros((60, 80), dtype=bool)
MASK[20:40, 30:60] = True


def test_the_kinds_of_the_protocol():
    assert list(kinds()) == [
        "true box",
        "noisy box",
        "1 point",
        "3 points",
        "5 points",
        "10 points",
    ]
    assert kinds(0.2)["noisy box"] == PromptKind(noise=0.2)
    for wrong in (0, -1, 1.5, float("nan")):
        with pytest.raises(InputError, match="scale above 0"):
            kinds(wrong)


def test_the_true_box_is_the_masks():
    prompts = PromptKind().draw(MASK, np.random.default_rng(0))
    assert prompts.box == (30, 20, 60, 40) and len(prompts.points) == 0


def area(box):
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def box_iou(a, b):
    both = (*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:]))
    return area(both) / (area(a) + area(b) - area(both))


@pytest.mark.parametrize(("scale", "wanted"), [(0.1, 0.88), (0.2, 0.77), (0.4, 0.60), (1.0, 0.26)])
def test_noise_overlaps_the_true_box_as_was_computed_for_dn_detr(scale, wanted):
    """Mean IoU over many draws, far from the picture's border."""
    chance = np.random.default_rng(1)
    box = (4000, 4000, 6000, 5500)
    ious = [box_iou(box, noisy_box(box, (10_000, 10_000), scale, chance)) for _ in range(4000)]
    assert np.mean(ious) == pytest.approx(wanted, abs=0.012)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_a_noisy_box_is_a_box_within_the_picture(seed, scale):
    x0, y0, x1, y1 = noisy_box((0, 5, 80, 60), (60, 80), scale, np.random.default_rng(seed))
    assert 0 <= x0 < x1 <= 80 and 0 <= y0 < y1 <= 60


def test_no_noise_is_the_box_itself():
    assert noisy_box((3, 4, 30, 50), (60, 80), 0.0, np.random.default_rng(0)) == (3, 4, 30, 50)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_points_are_on_the_object_and_differ(count):
    prompts = PromptKind(points=count).draw(MASK, np.random.default_rng(count))
    assert prompts.box is None and prompts.labels.tolist() == [1] * count
    x, y = prompts.points.T
    assert MASK[y, x].all()
    assert len({tuple(point) for point in prompts.points.tolist()}) == count


def test_points_are_uniform_over_the_object():
    chance = np.random.default_rng(3)
    mask = np.array([[True, False, True], [False, True, False]])
    drawn = np.concatenate([random_points(mask, 1, chance) for _ in range(3000)])
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 3 and np.abs(counts - 1000).max() < 120


def test_a_small_object_gives_points_again():
    mask = np.zeros((4, 4), dtype=bool)
    mask[2, 1] = True
    assert random_points(mask, 3, np.random.default_rng(0)).tolist() == [[1, 2]] * 3


def test_the_same_chance_gives_the_same_prompts():
    for kind in kinds().values():
        one, two = (kind.draw(MASK, np.random.default_rng(4)) for _ in range(2))
        assert one.box == two.box and np.array_equal(one.points, two.points)


def test_an_empty_mask_is_refused():
    for kind in kinds().values():
        with pytest.raises(InputError, match="empty mask"):
            kind.draw(np.zeros((3, 3), dtype=bool), np.random.default_rng(0))
