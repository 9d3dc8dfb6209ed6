"""P2SAM: parts, and PerSAM itself where there is one part."""

from __future__ import annotations

import numpy as np
import pytest

import persam
from persam.errors import InputError, MissingExtra
from persam.evaluation.methods import transport
from persam.evaluation.methods.nearest_neighbour import margins
from persam.evaluation.methods.p2sam import p2sam, part_means


def test_parts_by_hand():
    features = np.array([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    np.testing.assert_allclose(part_means(features, 1), [[0.83205, 0.5547]], atol=1e-5)
    np.testing.assert_allclose(part_means(features, 2), [[1, 0], [0, 1]])
    assert len(part_means(features[:1], 3)) == 1


def test_with_one_part_it_is_the_official_persam(parity_sam):
    random = np.random.RandomState(0)
    reference, picture = random.randint(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[16:48, 16:48] = 255
    ours = p2sam(parity_sam, reference, mask=mask, parts=1).segment(picture)
    official = persam.personalize(parity_sam, reference, mask=mask, variant="official")
    theirs = official.segment(picture)
    assert ours.score == pytest.approx(theirs.score, abs=1e-4)
    np.testing.assert_array_equal(ours.points, theirs.points[theirs.labels == 1])
    assert (ours.mask == theirs.mask).mean() > 0.999


def test_no_parts_are_refused(tiny, random_image):
    with pytest.raises(InputError, match="at least 1 part"):
        p2sam(tiny("sam"), random_image, mask=np.ones((40, 52), dtype=bool), parts=0)


def test_the_earth_movers_distance_by_hand():
    # Half of the first goes to each; the second's weights are 3/4 and 1/4.
    costs = np.array([[0.0, 1.0]])
    assert transport.earth_movers_distance(costs) == pytest.approx(0.5)
    weighted = transport.earth_movers_distance(costs, np.array([3.0, 1.0]))
    assert weighted == pytest.approx(0.25)


def test_without_pot_the_pip_line_is_said(monkeypatch, tiny, random_image):
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(transport.importlib, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'persam\[baselines\]'"):
        p2sam(tiny("sam"), random_image, mask=np.ones((40, 52), dtype=bool))


def test_nearest_neighbour_where_all_of_the_reference_is_object():
    reference = np.array([[1.0, 0.0]])
    found = margins(np.array([[0.6, 0.8], [-1.0, 0.0]]), reference, np.array([True]))
    assert found.tolist() == pytest.approx([0.6, -1.0])
