"""Prompts as people give them: a box that is off, a click or a few anywhere on the object.

Both the training of Stable-SAM's plugin and the measuring of stability draw from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.pipeline.prompts import mask_box
from persam.structures import Prompts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.structures import Box

NOISE = 0.4  # DN-DETR's default; such a box overlaps the true one by 0.60 IoU on average


@dataclass(frozen=True)
class PromptKind:
    """One way of asking for an object.

    Attributes:
        points: how many random points on the object; 0 for a box.
        noise: scale of the box's error, 0 for the true box.
    """

    points: int = 0
    noise: float = 0.0

    def draw(self, truth: np.ndarray, chance: np.random.Generator) -> Prompts:
        """Ask for the object of a mask.

        Args:
            truth: ``(H, W)`` bool, not empty.
            chance: where the error comes from.

        Raises:
            InputError: an empty mask.
        """
        if self.points:
            xy = random_points(truth, self.points, chance)
            return Prompts(xy, np.ones(len(xy), dtype=np.int64))
        box = mask_box(truth)
        if box is None:
            raise InputError("An empty mask has nothing to ask for; leave its picture out.")
        height, width = truth.shape
        return Prompts(box=noisy_box(box, (height, width), self.noise, chance))


def kinds(noise: float = NOISE) -> Mapping[str, PromptKind]:
    """The prompt types of the protocol: both boxes, and 1, 3, 5 and 10 points.

    Args:
        noise: scale of the noisy box's error, above 0.
    """
    if not 0 < noise <= 1:
        raise InputError(f"A noisy box is off by a scale above 0 and at most 1; got {noise!r}.")
    points = {f"{n} point{'s' if n > 1 else ''}": PromptKind(points=n) for n in (1, 3, 5, 10)}
    return MappingProxyType(
        {"true box": PromptKind(), "noisy box": PromptKind(noise=noise), **points}
    )


def noisy_box(box: Box, size: tuple[int, int], scale: float, chance: np.random.Generator) -> Box:
    """Move and resize a box at random, as DN-DETR and HQ-SAM's code do.

    The centre moves by up to ``scale`` times half of each side, and each side changes by up to
    ``scale`` times itself, all uniformly; then the box is cut off at the picture's border.

    Args:
        box: in pixel edges.
        size: ``(height, width)`` of the picture.
        scale: 0 gives the box itself.
        chance: where the error comes from.
    """
    # The protocol's boxes end at the middles of their corner pixels.
    low, high = np.array(box).reshape(2, 2) - [[0, 0], [1, 1]]
    sides, centre = (high - low).astype(np.float64), (low + high) / 2
    shift, growth = chance.uniform(-1, 1, (2, 2)) * scale
    centre, half = centre + shift * sides / 2, sides * (1 + growth) / 2
    limit = np.array([size[1] - 1, size[0] - 1])
    ends = np.rint([centre - half, centre + half])
    (x0, y0), (x1, y1) = np.clip(ends, 0, limit).astype(int).tolist()
    return x0, y0, x1 + 1, y1 + 1


def random_points(mask: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """Pixels of a mask, each as likely as any other and none twice while there are enough.

    Args:
        mask: ``(H, W)`` bool.
        count: how many.
        chance: where the choice comes from.

    Returns:
        ``(count, 2)`` int64 ``(x, y)``.

    Raises:
        InputError: an empty mask.
    """
    pixels = np.flatnonzero(mask)
    if len(pixels) == 0:
        raise InputError("An empty mask has nothing to ask for; leave its picture out.")
    chosen = chance.choice(pixels, count, replace=len(pixels) < count)
    return np.stack([chosen % mask.shape[1], chosen // mask.shape[1]], axis=1)
