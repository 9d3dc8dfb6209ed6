"""Is the object in the picture at all? Likeness, and what likeness says about it.

A location prior says where an object would be, not whether it is there: its largest value may be
one lucky cell. Likeness asks every cell of the object for its nearest cell in the picture, and a
calibration turns it into a probability. Ten other signs (the decoder's own score, the prior's
peak, the found mask's cells back to the object, ...) were measured beside it and added nothing:
``benchmarks/many.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline.similarity import nearest
from persam.structures import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.pipeline.features import ObjectFeatures, ReferenceFeatures, SearchTarget
    from persam.structures import Embedding

# Where references alone calibrate: shares of the gap between their likeness to each other with the
# object and without it, chosen with the pocket model's features (benchmarks/many.md).
_MIDDLE, _SLOPE, _LEAST_GAP = 0.3, 3.0, 0.05
_TINY = 1e-6  # a gap even where all is alike, as in pictures of one colour
_NEAR = 1.0  # log-odds from the threshold: 0.17 to 0.59 round 0.35
_CLEARLY = 0.1  # in cosine: of 0, 0.05 and 0.1 the one that keeps nearly all right masks


@dataclass(frozen=True)
class Evidence:
    """What the matching features alone say of an object in a picture.

    Attributes:
        likeness: how well all of the object finds its like, -1..1; None without its cells.
        presence: probability that the object is there, 0..1; None without a calibration.
    """

    likeness: float | None
    presence: float | None

    def absent(self, min_presence: float) -> bool:
        """Whether the object is called absent at this threshold."""
        return self.presence is not None and self.presence < min_presence

    def doubtful(self, min_presence: float) -> bool:
        """Whether presence is so near the threshold that a person should look.

        Example:
            >>> [Evidence(None, p).doubtful(0.35) for p in (0.1, 0.3, 0.5, 0.7)]
            [False, True, True, False]
        """
        if self.presence is None or not (0 < min_presence < 1 and 0 < self.presence < 1):
            return False
        return abs(_log_odds(self.presence) - _log_odds(min_presence)) < _NEAR


def judge(target: SearchTarget, embedding: Embedding) -> Evidence:
    """Likeness, and the probability that the object is there."""
    likeness = likeness_in(embedding, target.features)
    return evidence_of(likeness, target.calibration)


def evidence_of(likeness: float | None, calibration: Calibration | None) -> Evidence:
    """What a likeness says, as far as it is known and calibrated."""
    if likeness is None or calibration is None:
        return Evidence(likeness, None)
    return Evidence(likeness, calibration.presence(likeness))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def picture_vectors(embedding: Embedding) -> np.ndarray:
    """``(m, d)`` unit vectors of a picture's cells; padding has none."""
    cells = embedding.cells
    rows, columns = embedding.picture_cells
    return cells[:rows, :columns].reshape(-1, cells.shape[2])


def likeness_in(embedding: Embedding, features: ObjectFeatures) -> float | None:
    """Likeness of a picture to an object, negatives considered; None where no cells were kept.

    Cells that are clearly more like a negative reference than like the object do not count, so
    that the negative in the object's place is not taken for it, and does no harm beside it.

    Args:
        embedding: the picture; its padding is like nothing.
        features: of the object.
    """
    return likeness_of(picture_vectors(embedding), features) if features.has_cells else None


def likeness_of(vectors: np.ndarray, features: ObjectFeatures) -> float:
    """:func:`likeness` of ``(m, d)`` unit vectors to an object with cells, negatives considered."""
    if features.negatives:
        vectors = vectors[nearer_to_object(vectors, features)]
    return likeness(vectors, features.foregrounds) if len(vectors) > 0 else -1.0


def likeness(vectors: np.ndarray, foregrounds: Sequence[np.ndarray]) -> float:
    """How well the whole object finds its like in a picture.

    Args:
        vectors: ``(m, d)`` unit vectors of the picture's cells, at least one.
        foregrounds: ``(n, d)`` unit vectors of the object's cells in each reference, at least one.

    Returns:
        Mean over a reference's cells of the cosine to the nearest cell, of the reference that is
        most like the picture; -1..1.
    """
    return max(float(nearest(cells, vectors).mean()) for cells in foregrounds)


@dataclass(frozen=True, eq=False)
class CellMatrix:
    """The cells of many objects, side by side, so that one product asks all for their nearest.

    Attributes:
        features: of the objects.
        rows: ``(r, d)`` unit vectors, one reference of an object after the other.
        ends: rows before the end of each reference.
    """

    features: Sequence[ObjectFeatures]
    rows: np.ndarray
    ends: Sequence[int]

    @classmethod
    def of(cls, features: Sequence[ObjectFeatures]) -> CellMatrix:
        """Put objects side by side, at least one; each with cells."""
        references = [cells for one in features for cells in one.foregrounds]
        ends = np.cumsum([len(cells) for cells in references]).tolist()
        return cls(features, np.concatenate(references), ends)

    def likenesses(self, vectors: np.ndarray) -> list[float]:
        """:func:`likeness_of` ``(m, d)`` unit vectors, at least one, to each object."""
        best = nearest(self.rows, vectors)
        means = iter([float(part.mean()) for part in np.split(best, self.ends[:-1])])
        found = [max(next(means) for _ in one.foregrounds) for one in self.features]
        return [
            likeness_of(vectors, one) if one.negatives else like
            for one, like in zip(self.features, found, strict=True)
        ]


def nearer_to_object(vectors: np.ndarray, features: ObjectFeatures) -> np.ndarray:
    """``(m,)`` bool: which of ``(m, d)`` vectors are not clearly more like a negative."""
    if not features.negatives:
        return np.ones(len(vectors), dtype=bool)
    negative = nearest(vectors, np.concatenate(features.negatives))
    return negative <= nearest(vectors, features.foreground) + _CLEARLY


def calibrate(
    references: Sequence[ReferenceFeatures], own: Calibration | None
) -> Calibration | None:
    """What likeness means for an object, as far as the model or its references tell.

    Args:
        references: of the object.
        own: the model's calibration, measured on many objects. Moving it by what several
            references say of each other was measured, too, and emptied right masks.

    Returns:
        None where cells were not kept. The model's own; without one, from two references on, a
        calibration from these alone: they are looked for by each other, every one once in its whole
        picture (the object is there) and once in its background alone (it is not).
    """
    if not all(len(one.foreground) > 0 for one in references):
        return None
    if own is not None:
        return own
    pairs = list(_found_by_the_others(references))
    return _from_references_alone(pairs) if pairs else None


def _from_references_alone(pairs: Sequence[tuple[float, float]]) -> Calibration:
    """A calibration from likeness ``(with the object, without it)`` of each reference."""
    there, away = (fmean(side) for side in zip(*pairs, strict=True))
    # References that hardly find each other say little, and must not say it firmly.
    gap = max(there - away, (1 - away) * _LEAST_GAP, _TINY)
    return Calibration(middle=away + _MIDDLE * gap, slope=_SLOPE / gap)


def _found_by_the_others(
    references: Sequence[ReferenceFeatures],
) -> Iterator[tuple[float, float]]:
    """For each reference its likeness to the others, with the object and without it."""
    for number, one in enumerate(references):
        others = [other.foreground for other in (*references[:number], *references[number + 1 :])]
        if others and len(one.background) > 0:
            picture = np.concatenate([one.foreground, one.background])
            yield likeness(picture, others), likeness(one.background, others)
