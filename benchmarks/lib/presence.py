"""Does a found mask's score say whether the object is in the picture at all?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from persam.errors import InputError
from persam.evaluation import datasets
from persam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.concept import Concept
    from persam.evaluation.datasets import Dataset
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.prediction import Prediction

    Score = Callable[[Prediction], float]


class Method(Protocol):
    """A method that gives a concept: objects that are looked for in many photos share encodings."""

    def __call__(self, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
        """Learn the object that the mask shows."""
        ...


def own_score(found: Prediction) -> float:
    """The model's estimate of the found mask's IoU, the score that every model gives."""
    return found.score


def probability(found: Prediction) -> float:
    """The probability that the object is there.

    Raises:
        InputError: the concept has no calibration.
    """
    if found.presence is None:
        raise InputError(
            "There is no presence to judge by: the model has no calibration of its own and there "
            "is a single reference, or the variant keeps none of its cells. Judge by the score."
        )
    return found.presence


@dataclass(frozen=True)
class Trial:
    """One object looked for in one photo.

    Attributes:
        sought: name of the object that was looked for.
        shown: name of the object that the photo shows.
        stem: of the photo.
        same_kind: whether both are one of a kind, two dogs say; true where they are the same.
        score: higher means more likely there.
    """

    sought: str
    shown: str
    stem: str
    same_kind: bool
    score: float

    @property
    def present(self) -> bool:
        """Whether the object truly is in the photo."""
        return self.sought == self.shown


@dataclass(frozen=True)
class PresenceReport:
    """How well scores tell photos with the object from photos without it.

    Attributes:
        auc: area under the ROC curve over all photos, 0..1; chance gives 0.5.
        auc_same_kind: the same where the absent photos show another object of the same kind;
            None where no kind has two objects.
        auc_other_kind: the same where they show something else; None where all are of one kind.
        trials: every photo that was looked into.
    """

    auc: float
    auc_same_kind: float | None
    auc_other_kind: float | None
    trials: tuple[Trial, ...]


def area_under_roc(present: Sequence[float], absent: Sequence[float]) -> float:
    """Share of all (present, absent) pairs in which the present one scores higher; ties are half.

    Args:
        present: scores where the object is there; at least one.
        absent: scores where it is not; at least one.

    Returns:
        0..1; 0.5 is chance.

    Raises:
        InputError: no scores on a side, or one that is not a number.

    Example:
        >>> area_under_roc([0.9, 0.5], [0.5, 0.1])
        0.875
    """
    there, away = np.asarray(present, dtype=np.float64), np.asarray(absent, dtype=np.float64)
    if not (len(there) and len(away)) or np.isnan(there).any() or np.isnan(away).any():
        raise InputError(
            f"The area under a ROC curve needs numbers on both sides; got {len(there)} scores "
            f"with the object and {len(away)} without, {int(np.isnan(there).sum())} and "
            f"{int(np.isnan(away).sum())} of them not a number."
        )
    away = np.sort(away)
    below = np.searchsorted(away, there, side="left").sum()
    up_to = np.searchsorted(away, there, side="right").sum()
    return float(below + up_to) / (2 * len(there) * len(away))


def false_alarms(
    present: Sequence[float], absent: Sequence[float], *, recall: float = 0.95
) -> float:
    """Share of the absent that pass where the threshold lets so many of the present through.

    Args:
        present: scores where the object is there; at least one.
        absent: scores where it is not; at least one.
        recall: share of the present that must pass, above 0 and at most 1.

    Returns:
        0..1.

    Example:
        >>> false_alarms([0.9, 0.8, 0.5, 0.4], [0.6, 0.1], recall=0.75)
        0.5
    """
    descending = np.sort(np.asarray(present, dtype=np.float64))[::-1]
    # The smallest number of the present that is at least the recall; sums of shares round.
    needed = int(np.ceil(recall * len(descending) - 1e-9))
    return float((np.asarray(absent) >= descending[needed - 1]).mean())


def calibration_error(
    present: Sequence[float], absent: Sequence[float], *, bins: int = 10
) -> float:
    """How far probabilities are from shares: expected calibration error, both sides alike heavy.

    A presence is a probability where the object was as likely there as not beforehand, so the
    present weigh as much as the absent however many there are.

    Args:
        present: probabilities where the object is there; at least one.
        absent: the same where it is not; at least one.
        bins: of equal width.

    Returns:
        0..1: over the bins, the mean of |mean probability - share of the present|.

    Example:
        >>> calibration_error([1.0, 1.0], [0.0]), calibration_error([0.25], [0.25])
        (0.0, 0.25)
    """
    chance = np.concatenate([np.asarray(present, np.float64), np.asarray(absent, np.float64)])
    there = np.arange(len(chance)) < len(present)
    weight = np.where(there, 0.5 / len(present), 0.5 / len(absent))
    number = np.minimum((chance * bins).astype(int), bins - 1)
    gaps = np.bincount(number, weights=weight * (chance - there), minlength=bins)
    return float(np.abs(gaps).sum())


def evaluate_presence(
    method: Method,
    backbone: Backbone,
    data: str | Path | Dataset,
    *,
    score: Score = own_score,
) -> PresenceReport:
    """Look for every object in its own photos and in one photo of every other object.

    Objects are learnt from their reference photos. The one photo of another object is always its
    first target photo (``01`` where ``00`` is the reference).

    Args:
        method: learns an object from ``(backbone, image, mask=...)``.
        backbone: the model.
        data: a folder, or what :func:`persam.evaluation.datasets.perseg` made of it.
        score: what to judge by, of what was found in a photo.

    Raises:
        InputError: fewer than two objects, or the folder or one of its files cannot be used.
    """
    dataset = data if isinstance(data, datasets.Dataset) else datasets.perseg(data)
    subjects = dataset.subjects
    if len(subjects) < 2:
        raise InputError(
            f"{dataset.root} gives {len(subjects)} object; to look for one where it is not, "
            f"at least two are needed."
        )
    concepts = {
        subject.name: method(backbone, subject.reference.image, mask=subject.reference.mask)
        for subject in subjects
    }
    trials: list[Trial] = []
    for shown in subjects:
        for photo in shown.targets:
            embedding = backbone.encode(read_image(photo.image))
            for sought in subjects if photo is shown.targets[0] else (shown,):
                value = score(concepts[sought.name].segment_embedding(embedding))
                kindred = sought.kind == shown.kind
                trials.append(Trial(sought.name, shown.name, photo.stem, kindred, value))
    return summarise(trials)


def summarise(trials: Sequence[Trial]) -> PresenceReport:
    """The report of trials that were made already.

    Raises:
        InputError: no trial with the object, or none without it.
    """
    present = [trial.score for trial in trials if trial.present]
    absent = [trial for trial in trials if not trial.present]
    same = [trial.score for trial in absent if trial.same_kind]
    other = [trial.score for trial in absent if not trial.same_kind]
    return PresenceReport(
        auc=area_under_roc(present, same + other),
        auc_same_kind=area_under_roc(present, same) if same else None,
        auc_other_kind=area_under_roc(present, other) if other else None,
        trials=tuple(trials),
    )
