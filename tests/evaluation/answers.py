"""A method whose answers are written in the photos, so that every score can be worked out by hand.

A photo's green channel carries the mask that is going to be found in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.concept import Concept
from persam.errors import InputError
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.pipeline.features import ReferenceFeatures
from persam.prediction import Prediction
from persam.variants import Variant

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 40


def box(y: int, x: int, side: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def write(folder: Path, name: str, stem: str, *, truth: np.ndarray, answer: np.ndarray) -> None:
    photo = np.zeros((*truth.shape, 3), np.uint8)
    photo[..., 1] = answer * 255
    for part, suffix, pixels in (
        ("Images", "png", photo),
        ("Annotations", "png", truth.astype(np.uint8)),  # grey value 1 is object already
    ):
        path = folder / "data" / part / name / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def draw(folder: Path) -> Path:
    """Two objects: a cat that is found in one photo and half in another, a mug that is missed."""
    write(folder, "cat", "00", truth=box(0, 0, 10), answer=box(0, 0, 10))
    write(folder, "cat", "01", truth=box(0, 0, 10), answer=box(0, 0, 10))
    write(folder, "cat", "02", truth=box(0, 0, 20), answer=box(0, 10, 20))
    write(folder, "mug", "00", truth=box(5, 5, 10), answer=box(5, 5, 10))
    write(folder, "mug", "01", truth=box(5, 5, 20), answer=box(30, 30, 4))
    return folder / "data"


@dataclass(frozen=True, eq=False)
class Reader(Concept):
    """Finds what is written in the photo, and points at its first pixel."""

    def segment(self, image, *, trace: bool = False) -> Prediction:
        mask = read_image(image)[..., 1] > 127
        point = np.argwhere(mask)[:1, ::-1]
        labels = np.array([0, *[1] * len(point)])
        return Prediction(mask, 1.0, None, np.vstack([[[0, 39]], point]), labels)


@dataclass(frozen=True)
class Stand:
    name: str = "reader"
    device: str = "cpu"


def learn(backbone, image, *, mask, variant="default"):
    assert read_mask(mask, read_image(image).shape[:2]).any()
    view = ReferenceFeatures(np.ones(4), np.ones(4), np.zeros((0, 4)), np.zeros((0, 4)))
    return Reader(backbone, "persam", Variant(contrast=0.0), (view,))


class Slow:
    """Takes its time, so that it can be killed in the middle."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def segment(self, image) -> Prediction:
        time.sleep(0.1)
        return self.reader.segment(image)


def learn_slowly(backbone, image, *, mask) -> Slow:
    return Slow(learn(backbone, image, mask=mask))


@dataclass
class Counting:
    """The same method, counting; objects at ``refused`` corners cannot be learnt."""

    refused: tuple[tuple[int, int], ...] = ()
    learnt: int = 0
    searched: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, backbone, image, *, mask) -> Finder:
        grey = read_mask(mask, read_image(image).shape[:2])
        row, column = np.argwhere(grey > 0)[0].tolist()
        if (row, column) in self.refused:
            raise InputError("too small to be learnt")
        self.learnt += 1
        return Finder(self, learn(backbone, image, mask=mask))


@dataclass(frozen=True)
class Finder:
    """No Concept, but it segments; a few numbers were trained for it."""

    counting: Counting
    reader: Reader
    trained_parameters = 5

    def segment(self, image) -> Prediction:
        self.counting.searched.append(read_image(image).shape[:2])
        return self.reader.segment(image)
