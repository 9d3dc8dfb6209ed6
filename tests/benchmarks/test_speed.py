from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from lib import speed

import persam
from persam.errors import InputError

IMAGES = [np.full((4, 6, 3), value, np.uint8) for value in range(4)]


@dataclass
class Counting:
    """Takes a quarter of a second to encode and as long to search, and says what it did when."""

    now: float = 10.0
    done: list[tuple[str, int]] = field(default_factory=list)

    @property
    def backbone(self):
        return self

    def encode(self, image):
        return self._work("encode", int(image[0, 0, 0]))

    def segment_embedding(self, embedding):
        return self._work("segment", embedding)

    def _work(self, name: str, number: int) -> int:
        self.now += 0.25
        self.done.append((name, number))
        return number


def test_the_first_picture_warms_up():
    concept = Counting()
    assert speed.photos_per_second(concept, IMAGES, clock=lambda: concept.now) == 2.0
    numbers = [0, 0, 1, 2, 3]
    assert concept.done == [(what, n) for n in numbers for what in ("encode", "segment")]


def test_a_real_model(tiny, random_image):
    mask = np.zeros(random_image.shape[:2], dtype=bool)
    mask[10:20, 10:20] = True
    concept = persam.personalize(tiny("sam"), random_image, mask=mask)
    assert speed.photos_per_second(concept, [random_image]) > 0


def test_no_pictures():
    with pytest.raises(InputError, match="no pictures to time"):
        speed.photos_per_second(Counting(), [])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((10, 20), (20, 40)), ((20, 10), (40, 20)), ((80, 80), (40, 40)), ((1, 400), (1, 40))],
)
def test_the_long_side(shape, expected):
    got = speed.at_long_side(np.full((*shape, 3), 7, np.uint8), 40)
    assert got.shape == (*expected, 3)
    assert (got == 7).all()
