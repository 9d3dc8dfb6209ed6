from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from persam import samples
from persam.io.images import read_image
from persam.io.masks import read_mask
from tools.sample_renderer.render import Camera, Light, Setting, photograph
from tools.sample_renderer.scenes import SETTINGS
from tools.sample_renderer.tracer import FAR, Part, Thing, blocked, matrix, trace

SMALL = (60, 80)


def grey(points):
    return np.full_like(points, 0.5)


def one(shape: str, place: np.ndarray | None = None, **options: float) -> list[Thing]:
    part = Part(shape, matrix() if place is None else place, grey, **options)
    return [Thing(shape, (part,), matrix((0, 0, -10)))]


@pytest.mark.parametrize(
    ("shape", "ray", "distance", "normal"),
    [
        ("ball", (0, 0, -1), 9.0, (0, 0, 1)),
        ("box", (0, 0, -1), 9.0, (0, 0, 1)),
        ("can", (0, 0, -1), 9.0, (0, 0, 1)),
        ("ball", (0, 1, 0), FAR, None),
        ("box", (0.2, 0, -1), FAR, None),
    ],
)
def test_a_ray_meets_a_shape(shape, ray, distance, normal):
    ray = np.float32([ray]) / np.linalg.norm(ray).astype(np.float32)
    hits = trace(one(shape), np.zeros(3), ray)
    assert hits.distance[0] == pytest.approx(distance, rel=1e-5)
    assert (hits.part[0] == 0) == (normal is not None)
    if normal is not None:
        assert hits.normal[0] == pytest.approx(np.float32(normal), abs=1e-5)


def test_a_can_has_a_lid():
    down = np.float32([[0, -1, 0]])
    hits = trace(one("can"), np.float32([0, 5, -10]), down)
    assert hits.distance[0] == pytest.approx(4.0)
    assert hits.normal[0] == pytest.approx(np.float32([0, 1, 0]))


def test_what_stands_in_the_light_throws_a_shadow():
    points = np.float32([[0, -3, -10], [3, -3, -10]])
    assert blocked(one("ball"), points, np.float32([[0, 1, 0]] * 2)).tolist() == [True, False]


def test_the_mask_is_the_first_thing_where_it_can_be_seen():
    ball = Thing("ball", (Part("ball", matrix(), grey),), matrix((0, 1, 0)))
    front = Thing("box", (Part("box", matrix(), grey),), matrix((1.5, 1, 2), (0.8, 2.0, 0.1)))
    camera = Camera((0, 1, 8), (0, 1, 0), 40)
    alone = Setting((ball,), grey, grey, Light((0, 1, 1)), camera)
    hidden = Setting((ball, front), grey, grey, Light((0, 1, 1)), camera)
    _, whole = photograph(alone, *SMALL, seed=0)
    _, part = photograph(hidden, *SMALL, seed=0)
    radius = 40 / (8 * np.tan(np.radians(20)))  # of the ball in the picture, nearly
    assert whole.sum() == pytest.approx(np.pi * radius**2, rel=0.08)
    assert 0 < part.sum() < whole.sum()
    assert not (part & ~whole).any()


def test_drawing_is_repeatable():
    first, again = (photograph(SETTINGS[0](), *SMALL, seed=0) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_the_stored_pictures_are_what_the_code_draws(number):
    height, width = 96, 128
    photo, truth = photograph(SETTINGS[number](), height, width, seed=number)
    image, mask = samples.files(samples.PICTURES, number)
    stored = Image.fromarray(read_image(image)).resize((width, height), Image.Resampling.BOX)
    difference = np.abs(np.asarray(stored, dtype=float) - photo).mean()
    assert difference < 8  # of 255; noise and fine grain are not the same at another size
    covered = Image.fromarray(read_mask(mask, (samples.HEIGHT, samples.WIDTH)))
    covered = np.asarray(covered.resize((width, height), Image.Resampling.BOX)) >= 128
    assert (covered & truth).sum() / (covered | truth).sum() > 0.95


def test_copy_writes_the_layout_of_perseg(tmp_path):
    samples.copy(tmp_path)
    assert len(list(tmp_path.glob("Images/plush_dog/*.jpg"))) == len(SETTINGS)
    for number in range(len(SETTINGS)):
        image, mask = samples.files(tmp_path, number)
        assert read_image(image).shape == (samples.HEIGHT, samples.WIDTH, 3)
        values = np.unique(read_mask(mask, (samples.HEIGHT, samples.WIDTH)))
        assert values.tolist() == [0, 255]
