"""A small drawn data set: plain objects on a grey ground, two of a kind and one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 40, 60
COLOURS = {"dog_1": (250, 0, 0), "dog_2": (0, 250, 0), "mug_1": (0, 0, 250)}


def draw(root: Path) -> None:
    """Draw three objects of three photos: squares of 10 pixels, each photo's 5 further right."""
    for row, (name, colour) in enumerate(COLOURS.items()):
        for number in range(3):
            truth = np.zeros((HEIGHT, WIDTH), dtype=bool)
            truth[10 * row : 10 * row + 10, 5 * number : 5 * number + 10] = True
            write(root, f"{name}/{number:02d}", truth, colour)


def write(root: Path, name: str, truth: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Write one photo, ``<object>/<NN>``, and its mask."""
    pixels = np.where(truth[..., None], colour, 90).astype(np.uint8)
    for part, array in (("Images", pixels), ("Annotations", truth)):
        path = root / part / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
