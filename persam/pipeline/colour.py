"""Colour, where two objects of one class are compared: networks for classes hardly see it.

It is no evidence of presence: the same object has other colours in other light. But of two cars
that are both plausible, the one of the picture's colours is the likelier one
(``benchmarks/albums.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from persam.pipeline.features import ObjectFeatures
    from persam.structures import Embedding

# What a unit of CIELAB costs, in cosine; lightness changes with the light more than hue does.
LIGHTNESS, HUE = 0.002, 0.004


def cell_colours(embedding: Embedding) -> np.ndarray | None:
    """``(h, w, 3)`` float32 mean CIELAB colour of each cell of the matching grid.

    None where the embedding has no picture; padding is black.
    """
    if embedding.image is None:
        return None
    grid = embedding.matching.shape[2:]
    rows, columns = embedding.picture_cells
    small = Image.fromarray(embedding.image).resize((columns, rows), Image.Resampling.BOX)
    colours = np.zeros((*grid, 3), dtype=np.float32)
    colours[:rows, :columns] = lab(np.asarray(small))
    return colours


def lab(rgb: np.ndarray) -> np.ndarray:
    """``(..., 3)`` sRGB of 0..255 in CIELAB, white as of D65.

    Example:
        >>> lab(np.array([255, 255, 255])).round(1).tolist()
        [100.0, 0.0, 0.0]
    """
    shares = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(shares > 0.04045, ((shares + 0.055) / 1.055) ** 2.4, shares / 12.92)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    roots = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def colour_gap(vectors: np.ndarray, colours: np.ndarray, features: ObjectFeatures) -> float | None:
    """How far a picture's colours are from the object's, where it finds its like; in cosine.

    Args:
        vectors: ``(m, d)`` unit vectors of the picture's cells.
        colours: ``(m, 3)`` of the same cells.
        features: of the object.

    Returns:
        By the reference that is most like the picture; None where its colours are not known.
    """
    best: tuple[float, float] | None = None
    for cells, known in zip(features.foregrounds, features.colours, strict=True):
        if len(known) != len(cells) or len(cells) == 0:
            return None
        similarity = cells @ vectors.T
        off = known - colours[similarity.argmax(axis=1)]
        hue = np.hypot(off[:, 1], off[:, 2]).mean()
        gap = LIGHTNESS * float(np.abs(off[:, 0]).mean()) + HUE * float(hue)
        best = max(best or (-np.inf, 0.0), (float(similarity.max(axis=1).mean()), gap))
    return None if best is None else best[1]
