"""A small DAVIS of both years whose frames carry the answers, so that scores come by hand.

A frame's green channel is 80 times the number of the object that is going to be found there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import answers
import numpy as np
from PIL import Image

from persam.pipeline.prompts import mask_box
from persam.prediction import Prediction

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 40, 64
STEP = 80
# (row, column, number) of squares of 16 pixels, aligned with JPEG's blocks.
Squares = tuple[tuple[int, int, int], ...]
ONE, TWO = (0, 0, 1), (16, 40, 2)
FOUND_BESIDE = (0, 8, 1)  # half of the first object is missed, and as much is too much
# Truth and answer of every frame. In dogs, a third object appears when nobody can be shown it.
DOGS: tuple[tuple[Squares, Squares], ...] = (
    ((ONE, TWO), (ONE, TWO)),
    ((ONE, TWO), (ONE, TWO)),
    ((ONE, TWO), (FOUND_BESIDE, TWO)),
    ((ONE, TWO, (16, 16, 3)), (TWO,)),
    ((ONE, TWO), ()),
)
BIRD: tuple[tuple[Squares, Squares], ...] = (((ONE,), (ONE,)),) * 3
CLIPS = {"dogs": DOGS, "bird": BIRD}


def labels(squares: Squares) -> np.ndarray:
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row, column, number in squares:
        drawn[row : row + 16, column : column + 16] = number
    return drawn


def write_labels(path: Path, values: np.ndarray) -> None:
    """An indexed PNG as DAVIS 2017 has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, *range(244), *[0] * 512])
    image.save(path)


def write_grey(path: Path, values: np.ndarray) -> None:
    """0 and 255, as DAVIS 2016 has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((values > 0).astype(np.uint8) * 255).save(path)


def draw(root: Path, *, years: tuple[int, ...] = (2016, 2017), grey: bool = False) -> Path:
    """Draw both sequences, and what stands about in real folders."""
    for name, frames in CLIPS.items():
        for number, (truth, answer) in enumerate(frames):
            picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            picture[..., 1] = labels(answer) * STEP
            path = root / "JPEGImages/480p" / name / f"{number:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, quality=100, subsampling=0)
            mask = root / "Annotations/480p" / name / f"{number:05d}.png"
            (write_grey if grey else write_labels)(mask, labels(truth))
            (path.parent / ".DS_Store").write_bytes(b"x")
    for year in years:
        listing = root / f"ImageSets/{year}/val.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("dogs\nbird\n")
    return root


@dataclass
class Reading:
    """A tracker that finds what is written in the frames, and keeps what it was given."""

    named: list[tuple[str, ...]] = field(default_factory=list)
    first: list[dict[str, np.ndarray]] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)

    def __call__(self, concepts, frames, *, first):
        self.named.append(tuple(concepts))
        self.first.append(dict(first))
        return self._answers(concepts, frames)

    def _answers(self, concepts, frames):
        for frame in frames:
            self.frames.append(frame.name)
            found = np.rint(frame.image[..., 1] / STEP)
            yield {name: prediction(found == int(name)) for name in concepts}


def prediction(mask: np.ndarray) -> Prediction:
    nothing = np.zeros((0, 2), dtype=np.int64)
    return Prediction(mask, float(mask.any()), mask_box(mask), nothing, nothing[:, 0])


learn, Stand = answers.learn, answers.Stand
