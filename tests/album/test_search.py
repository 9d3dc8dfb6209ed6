"""Which photos of an album have the object."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import persam
from persam import samples
from persam.album.search import Hit, search
from persam.errors import InputError

DOG, MASK = samples.files(samples.PICTURES, 0)
OTHERS = [samples.files(samples.PICTURES, number)[0] for number in (1, 2)]


@pytest.fixture(scope="module")
def dog() -> persam.Concept:
    return persam.personalize(persam.load(device="cpu"), DOG, mask=MASK)


@pytest.fixture
def meadow(tmp_path: Path) -> Path:
    """Noise on green, and no dog."""
    noise = np.random.default_rng(0).integers(0, 40, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(noise + np.array([40, 150, 40], dtype=np.uint8)).save(tmp_path / "meadow.png")
    return tmp_path / "meadow.png"


def test_best_first_and_the_unreadable_last(dog, meadow, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    said = []
    hits = search(dog, [broken, meadow, *OTHERS], said.append)
    assert sorted(said, key=hits.index) == list(hits)
    assert {hit.photo for hit in hits[:2]} == {str(path.absolute()) for path in OTHERS}
    assert [hit.present for hit in hits] == [True, True, False, False]
    assert hits[0].presence >= hits[1].presence > dog.variant.min_presence > hits[2].presence
    assert (hits[2].photo, hits[2].score, hits[2].box) == (str(meadow), 0.0, None)
    assert hits[3].photo == str(broken) and "broken.jpg" in str(hits[3].error)


def test_a_hit_is_what_the_concept_finds_without_a_second_look(dog):
    twice, once = (dog.with_choices(second_look=share) for share in (1.0, 0.0))
    hit, found = search(twice, [OTHERS[0]])[0], once.segment(OTHERS[0])
    assert (hit.score, hit.presence) == pytest.approx((found.score, found.presence), abs=1e-6)
    assert hit.box == found.box
    assert twice.segment(OTHERS[0]).score != pytest.approx(found.score, abs=1e-6)


def test_a_concept_that_cannot_tell_is_refused(dog):
    blind = replace(dog, calibration=None)
    with pytest.raises(InputError, match=r"cannot be told.*--also.*Every photo would seem"):
        search(blind, OTHERS)


def test_lines_hold_what_a_hit_is():
    hit = Hit("/a.jpg", present=True, presence=0.5, score=0.25, box=(1, 2, 3, 4))
    assert json.loads(hit.to_json()) == {
        "photo": "/a.jpg",
        "present": True,
        "presence": 0.5,
        "score": 0.25,
        "box": [1, 2, 3, 4],
        "doubtful": False,
    }
    assert json.loads(Hit("/b.jpg", error="gone").to_json()) == {"photo": "/b.jpg", "error": "gone"}
