"""Masks on disk against the truth: the arithmetic that is the same for every data set.

Pixels are pooled over the photos of a group, the groups of a fold are averaged, then the folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from persam import __version__
from persam.errors import InputError
from persam.evaluation.reports import ObjectReport, Report
from persam.metrics import Overlap, at_size, boundary_overlap, fb_iou, overlap, pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from persam.evaluation.datasets import AnyPhoto, Dataset, Subject
    from persam.evaluation.predictions import Predictions

    Scores = Mapping[tuple[str, str], "PhotoScore"]  # by subject and stem


# How much of a protocol is run; its subjects are the same ones in a longer run and in a shorter.
_EXTENT = ("objects", "folds", "classes", "episodes", "sequences", "full_protocol")


@dataclass(frozen=True)
class PhotoScore:
    """One target photo: pixel counts of the masks and of their boundary bands, and the point.

    Attributes:
        area: of the masks.
        band: of their boundary bands.
        pixels: of the whole photo.
        hit: whether the first point on the object truly is on it; None without such a point.
    """

    area: Overlap
    band: Overlap
    pixels: int
    hit: bool | None


def compare(found: np.ndarray, truth: np.ndarray, point: tuple[int, int] | None) -> PhotoScore:
    """Score one mask.

    Args:
        found: ``(H, W)`` bool.
        truth: ``(H, W)`` bool.
        point: ``(x, y)`` pixel that the method took for the object.

    Raises:
        InputError: other types, sizes that differ, or a point outside.
    """
    area, band = overlap(found, truth), boundary_overlap(found, truth)
    if point is None:
        return PhotoScore(area, band, truth.size, None)
    x, y = point
    if not (0 <= y < truth.shape[0] and 0 <= x < truth.shape[1]):
        raise InputError(f"The point {point} lies outside the {truth.shape[1]}x{truth.shape[0]}.")
    return PhotoScore(area, band, truth.size, bool(truth[y, x]))


def dataset_settings(dataset: Dataset) -> dict[str, Any]:
    """What a report states of a data set: name, folder, and how episodes were drawn."""
    chosen = {
        "reference_index": dataset.reference_index,
        "size": dataset.size,
        "original_size": dataset.original_size or None,
    }
    return {
        "dataset": dataset.name,
        "data": str(dataset.root),
        **{name: value for name, value in chosen.items() if value is not None},
        **dataset.settings,
    }


def drawing(dataset: Dataset) -> dict[str, Any]:
    """What of it a single prediction depends on: not how many others are made."""
    every = dataset_settings(dataset)
    return {name: value for name, value in every.items() if name not in _EXTENT}


def score(
    dataset: Dataset, predictions: Predictions, on_progress: Callable[[], None] | None = None
) -> Report:
    """Score what a folder holds; what is missing is named in the report.

    Groups without any prediction are left out of the means.

    Args:
        dataset: what was predicted.
        predictions: the predictions.
        on_progress: called after each target photo.

    Raises:
        InputError: no predictions at all, one that cannot be read or has another size than its
            picture, or a mask of the data set that cannot be used.
    """
    scores: dict[tuple[str, str], PhotoScore] = {}
    missing: list[str] = []
    for subject in dataset.subjects:
        for photo in subject.targets:
            if predictions.path(subject.name, photo.stem).is_file():
                scores[subject.name, photo.stem] = _score(dataset, predictions, subject, photo)
            else:
                missing.append(f"{subject.name}/{photo.stem}")
            if on_progress is not None:
                on_progress()
    if not scores:
        raise InputError(
            f"{predictions.folder} holds no predictions for {dataset.root}: the first should be "
            f"{predictions.path(*missing[0].split('/', 1))}."
        )
    return _report(dataset, predictions, scores, missing)


def _score(
    dataset: Dataset, predictions: Predictions, subject: Subject, photo: AnyPhoto
) -> PhotoScore:
    truth, unjudged = photo.annotation()
    truth = at_size(truth, dataset.scored_size)
    height, width = truth.shape
    found = predictions.read(subject.name, photo.stem, (height, width))
    record = predictions.found.get((subject.name, photo.stem))
    if unjudged is not None:
        unjudged = at_size(unjudged, dataset.scored_size)
    found, pixels = judged(found, truth, unjudged)
    own = compare(found, truth, None if record is None else record.point)
    return replace(own, pixels=pixels)


def judged(
    found: np.ndarray, truth: np.ndarray, unjudged: np.ndarray | None
) -> tuple[np.ndarray, int]:
    """Take pixels that the annotators left open for right; gives how many others there are, too.

    Args:
        found: ``(H, W)`` bool.
        truth: ``(H, W)`` bool.
        unjudged: ``(H, W)`` bool; None where there are none.

    Example:
        >>> row = np.array([[True, True, False]])
        >>> judged(row, ~row, np.array([[False, True, True]]))
        (array([[ True, False,  True]]), 1)
    """
    if unjudged is None:
        return found, found.size
    return np.where(unjudged, truth, found), int((~unjudged).sum())


def _report(
    dataset: Dataset, predictions: Predictions, scores: Scores, missing: Sequence[str]
) -> Report:
    groups = _groups(dataset, scores)
    official = dataset.name == "perseg"
    rows = {
        name: _group(subjects, predictions, scores, official=official)
        for name, subjects in groups.items()
    }
    every = list(rows.values())
    names = {subject.name for subject in dataset.subjects}
    hits = [(row.fold, row.point_hit) for row in every if row.point_hit is not None]
    folds = fold_means((row.fold, row.iou) for row in every)
    return Report(
        miou=fmean(folds.values()),
        macc=fmean(fold_means((row.fold, row.acc) for row in every).values()),
        biou=fmean(fold_means((row.fold, row.biou) for row in every).values()),
        biou_pooled=fmean(fold_means((row.fold, row.biou_pooled) for row in every).values()),
        point_hit=fmean(fold_means(hits).values()) if hits else None,
        photos=len(scores),
        seconds=total(row.seconds for row in every),
        objects=rows,
        settings=report_settings(dataset, predictions),
        learn_seconds=total(row.learn_seconds for row in every),
        parameters=max((row.parameters or 0 for row in every), default=0)
        if predictions.learnt
        else None,
        fb_iou=None if official else _fb_iou(dataset, scores),
        folds={} if list(folds) == [""] else folds,
        missing=tuple(missing),
        failed={name: reason for name, reason in predictions.failures.items() if name in names},
        environment=predictions.run.get("environment", {}),
    )


def fold_means(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of each fold's values, folds in the order in which they come.

    Example:
        >>> fold_means([("0", 1.0), ("1", 4.0), ("0", 2.0)])
        {'0': 1.5, '1': 4.0}
    """
    folds: dict[str, list[float]] = {}
    for fold, value in pairs:
        folds.setdefault(fold, []).append(value)
    return {fold: fmean(values) for fold, values in folds.items()}


