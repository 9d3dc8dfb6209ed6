"""Is the object in the picture at all? Likeness, and what likeness says about it.

A location prior says where an object would be, not whether it is there: its largest value may be
one lucky cell. Likeness asks every cell of the object for its nearest cell in the picture, and a
calibration turns it into a probability. Ten other signs (the decoder's own score, the prior's
peak, the found mask's cells back to the object, ...) were measured beside it and added nothing:
``benchmarks/many.md``.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam import geometry
from persam.structures import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.pipeline.views import ConceptFeatures, ReferenceView
    from persam.structures import Frame

# Where references alone calibrate: shares of the gap between their likeness to each other with the
# object and without it, chosen with the pocket model's features (benchmarks/many.md).
_MIDDLE, _SLOPE, _LEAST_GAP = 0.3, 3.0, 0.05
_TINY = 1e-6  # a gap even where all is alike, as in pictures of one colour
_CLEARLY = 0.1  # in cosine: of 0, 0.05 and 0.1 the one that keeps nearly all right masks


def picture_vectors(features: torch.Tensor, frame: Frame) -> torch.Tensor:
    """``(m, d)`` unit vectors of a picture's cells; padding has none.

    Args:
        features: ``(d, h, w)``.
        frame: where the picture lies in the model's square.
    """
    rows, columns = geometry.picture_cells(frame, features.shape[1:])
    return F.normalize(features[:, :rows, :columns], dim=0).flatten(1).T


def likeness(vectors: torch.Tensor, foregrounds: Sequence[torch.Tensor]) -> float:
    """How well the whole object finds its like in a picture.

    Args:
        vectors: ``(m, d)`` unit vectors of the picture's cells, at least one.
        foregrounds: ``(n, d)`` unit vectors of the object's cells in each view, at least one view.

    Returns:
        Mean over a view's cells of the cosine to the nearest cell, of the view that is most like
        the picture; -1..1.
    """
    return max(float((cells @ vectors.T).amax(dim=1).mean()) for cells in foregrounds)


def calibrate(views: Sequence[ReferenceView], own: Calibration | None) -> Calibration | None:
    """What likeness means for an object, as far as the model or its references tell.

    Args:
        views: of the object.
        own: the model's calibration, measured on many objects. Moving it by what several
            references say of each other was measured, too, and emptied right masks.

    Returns:
        None where cells were not kept. The model's own; without one, from two references on, a
        calibration from these alone: they are looked for by each other, every one once in its whole
        picture (the object is there) and once in its background alone (it is not).
    """
    if not all(len(view.foreground) > 0 for view in views):
        return None
    if own is not None:
        return own
    pairs = list(_found_by_the_others(views))
    return _from_references_alone(pairs) if pairs else None


def _from_references_alone(pairs: Sequence[tuple[float, float]]) -> Calibration:
    """A calibration from likeness ``(with the object, without it)`` of each reference."""
    there, away = (fmean(side) for side in zip(*pairs, strict=True))
    # References that hardly find each other say little, and must not say it firmly.
    gap = max(there - away, (1 - away) * _LEAST_GAP, _TINY)
    return Calibration(middle=away + _MIDDLE * gap, slope=_SLOPE / gap)


def _found_by_the_others(views: Sequence[ReferenceView]) -> Iterator[tuple[float, float]]:
    """For each view its likeness to the others, with the object and without it."""
    for number, view in enumerate(views):
        others = [other.foreground for other in (*views[:number], *views[number + 1 :])]
        if others and len(view.background) > 0:
            picture = torch.cat([view.foreground, view.background])
            yield likeness(picture, others), likeness(view.background, others)


def nearer_to_object(vectors: torch.Tensor, known: ConceptFeatures) -> torch.Tensor:
    """``(m,)`` bool: which of ``(m, d)`` vectors are not clearly more like a negative."""
    if not known.negatives:
        return torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
    negative = (vectors @ torch.cat(known.negatives).T).amax(dim=1)
    return negative <= (vectors @ known.foreground.T).amax(dim=1) + _CLEARLY


def likeness_in(features: torch.Tensor, frame: Frame, known: ConceptFeatures) -> float | None:
    """Likeness of a picture to an object, negatives considered; None where no cells were kept.

    Cells that are clearly more like a negative reference than like the object do not count, so
    that the negative in the object's place is not taken for it, and does no harm beside it.

    Args:
        features: ``(d, h, w)`` matching features of the picture.
        frame: where the picture lies in the model's square; padding is like nothing.
        known: of the object.
    """
    if not all(len(cells) > 0 for cells in known.foregrounds):
        return None
    vectors = picture_vectors(features, frame)
    vectors = vectors[nearer_to_object(vectors, known)]
    return likeness(vectors, known.foregrounds) if len(vectors) > 0 else -1.0
