"""Label maps on disk against the truth, as the official DAVIS 2017 scorer does it.

J and F of every object in every frame but the first and the last; mean, recall and decay of an
object; means over the objects of all sequences, so that a sequence of three counts three times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets.davis import object_names, true_labels
from persam.evaluation.datasets.problems import listed
from persam.evaluation.scores import report_settings, total
from persam.evaluation.sequences import Statistics, contour_accuracy, region_similarity, statistics
from persam.evaluation.video.reports import SequenceReport, TrackReport, VideoReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from persam.evaluation.datasets import Dataset, Photo, Subject
    from persam.evaluation.predictions import Predictions


@dataclass
class _Scored:
    """What the frames of one sequence came to, frame after frame.

    Attributes:
        frames: J and F by object and frame.
        missing: frames without a prediction.
        later: numbers in the truth that the first frame does not have.
    """

    frames: dict[str, dict[str, tuple[float, float]]]
    missing: list[str] = field(default_factory=list)
    later: set[int] = field(default_factory=set)


def score(
    dataset: Dataset[Photo],
    predictions: Predictions,
    on_progress: Callable[[], None] | None = None,
) -> VideoReport:
    """Score what a folder holds; what is missing is named in the report.

    Frames without a prediction are left out of the means, and so are sequences without any. An
    object that a prediction does not hold counts as an empty mask.

    Args:
        dataset: what was predicted.
        predictions: the predictions.
        on_progress: called after each frame that is scored or found missing.

    Raises:
        InputError: no predictions at all, one that cannot be read, has another size than its frame
            or holds numbers that are no object of its sequence; a mask of the data set that cannot
            be used.
    """
    scored = {
        subject.name: _sequence(subject, predictions, on_progress) for subject in dataset.subjects
    }
    missing = [f"{name}/{stem}" for name, one in scored.items() for stem in one.missing]
    objects = {
        f"{name}/{number}": _track(predictions, f"{name}/{number}", frames)
        for name, one in scored.items()
        for number, frames in one.frames.items()
        if frames
    }
    if not objects:
        raise InputError(
            f"{predictions.folder} holds no predictions for {dataset.root}: the first should be "
            f"{predictions.path(*missing[0].split('/', 1))}."
        )
    return _report(dataset, predictions, objects, scored)


def _sequence(
    subject: Subject[Photo], predictions: Predictions, on_progress: Callable[[], None] | None
) -> _Scored:
    names = object_names(true_labels(subject.reference))
    one = _Scored({name: {} for name in names})
    for photo in subject.targets[:-1]:
        if predictions.path(subject.name, photo.stem).is_file():
            truth = true_labels(photo)
            found = _found(subject.name, photo, predictions, truth.shape, names)
            one.later |= _strangers(truth, names)
            for name, frames in one.frames.items():
                ours, true = (labels == int(name) for labels in (found, truth))
                frames[photo.stem] = region_similarity(ours, true), contour_accuracy(ours, true)
        else:
            one.missing.append(photo.stem)
        if on_progress is not None:
            on_progress()
    return one


def _found(
    sequence: str,
    photo: Photo,
    predictions: Predictions,
    size: tuple[int, ...],
    names: Sequence[str],
) -> np.ndarray:
    """The label map that was predicted; for DAVIS 2016, all that is not black is the object."""
    height, width = size
    if not photo.indexed:
        return predictions.read(sequence, photo.stem, (height, width)).astype(np.uint8)
    labels = predictions.read_labels(sequence, photo.stem, (height, width))
    strange = _strangers(labels, names)
    if strange:
        raise InputError(
            f"The prediction {predictions.path(sequence, photo.stem)} holds "
            f"{listed(map(str, sorted(strange)))}, but the objects of {sequence} are "
            f"{listed(names)}. Number objects as the first frame's mask does."
        )
    return labels


def _strangers(labels: np.ndarray, names: Sequence[str]) -> set[int]:
    """Numbers that none of the sequence's objects has."""
    return {int(number) for number in np.unique(labels)} - {0, *map(int, names)}


def _track(
    predictions: Predictions, name: str, frames: dict[str, tuple[float, float]]
) -> TrackReport:
    learnt = predictions.learnt.get(name)
    return TrackReport(
        j=statistics([j for j, _ in frames.values()]),
        f=statistics([f for _, f in frames.values()]),
        frames=frames,
        weights=None if learnt is None else learnt.weights,
        learn_seconds=None if learnt is None else learnt.seconds,
        parameters=None if learnt is None else learnt.parameters,
    )


def _report(
    dataset: Dataset[Photo],
    predictions: Predictions,
    objects: dict[str, TrackReport],
    scored: dict[str, _Scored],
) -> VideoReport:
    scorable = {one.name: one for one in dataset.subjects if f"{one.name}/1" in objects}
    sequences = {
        name: _summed(one, predictions, scored[name], objects) for name, one in scorable.items()
    }
    every = list(objects.values())
    j, f = (_means(getattr(one, measure) for one in every) for measure in ("j", "f"))
    following = total(one.seconds for one in sequences.values())
    learning = total(one.learn_seconds for one in every)
    memory = [
        predictions.found[key].memory
        for key in _steps(scorable.values())
        if key in predictions.found
    ]
    followed = sum(one.frames for one in sequences.values())
    return VideoReport(
        jf=(j.mean + f.mean) / 2,
        j=j,
        f=f,
        frames=sum(len(scored[name].frames["1"]) for name in scorable),
        seconds=total((following, learning)),
        sequences=sequences,
        objects=objects,
        settings=report_settings(dataset, predictions),
        learn_seconds=learning,
        frames_per_second=round(followed / following, 2) if following else None,
        peak_memory=max((peak for peak in memory if peak is not None), default=None),
        parameters=max(one.parameters or 0 for one in every) if predictions.learnt else None,
        missing=tuple(f"{name}/{stem}" for name, one in scored.items() for stem in one.missing),
        failed={name: reason for name, reason in predictions.failures.items() if name in objects},
        not_shown=tuple(f"{name}/{n}" for name, one in scored.items() for n in sorted(one.later)),
        environment=predictions.run.get("environment", {}),
    )


def _steps(subjects: Iterable[Subject[Photo]]) -> list[tuple[str, str]]:
    return [(subject.name, photo.stem) for subject in subjects for photo in subject.photos]


def _summed(
    subject: Subject[Photo],
    predictions: Predictions,
    scored: _Scored,
    objects: dict[str, TrackReport],
) -> SequenceReport:
    own = [objects[f"{subject.name}/{number}"] for number in scored.frames]
    steps = _steps([subject])
    known = all(key in predictions.found for key in steps)
    return SequenceReport(
        jf=fmean(one.jf for one in own),
        j=fmean(one.j.mean for one in own),
        f=fmean(one.f.mean for one in own),
        objects=len(own),
        frames=len(steps),
        seconds=round(sum(predictions.found[key].seconds for key in steps), 6) if known else None,
    )


def _means(every: Iterable[Statistics]) -> Statistics:
    rows = list(every)
    return Statistics(
        mean=fmean(one.mean for one in rows),
        recall=fmean(one.recall for one in rows),
        decay=fmean(one.decay for one in rows),
    )
