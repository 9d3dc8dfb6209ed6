"""How likely an answer is wrong, from what can be seen without knowing what is right."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam.metrics import iou
from persam.pipeline.comparison import ObjectSet
from persam.pipeline.multi_object import resolve_overlaps
from persam.pipeline.segment import segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.concept import Concept
    from persam.prediction import Prediction
    from persam.structures import Embedding

ASKED = 4  # references that are asked alone, at most
# What each sign adds to the expected error, fitted by benchmarks/review.py; but for contested
# pixels, which its albums of one object a photo do not have.
WEIGHTS = {
    "presence": 0.314,
    "score": 0.349,
    "disagreement": 0.15,
    "contested": 0.3,
    "shape": 0.161,
}
REASONS = {
    "presence": "perhaps not there",
    "score": "the model is not sure of the mask",
    "disagreement": "the references disagree",
    "contested": "two objects claim the same pixels",
    "shape": "another shape than the references",
}


@dataclass(frozen=True)
class DoubtSigns:
    """Signs of a wrong answer, each 0 (none) to 1.

    Attributes:
        presence: how near the presence is to what parts present from absent.
        score: how little the decoder believes in its own mask.
        disagreement: how unlike the masks are that single references give.
        contested: share of the mask that another object claimed, too.
        shape: how unlike the mask is to the masks of the references in shape.
    """

    presence: float = 0.0
    score: float = 0.0
    disagreement: float = 0.0
    contested: float = 0.0
    shape: float = 0.0

    @property
    def doubt(self) -> float:
        """The expected error of the mask, 0..1."""
        weighted = sum(WEIGHTS[name] * value for name, value in asdict(self).items())
        return float(np.clip(weighted, 0, 1))

    @property
    def reason(self) -> str:
        """The sign that weighs most, in words; empty where there is none."""
        weighted = {name: WEIGHTS[name] * value for name, value in asdict(self).items()}
        name = max(weighted, key=lambda one: weighted[one])
        return REASONS[name] if weighted[name] > 0 else ""


def doubt_signs(
    concepts: Mapping[str, Concept],
    embedding: Embedding,
    shapes: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> dict[str, tuple[Prediction, DoubtSigns]]:
    """Find objects in an encoded picture, and the signs that the answers are wrong.

    Args:
        concepts: by name, of one model.
        embedding: the picture.
        shapes: masks of the references, by the object's name, where they are known.

    Returns:
        Answer and signs by name.
    """
    alone = {name: segment(concept, embedding) for name, concept in concepts.items()}
    standings = ObjectSet.of(concepts).judge(embedding)
    found = resolve_overlaps(concepts, embedding, alone, standings)
    return {
        name: (
            one,
            DoubtSigns(
                presence=presence_sign(one.presence, concepts[name].variant.min_presence),
                score=float(np.clip(1 - one.score, 0, 1)) if one.present else 0.0,
                disagreement=_disagreement(concepts[name], embedding, one.mask),
                contested=_contested(alone[name].mask, name, alone),
                shape=shape_sign(one.mask, (shapes or {}).get(name, ())),
            ),
        )
        for name, one in found.items()
    }


def presence_sign(presence: float | None, threshold: float) -> float:
    """1 where the presence is at the threshold, 0 where it is certain either way.

    Example:
        >>> presence_sign(0.5, 0.5), presence_sign(1.0, 0.5), presence_sign(None, 0.5)
        (1.0, 0.0, 0.0)
    """
    if presence is None:
        return 0.0
    room = 1 - threshold if presence >= threshold else threshold
    return float(np.clip(1 - abs(presence - threshold) / room, 0, 1)) if room > 0 else 0.0


def _disagreement(concept: Concept, embedding: Embedding, mask: np.ndarray) -> float:
    """How unlike the whole answer the answers of single references are."""
    if len(concept.references) < 2:
        return 0.0
    recipe = replace(concept.variant, min_presence=0.0)
    alone = [
        segment(replace(concept, references=(one,), variant=recipe), embedding).mask
        for one in concept.references[:ASKED]
    ]
    if not mask.any():  # absent: they agree as far as they find nothing in common
        return 0.0
    return float(1 - np.mean([iou(one, mask) for one in alone]))


def _contested(mask: np.ndarray, name: str, found: Mapping[str, Prediction]) -> float:
    others = [one.mask for other, one in found.items() if other != name]
    if not others or not mask.any():
        return 0.0
    return float((mask & np.logical_or.reduce(others)).sum() / mask.sum())


def shape_sign(mask: np.ndarray, references: Sequence[np.ndarray]) -> float:
    """How unlike a mask is in shape to the nearest of the references' masks, 0..1."""
    if not mask.any() or not references:
        return 0.0
    own = shape_numbers(mask)
    nearest = min(float(np.abs(own - shape_numbers(one)).max()) for one in references)
    return float(1 - np.exp(-2 * nearest))


def shape_numbers(mask: np.ndarray) -> np.ndarray:
    """``(3,)`` of a mask ``(H, W)`` bool, whatever its place and size: width, fill and roughness.

    The logarithm of its longer axis by its shorter one, the share of the ellipse of these axes that
    it fills, and the logarithm of its border by that of a disc.
    """
    rows, columns = np.nonzero(mask)
    spread = np.cov(np.stack([rows, columns])) if len(rows) > 1 else np.zeros((2, 2))
    short, long = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 1 / 12))
    fill = len(rows) / (4 * np.pi * short * long)
    padded = np.pad(mask, 1).astype(np.int8)
    border = sum(int(np.abs(np.diff(padded, axis=axis)).sum()) for axis in (0, 1))
    disc = 4 * np.sqrt(4 * len(rows) / np.pi)  # pixel edges round a disc of that area
    return np.array([np.log(long / short), fill, np.log(border / disc)])
