"""How many photos a second a learnt object is looked for in."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.concept import Concept
    from persam.structures import Embedding


def at_long_side(image: np.ndarray, side: int) -> np.ndarray:
    """Scale a picture so that its long side is ``side`` pixels.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        side: at least 1.

    Returns:
        ``(H', W', 3)`` uint8 with max(H', W') == side.
    """
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def every_map(embeddings: Sequence[Embedding]) -> list[tuple[np.ndarray, np.ndarray]]:
    """What embeddings were made for, also the maps that are only made when they are asked for."""
    return [(one.matching, one.features) for one in embeddings]


def photos_per_second(
    concept: Concept,
    images: Sequence[np.ndarray],
    *,
    clock: Callable[[], float] = perf_counter,
) -> float:
    """Encode and search pictures that are in memory already, one after the other.

    The first picture is searched once before the clock starts, since a model's first call sets
    things up that later ones find ready.

    Args:
        concept: the learnt object.
        images: ``(H, W, 3)`` uint8 RGB; at least one.
        clock: seconds of any origin.

    Raises:
        InputError: no pictures.
    """
    if not images:
        raise InputError("There are no pictures to time; give at least one.")
    concept.segment_embedding(concept.backbone.encode(images[0]))
    began = clock()
    for image in images:
        concept.segment_embedding(concept.backbone.encode(image))
    return len(images) / (clock() - began)