def _groups(dataset: Dataset, scores: Scores) -> dict[str, list[Subject]]:
    """The subjects with a score, by what their pixels are pooled over."""
    groups: dict[str, list[Subject]] = {}
    for subject in dataset.subjects:
        if any((subject.name, photo.stem) in scores for photo in subject.targets):
            name = f"{subject.fold}/{subject.group}" if subject.fold else subject.group
            groups.setdefault(name, []).append(subject)
    return groups


def _group(
    subjects: Sequence[Subject], predictions: Predictions, scores: Scores, *, official: bool
) -> ObjectReport:
    own = {
        (subject.name, photo.stem): scores[subject.name, photo.stem]
        for subject in subjects
        for photo in subject.targets
        if (subject.name, photo.stem) in scores
    }
    # One rule for masks and bands, pooled and one by one: in episodes two empty masks give 0.
    share = attrgetter("iou" if official else "episode_iou")
    area = pooled(each.area for each in own.values())
    hits = [each.hit for each in own.values() if each.hit is not None]
    learnt = [predictions.learnt[one.name] for one in subjects if one.name in predictions.learnt]
    searched = [predictions.found[key].seconds for key in own if key in predictions.found]
    known = len(learnt) == len(subjects) and len(searched) == len(own)
    learning = sum(one.seconds for one in learnt)
    alone = len(subjects) == 1
    return ObjectReport(
        iou=area.official_iou if official else area.episode_iou,
        acc=area.recall,
        biou=fmean(share(each.band) for each in own.values()),
        biou_pooled=share(pooled(each.band for each in own.values())),
        point_hit=fmean(hits) if hits else None,
        photos={key[1] if alone else "/".join(key): share(each.area) for key, each in own.items()},
        weights=learnt[0].weights if alone and learnt else None,
        seconds=round(learning + sum(searched), 3) if known else None,
        learn_seconds=round(learning, 3) if known else None,
        parameters=max((one.parameters for one in learnt), default=None),
        fold=subjects[0].fold,
    )


def _fb_iou(dataset: Dataset, scores: Scores) -> float:
    folds: dict[str, list[PhotoScore]] = {}
    for subject in dataset.subjects:
        keys = ((subject.name, photo.stem) for photo in subject.targets)
        folds.setdefault(subject.fold, []).extend(scores[key] for key in keys if key in scores)
    return fmean(
        fb_iou(pooled(each.area for each in own), sum(each.pixels for each in own))
        for own in folds.values()
        if own
    )


def total(seconds: Iterable[float | None]) -> float | None:
    """The sum, or None where one of them is not known."""
    known = list(seconds)
    return None if None in known else round(sum(value or 0.0 for value in known), 6)


def report_settings(dataset: Dataset, predictions: Predictions) -> dict[str, Any]:
    """All that led to a score, for the report: the data, the method, and who predicted."""
    facts = [one.facts for one in predictions.learnt.values() if one.failed is None]
    run = predictions.run.get("version", __version__)
    maker = {} if run == __version__ else {"predicted_by": run}
    given = {name: value for name, value in predictions.settings.items() if name != "learner"}
    data = dataset_settings(dataset)
    # The caller's settings override the concept's, which does not know the name of the method. And
    # the data set is the one that was scored, which may have moved since.
    return {**data, **(facts[-1] if facts else {}), **given, **data, **maker}
