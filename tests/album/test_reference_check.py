"""References that are tried on each other, and the photo to label next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import persam
from persam import samples
from persam.album.reference_check import (
    LEAST_AGREEMENT,
    Diagnosis,
    Doubt,
    bad_ones,
    doubts,
    examine,
)
from persam.errors import InputError

FILES = [samples.files(samples.PICTURES, number) for number in range(7)]


def shown(number: int) -> persam.Reference:
    image, mask = FILES[number]
    return persam.Reference(image, mask=mask)


def inverted(number: int) -> persam.Reference:
    image, mask = FILES[number]
    return persam.Reference(image, mask=np.asarray(Image.open(mask)) == 0, as_given=True)


def beside_it(number: int) -> persam.Reference:
    """A box-shaped mask on the floor left below: something else in the same kind of picture."""
    image, mask = FILES[number]
    truth = np.asarray(Image.open(mask)) > 0
    other = np.zeros_like(truth)
    other[-90:-10, 10:110] = True
    return persam.Reference(image, mask=other & ~truth)


@pytest.fixture(scope="module")
def pocket() -> persam.Backbone:
    return persam.load(device="cpu")


@pytest.fixture(scope="module")
def healthy(pocket) -> Diagnosis:
    return examine(pocket, [shown(number) for number in (0, 1, 2)])


def test_good_references_find_each_other(healthy):
    assert healthy.suspects == ()
    assert np.isnan(np.diag(healthy.agreement)).all()
    for number in range(3):
        assert healthy.finds(number) > 0.5
        assert healthy.is_found(number) > 0.5
        assert 0.5 < healthy.sees(number) <= 1
    assert len(healthy.committee) == len(healthy.together.references) == 3


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("spoil", [inverted, beside_it])
def test_the_wrong_reference_is_named(pocket, spoil, place):
    references = [shown(0), shown(1)]
    references.insert(place, spoil(2))
    diagnosis = examine(pocket, references)
    assert diagnosis.suspects == (place,)
    # The pocket model finds the dog even where it was shown the floor, but never the floor there.
    assert diagnosis.is_found(place) == min(map(diagnosis.is_found, range(3))) < 0.1
    assert len(diagnosis.committee) == len(diagnosis.together.references) == 2


def test_each_cell_is_what_one_reference_alone_finds(pocket, healthy):
    alone = persam.personalize(pocket, *[FILES[1][0]], mask=FILES[1][1])
    found = alone.segment(FILES[2][0])
    truth = np.asarray(Image.open(FILES[2][1])) > 0
    share = np.count_nonzero(found.mask & truth) / np.count_nonzero(found.mask | truth)
    assert healthy.agreement[1, 2] == pytest.approx(share)
    assert healthy.presence[1, 2] == pytest.approx(found.presence)


def test_of_two_that_disagree_neither_is_named(pocket):
    assert examine(pocket, [shown(0), inverted(1)]).suspects == ()


def test_a_model_that_knows_no_presence_is_examined_too(tiny, random_image):
    mask = np.zeros(random_image.shape[:2], dtype=bool)
    mask[8:30, 10:40] = True
    references = [
        persam.Reference(picture, mask=mask)
        for picture in (random_image, random_image[::-1].copy())
    ]
    diagnosis = examine(tiny("sam"), references)
    assert diagnosis.sees(0) is None
    assert 0 <= diagnosis.finds(0) <= 1


def test_one_reference_has_nothing_to_be_judged_by(pocket):
    with pytest.raises(InputError, match="at least two; got 1"):
        examine(pocket, [shown(0)])


AGREEMENTS = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.floats(0, 1), min_size=n * n, max_size=n * n).map(
        lambda values: np.array(values).reshape(n, n)
    )
)


@given(AGREEMENTS)
def test_at_least_two_references_stay(agreement):
    assert len(agreement) - len(bad_ones(agreement)) >= 2


@given(AGREEMENTS)
def test_the_diagonal_and_the_direction_do_not_matter(agreement):
    blind = agreement.copy()
    np.fill_diagonal(blind, np.nan)
    assert bad_ones(agreement) == bad_ones(blind) == bad_ones(agreement.T)


def test_where_the_rest_hardly_agrees_nobody_is_named():
    def one_apart(rest: float) -> np.ndarray:
        return np.array([[1, rest, 0], [rest, 1, 0], [0, 0, 1]])

    assert bad_ones(one_apart(LEAST_AGREEMENT)) == (2,)
    assert bad_ones(one_apart(LEAST_AGREEMENT - 0.01)) == ()


def test_two_bad_ones_of_five():
    agreement = np.zeros((5, 5))
    agreement[:3, :3] = 0.9
    # Every other pair disagrees; what remains without a bad one still agrees by 0.45 on average.
    assert bad_ones(agreement) == (3, 4)


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    """A photo that cannot be read, one without the dog, and three of the dog."""
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    noise = np.random.default_rng(0).integers(0, 40, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(noise + np.array([40, 150, 40], dtype=np.uint8)).save(tmp_path / "meadow.png")
    dogs = [FILES[number][0] for number in (3, 4, 5)]
    return [tmp_path / "broken.jpg", tmp_path / "meadow.png", *dogs]


def test_the_most_doubtful_photo_of_the_object_comes_first(healthy, album):
    said: list[Doubt] = []
    ordered = doubts(healthy, album, said.append)
    assert [doubt.photo for doubt in said] == album
    assert [doubt.worth_a_label for doubt in ordered] == [True] * 3 + [False] * 2
    worth = [doubt.agreement for doubt in ordered[:3]]
    assert worth == sorted(worth)
    assert worth[0] < worth[-1]
    assert [doubt.photo for doubt in ordered[3:]] == [album[1], album[0]]
    assert "broken.jpg" in str(ordered[4].error)


def test_where_presence_is_unknown_every_photo_is_worth_a_label(healthy, album):
    blind = replace(healthy, together=replace(healthy.together, calibration=None))
    assert all(doubt.worth_a_label for doubt in doubts(blind, album[1:3]))
