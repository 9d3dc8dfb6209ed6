"""Nearest neighbour: a patch is object where its nearest patch of the reference is.

The baseline that papers on personalised segmentation report for bare features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.evaluation.methods.patches import (
    Answer,
    PatchConcept,
    Patches,
    ReferencePatches,
    read_reference,
)

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone

METHOD = "nearest-neighbour"


def nearest_neighbour(backbone: Backbone, image: Source, *, mask: Source) -> PatchConcept:
    """Learn an object as its patches.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.

    Raises:
        InputError: unreadable or unusable input.
    """
    return PatchConcept(METHOD, backbone, read_reference(backbone, image, mask), search)


def margins(vectors: np.ndarray, reference: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """How much nearer patches are to the object's nearest patch than to the background's.

    Args:
        vectors: ``(m, d)`` unit vectors of the picture.
        reference: ``(n, d)`` of the reference.
        foreground: ``(n,)`` bool, the object's; at least one.

    Returns:
        ``(m,)`` differences of cosines; where all of the reference is object, the cosine itself.

    Example:
        >>> reference = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> margins(np.array([[0.8, 0.6]]), reference, np.array([True, False])).round(3).tolist()
        [0.2]
    """
    cosines = vectors @ reference.T
    nearest = cosines[:, foreground].max(axis=1)
    return nearest if foreground.all() else nearest - cosines[:, ~foreground].max(axis=1)


def search(reference: ReferencePatches, patches: Patches) -> Answer:
    """Find the object: margins in the picture's own pixels, cut at 0."""
    margin = margins(patches.vectors, reference.patches.vectors, reference.foreground)
    mask = patches.upsample(margin) > 0
    return Answer(mask, float(np.clip(margin.max(), 0, 1)))
