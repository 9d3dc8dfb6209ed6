from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam import geometry
from persam.pipeline import presence
from persam.pipeline.features import ObjectFeatures, ReferenceFeatures
from persam.structures import Calibration, Embedding, Maps, unit_length

SQUARE = geometry.fit(8, 8, 64, keep_aspect=True)
WIDE = geometry.fit(4, 8, 64, keep_aspect=True)  # fills the upper half of the square
EYE = np.eye(6, dtype=np.float32)
NONE = EYE[:0]
OWN = Calibration(middle=0.4, slope=20.0)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def picture(features: np.ndarray, frame=SQUARE) -> Embedding:
    """An embedding of ``(d, h, w)`` matching features."""
    return Embedding(Maps(features[None], features[None]), frame)


def units(rows: int, seed: int) -> np.ndarray:
    return unit_length(drawn(rows, 6, seed=seed))


def view(foreground: np.ndarray, background: np.ndarray) -> ReferenceFeatures:
    feature = unit_length(foreground.sum(axis=0))
    return ReferenceFeatures(feature, np.zeros((4), dtype=np.float32), foreground, background)


def test_likeness_is_the_mean_of_the_nearest_cells_and_ignores_the_padding():
    features = drawn(6, 8, 8)
    foreground = unit_length(features[:, 1, 2:5].T)

    def likeness(of: np.ndarray, frame) -> float:
        return presence.likeness(presence.picture_vectors(picture(of, frame)), [foreground])

    assert likeness(features, SQUARE) == pytest.approx(1, abs=1e-5)
    assert likeness(features, WIDE) == pytest.approx(1, abs=1e-5)
    padded = np.roll(
        features, 4, axis=1
    )  # now in the lower half, which a wide picture does not fill
    assert likeness(padded, SQUARE) == pytest.approx(1, abs=1e-5)
    others = unit_length(padded[:, :4].reshape(6, -1).T)
    expected = [max(float(one @ cell) for cell in others) for one in foreground]
    assert likeness(padded, WIDE) == pytest.approx(sum(expected) / 3, abs=1e-5)


def test_the_view_most_like_the_picture_counts():
    cells, near, far = units(9, 1), units(4, 2), units(5, 3)
    alone = [presence.likeness(cells, [one]) for one in (near, far)]
    assert presence.likeness(cells, [near, far]) == max(alone)


def test_nothing_is_found_without_cells():
    known = ObjectFeatures.of([view(NONE, NONE)], [], 0)
    assert presence.likeness_in(picture(drawn(6, 8, 8)), known) is None


@given(st.floats(0.01, 0.99))
def test_the_likeness_of_a_presence(presence_):
    assert OWN.presence(OWN.likeness(presence_)) == pytest.approx(presence_)
    assert (OWN.likeness(0), OWN.likeness(1)) == (-1, 1)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 1000))
def test_presence_rises_with_likeness_and_stays_a_probability(one, other, slope):
    calibration = Calibration(0.3, slope)
    low, high = sorted((one, other))
    assert 0 <= calibration.presence(low) <= calibration.presence(high) <= 1
    assert calibration.presence(0.3) == 0.5
    # As likely to be there at one side of the middle as not at the other.
    mirrored = calibration.presence(0.6 - one)
    assert calibration.presence(one) + mirrored == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("values", [(math.nan, 1.0), (0.3, math.inf), (0.3, 0.0), (0.3, -1.0)])
def test_a_calibration_that_is_none_is_refused(values):
    with pytest.raises(ValueError, match="slope above 0"):
        Calibration(*values)


def test_one_view_has_the_models_own_calibration_or_none():
    single = [view(units(4, 0), units(6, 1))]
    assert presence.calibrate(single, OWN) is OWN
    assert presence.calibrate(single, None) is None
    uncut = [replace(single[0], foreground=NONE)]
    assert presence.calibrate(uncut, OWN) is None


def test_the_models_own_calibration_stands_however_many_views():
    views = [view(units(4, seed), units(6, seed + 10)) for seed in range(3)]
    assert presence.calibrate(views, OWN) is OWN


def test_references_alone_tell_the_object_from_their_background():
    # Two references of one object, on grounds that share nothing with it.
    thing, other = EYE[:2], EYE[4:]
    views = [view(thing, other[:1]), view(thing, other[1:])]
    calibration = presence.calibrate(views, None)
    assert calibration is not None
    assert calibration.presence(1.0) > 0.85  # the whole object again
    assert calibration.presence(0.0) < 0.35  # nothing of it
    assert presence.calibrate([views[0]], None) is None


def test_references_that_do_not_find_each_other_say_nothing_firmly():
    views = [
        view(EYE[:2], EYE[2:3]),
        view(EYE[4:], EYE[3:4]),
    ]
    calibration = presence.calibrate(views, None)
    assert calibration is not None
    assert calibration.slope == pytest.approx(3 / 0.05)


def test_pictures_of_one_colour_give_a_calibration_too():
    same = EYE[:1].repeat(3, axis=0)
    calibration = presence.calibrate([view(same, same), view(same, same)], None)
    assert calibration is not None
    assert 0 <= calibration.presence(1.0) <= 1


def test_cells_of_a_negative_reference_do_not_count():
    thing, negative = (
        EYE[:2],
        unit_length(np.eye(6)[:2] + 0.7 * np.eye(6)[4:]),
    )
    alone = ObjectFeatures.of([view(thing, EYE[3:4])], [], 0)
    warned = ObjectFeatures.of(
        [view(thing, EYE[3:4])],
        [view(negative, EYE[3:4])],
        0,
    )
    calibration = Calibration(0.5, 10.0)

    def chance(known: ObjectFeatures, cells: np.ndarray) -> float:
        features = np.zeros((6, 8, 8), dtype=np.float32)
        features[5] = 1.0  # a ground that is like neither
        features[:, 0, : len(cells)] = cells.T
        return calibration.presence(presence.likeness_in(picture(features), known))

    assert chance(alone, negative) > 0.9  # a look-alike passes for the object
    assert chance(warned, negative) < 0.1
    assert chance(warned, thing) == pytest.approx(chance(alone, thing))
    assert chance(warned, np.concatenate([thing, negative])) == pytest.approx(chance(alone, thing))


def test_a_picture_of_nothing_but_the_negative_does_not_have_the_object():
    thing, negative = EYE[:1], EYE[1:2]
    known = ObjectFeatures.of(
        [view(thing, EYE[3:4])],
        [view(negative, EYE[3:4])],
        0,
    )
    features = np.broadcast_to(negative[0][:, None, None], (6, 8, 8))
    assert presence.likeness_in(picture(features), known) == -1.0
