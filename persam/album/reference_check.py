"""Are the references good, and which photo to label next?

Each reference alone is asked for the object in all others. A reference that shows something else,
or whose mask is the wrong way round, neither finds the others nor is found by them. PerSAM is what
finds, whatever method the references are for: it learns nothing, so that many trials are cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from persam.album.loop import LoaderOptions, process_photos
from persam.errors import InputError
from persam.methods.persam import learn
from persam.metrics import iou
from persam.pipeline.reference import encode_reference, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.pipeline.reference import EncodedReference, Reference
    from persam.structures import Embedding
    from persam.variants import Variant

# A reference is bad where its agreement with the rest is below this share of the rest's among
# themselves, and these do find each other: benchmarks/doctor.py says how often that is right.
BAD_SHARE = 0.5
LEAST_AGREEMENT = 0.3
# Below this presence what is found counts as nothing. The usual threshold would take too many good
# references for bad ones.
SURELY_ABSENT = 0.1
# A photo probably has the object from this presence on: there as likely as not.
PROBABLY = 0.5


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """How references get on with each other.

    Attributes:
        agreement: ``(n, n)`` IoU, 0..1, of what reference i alone finds in picture j with the mask
            given there; NaN on the diagonal.
        presence: ``(n, n)`` probability that what reference i alone shows is in picture j; NaN on
            the diagonal, and where one reference tells nothing of presence with this model.
        suspects: numbers of the bad references, see :func:`bad_ones`.
        concepts: what each reference alone taught; they call an object absent below a presence of
            ``SURELY_ABSENT`` only.
        together: what all references but the suspects taught.
    """

    agreement: np.ndarray
    presence: np.ndarray
    suspects: tuple[int, ...]
    concepts: tuple[Concept, ...]
    together: Concept

    def finds(self, number: int) -> float:
        """Mean IoU, 0..1, of what a reference alone finds in the others."""
        return float(np.nanmean(self.agreement[number]))

    def is_found(self, number: int) -> float:
        """Mean IoU, 0..1, of what the others, each alone, find in a reference."""
        return float(np.nanmean(self.agreement[:, number]))

    def sees(self, number: int) -> float | None:
        """Mean presence, 0..1, that a reference alone sees in the others; None if unknown."""
        seen = np.delete(self.presence[number], number)
        return None if np.isnan(seen).any() else float(seen.mean())

    @property
    def committee(self) -> tuple[Concept, ...]:
        """The concepts of the references that are no suspects."""
        numbers = range(len(self.concepts))
        return tuple(self.concepts[n] for n in numbers if n not in self.suspects)


@dataclass(frozen=True)
class Doubt:
    """How sure the references are of one photo.

    Attributes:
        photo: the file.
        agreement: mean IoU, 0..1, of the masks that each two references find in it alone.
        presence: the probability that the object is there, of all references together; None where
            none is known.
        error: why the photo could not be looked at, in one line.
    """

    photo: Path
    agreement: float = 1.0
    presence: float | None = None
    error: str | None = None

    @property
    def worth_a_label(self) -> bool:
        """Whether the object is probably there; so it is taken where nothing is known."""
        return self.error is None and (self.presence is None or self.presence >= PROBABLY)


def examine(
    backbone: Backbone, references: Sequence[Reference], variant: str | Variant = "default"
) -> Diagnosis:
    """Look for the object of each reference in all others, by that reference alone.

    Every picture is encoded once. Where a box or points show the object, the model's own mask of
    it counts as the given one.

    Args:
        backbone: what :func:`persam.load` gave.
        references: at least two, each a picture with its object.
        variant: ``"default"``, ``"official"`` or a :class:`~persam.variants.Variant` of PerSAM.

    Raises:
        InputError: fewer than two references, or one that cannot be used.
    """
    if len(references) < 2:
        raise InputError(
            f"References are judged by each other, so there have to be at least two; got "
            f"{len(references)}."
        )
    recipe = resolve(variant, "persam", backbone)
    seen = [encode_reference(backbone, shown, recipe) for shown in references]
    concepts = tuple(_trusting(learn(backbone, [one], recipe)) for one in seen)
    agreement, presence = _cross(concepts, seen)
    suspects = bad_ones(agreement)
    good = [one for number, one in enumerate(seen) if number not in suspects]
    return Diagnosis(agreement, presence, suspects, concepts, learn(backbone, good, recipe))


def bad_ones(agreement: np.ndarray) -> tuple[int, ...]:
    """Name the references that clearly do not show what the rest shows.

    A reference is bad where its mean agreement with the rest, both ways, is below ``BAD_SHARE`` of
    the rest's mean agreement among themselves, and this is at least ``LEAST_AGREEMENT``. Of two
    references that disagree nobody can say which is wrong, so none is named.

    Args:
        agreement: ``(n, n)`` IoU of what reference i finds in picture j; the diagonal is not read.

    Returns:
        Their numbers, in order.

    Example:
        >>> bad_ones(np.array([[1, 0.8, 0.1], [0.7, 1, 0], [0, 0.1, 1]]))
        (2,)
    """
    numbers = range(len(agreement))
    both_ways = (agreement + agreement.T) / 2
    bad = []
    for one in numbers:
        rest = [number for number in numbers if number != one]
        among = [both_ways[pair] for pair in combinations(rest, 2)]
        own = float(both_ways[one, rest].mean())
        if among and np.mean(among) >= LEAST_AGREEMENT and own < BAD_SHARE * np.mean(among):
            bad.append(one)
    return tuple(bad)


def doubts(
    diagnosis: Diagnosis,
    photos: Sequence[str | Path],
    on_progress: Callable[[Doubt], None] | None = None,
    *,
    loader: LoaderOptions | None = None,
) -> tuple[Doubt, ...]:
    """Order photos by what a label of them would teach.

    The next photo to label is the one that probably has the object (presence of at least
    ``PROBABLY``, where it is known) and in which the good references, each alone, find the most
    different masks.

    Args:
        diagnosis: of the references there are.
        photos: picture files.
        on_progress: called after each photo.
        loader: how they are gone through; None finds out what is quickest here.

    Returns:
        One for each photo: those that are worth a label, most doubtful first; then those without
        the object; then those that could not be looked at.
    """
    loader = loader or LoaderOptions()
    found = []
    with loader.threads() as threads:
        for seen in process_photos(map(Path, photos), _Doubting(diagnosis), loader, threads):
            doubt = seen.answer or (1.0, None)
            found.append(Doubt(Path(str(seen.photo)), *doubt, error=seen.error))
            if on_progress is not None:
                on_progress(found[-1])
    return tuple(
        sorted(found, key=lambda d: (d.error is not None, not d.worth_a_label, d.agreement))
    )


def _trusting(concept: Concept) -> Concept:
    return concept.with_choices(min_presence=SURELY_ABSENT)


def _cross(
    concepts: Sequence[Concept], seen: Sequence[EncodedReference]
) -> tuple[np.ndarray, np.ndarray]:
    """Agreement and presence of every reference in every other's picture."""
    agreement = np.full((len(seen), len(seen)), np.nan)
    presence = agreement.copy()
    for row, concept in enumerate(concepts):
        for column, other in enumerate(seen):
            if row != column:
                found = concept.segment_embedding(other.embedding)
                agreement[row, column] = iou(found.mask, other.mask)
                presence[row, column] = np.nan if found.presence is None else found.presence
    return agreement, presence


@dataclass(frozen=True, eq=False)
class _Doubting:
    """Looks at a photo with every good reference alone; agreement and presence are its answer."""

    diagnosis: Diagnosis
    can_reject: bool = False
    wants_pixels: bool = False

    @property
    def backbone(self) -> Backbone:
        return self.diagnosis.together.backbone

    def reject(self, embedding: Embedding) -> None:
        """Matching features alone say nothing of masks."""

    def predict(self, embedding: Embedding) -> tuple[float, float | None]:
        presence = self.diagnosis.together.locate(embedding).presence
        masks = [one.segment_embedding(embedding).mask for one in self.diagnosis.committee]
        return fmean(iou(*pair) for pair in combinations(masks, 2)), presence
