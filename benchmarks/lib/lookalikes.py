"""Is the right one taken where another object of the same kind is in the picture as well?

Photos with two of a kind are rare, so they are made: another dog, cut out of its own photo, is
pasted beside the dog that is looked for. Nothing is drawn by chance; the same folder always gives
the same pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from lib.montage import add_lookalike, cut_out

from persam.errors import InputError
from persam.evaluation import datasets
from persam.metrics import iou
from persam.pipeline.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from persam.evaluation.datasets import Dataset, Photo, Subject
    from persam.methods.learner import Learner, Learnt
    from persam.models.base import Backbone


@dataclass(frozen=True)
class MontageOutcome:
    """What was found in one montage.

    Attributes:
        name: of the object that was looked for.
        stem: of its photo.
        lookalike: name of the object that was pasted in.
        iou: of the found mask with the right object, 0..1.
        lookalike_iou: of the found mask with the pasted one, 0..1.
    """

    name: str
    stem: str
    lookalike: str
    iou: float
    lookalike_iou: float

    @property
    def right(self) -> bool:
        """Whether the found mask is more of the right object than of the other; never if empty."""
        return self.iou > self.lookalike_iou


@dataclass(frozen=True)
class LookalikeReport:
    """Which one was taken, over all montages.

    Attributes:
        choices: one a montage; at least one.
        left_out: photos in which the look-alike found no place beside the object.
    """

    choices: tuple[MontageOutcome, ...]
    left_out: int

    @property
    def right(self) -> float:
        """Share of the montages in which the right one was taken, 0..1."""
        return fmean(choice.right for choice in self.choices)

    @property
    def miou(self) -> float:
        """Mean IoU with the right object over the montages."""
        return fmean(choice.iou for choice in self.choices)


def next_of_kind(subject: Subject, dataset: Dataset) -> Subject | None:
    """The next object of the same kind in the data set's order, cyclic; None without another."""
    kindred = [other for other in dataset.subjects if other.kind == subject.kind]
    other = kindred[(kindred.index(subject) + 1) % len(kindred)]
    return None if other is subject else other


def next_of_other_kind(subject: Subject, dataset: Dataset) -> Subject | None:
    """The next object of another kind in the data set's order, cyclic; None without one."""
    place = dataset.subjects.index(subject)
    after = (*dataset.subjects[place:], *dataset.subjects[:place])
    return next((other for other in after if other.kind != subject.kind), None)


def evaluate_lookalikes(
    method: Learner | Any,
    backbone: Backbone,
    data: str | Path | Dataset,
    *,
    beside: Callable[[Subject, Dataset], Subject | None] = next_of_kind,
    warned: bool = False,
) -> LookalikeReport:
    """Look for every object in its target photos, with another one of its kind pasted in.

    The other one is the next object of the same kind by name, after the last the first, out of its
    target photo at the same place in the order. Objects without another of their kind are not
    looked for.

    Args:
        method: learns an object from ``(backbone, image, mask=...)``.
        backbone: the model.
        data: a folder, or what :func:`persam.evaluation.datasets.perseg` made of it.
        beside: which other object is pasted in beside an object.
        warned: show the method the other one in its reference photo, as ``negatives=[...]``.

    Raises:
        InputError: no two objects of a kind, no photo with room for a look-alike, or the folder or
            one of its files cannot be used.
    """
    dataset = data if isinstance(data, datasets.Dataset) else datasets.perseg(data)
    choices: list[MontageOutcome | None] = []
    for subject in dataset.subjects:
        other = beside(subject, dataset)
        if other is None:
            continue
        shown = subject.reference
        negative = Reference(other.reference.image, mask=other.reference.mask)
        given: dict[str, Any] = {"negatives": [negative]} if warned else {}
        concept = method(backbone, shown.image, mask=shown.mask, **given)
        for number, photo in enumerate(subject.targets):
            source = other.targets[number % len(other.targets)]
            choices.append(_choose(concept, subject, photo, (other, source)))
    made = tuple(choice for choice in choices if choice is not None)
    if not made:
        raise InputError(
            f"{dataset.root} gives no picture with a look-alike: of {len(dataset.subjects)} "
            f"objects, {len(choices)} photos have another object of the same kind (dog_1, dog_2), "
            f"none with room for it."
        )
    return LookalikeReport(made, left_out=len(choices) - len(made))


def _choose(
    concept: Learnt, subject: Subject, photo: Photo, lookalike: tuple[Subject, Photo]
) -> MontageOutcome | None:
    other, source = lookalike
    montage = add_lookalike(*photo.read(), cut_out(*source.read()))
    if montage is None:
        return None
    found = concept.segment(montage.image).mask
    right, wrong = iou(found, montage.truth), iou(found, montage.lookalike)
    return MontageOutcome(subject.name, photo.stem, other.name, right, wrong)
