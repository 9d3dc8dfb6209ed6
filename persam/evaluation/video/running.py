"""A method and a tracker over a data set of sequences: label maps go to a folder of predictions."""

from __future__ import annotations

from fractions import Fraction
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from persam.concept import Concept
from persam.errors import InputError
from persam.evaluation.datasets.davis import object_names, true_labels
from persam.evaluation.records import Finding
from persam.evaluation.reports import peak_memory
from persam.evaluation.running import learn, refuse_failure
from persam.io.images import read_image
from persam.video.labels import label_map
from persam.video.structures import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from persam.evaluation.datasets import Dataset, Photo, Subject
    from persam.evaluation.running import Job, OnProgress
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.video.structures import FrameResult

_RATE = Fraction(1, 25)  # seconds a frame; a folder of frames does not say, and nothing here asks


class Tracker(Protocol):
    """What follows objects: :func:`persam.video.tracking.track`, or a function like it."""

    def __call__(
        self,
        concepts: Mapping[str, Concept],
        frames: Iterable[VideoFrame],
        *,
        first: Mapping[str, Source],
    ) -> Iterator[FrameResult]:
        """Yield one answer a frame; ``first`` are the masks of the first frame by object."""
        ...


def follow(
    job: Job,
    tracker: Tracker,
    backbone: Backbone,
    dataset: Dataset[Photo],
    on_progress: OnProgress | None = None,
) -> None:
    """Follow the objects of every sequence; whole sequences that are there are left as they are.

    A sequence that an earlier run did not finish is begun again, since what a tracker finds in a
    frame depends on the frames before it. Objects that the method refuses to learn stay without a
    mask, and their reasons are kept.

    Args:
        job: the method that learns an object from the first frame, and where label maps go.
        tracker: follows what was learnt.
        backbone: the model.
        dataset: what :func:`persam.evaluation.datasets.davis` gave.
        on_progress: called with sequence and frame after each frame.

    Raises:
        InputError: a file cannot be used, the method learns nothing or what nothing can follow, or
            the tracker's answers do not fit the frames.
    """
    for subject in dataset.subjects:
        if all(job.predictions.done(subject.name, photo.stem) for photo in subject.photos):
            found = iter(subject.photos)
        else:
            found = _follow(job, tracker, backbone, subject)
        for photo in found:
            if on_progress is not None:
                on_progress(subject.name, photo.stem)
    refuse_failure(job, len(job.predictions.learnt))


class _Frames:
    """The frames of a sequence, read when they are asked for; knows how long that took.

    Attributes:
        seconds: spent on reading so far.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.photos = photos
        self.seconds = 0.0

    def __iter__(self) -> Iterator[VideoFrame]:
        for index, photo in enumerate(self.photos):
            began = perf_counter()
            frame = VideoFrame(read_image(photo.image), index, index, _RATE, photo.stem)
            self.seconds += perf_counter() - began
            yield frame


def _follow(
    job: Job, tracker: Tracker, backbone: Backbone, subject: Subject[Photo]
) -> Iterator[Photo]:
    """Follow one sequence and keep its label maps, giving each frame when it is done."""
    labels = true_labels(subject.reference)
    masks = {name: labels == int(name) for name in object_names(labels)}
    concepts = _learn(job, backbone, subject, masks)
    frames = _Frames(subject.photos)
    first = {name: masks[name] for name in concepts}
    # Without anything to look for, every frame is empty.
    answers = tracker(concepts, frames, first=first) if concepts else ({} for _ in frames)
    for photo in subject.photos:
        began, reading = perf_counter(), frames.seconds
        answer = next(answers, None)
        spent = perf_counter() - began - (frames.seconds - reading)
        if answer is None:
            raise InputError(
                f"The tracker has no answer for frame {photo.stem} of {subject.name}; one a frame "
                f"is expected."
            )
        record = Finding(subject.name, photo.stem, round(spent, 6), memory=peak_memory())
        job.predictions.add(record, _laid(answer, labels.shape))
        yield photo


def _learn(
    job: Job, backbone: Backbone, subject: Subject[Photo], masks: Mapping[str, np.ndarray]
) -> dict[str, Concept]:
    """The objects that could be learnt from the first frame, by name."""
    picture = read_image(subject.reference.image)
    concepts: dict[str, Concept] = {}
    for name, mask in masks.items():
        learnt: Any = learn(job, backbone, f"{subject.name}/{name}", picture, mask)
        refuse_failure(job, job.patience or 0)
        if learnt is not None and not isinstance(learnt, Concept):
            raise InputError(
                f"The method gives a {type(learnt).__name__}, but only a Concept can be followed "
                f"through a clip. Use persam, persam-f, or a method that gives a Concept."
            )
        if learnt is not None:
            concepts[name] = learnt
    return concepts


def _laid(answer: FrameResult, size: tuple[int, ...]) -> np.ndarray:
    """The masks that were found in a frame as one label map; objects are named by their number."""
    for name, found in answer.items():
        if found.mask.shape != size:
            raise InputError(
                f"The tracker's mask of object {name} is {found.mask.shape}, its frame {size} "
                f"(height, width). Answer at the size of the frame."
            )
    if not answer:
        return np.zeros(size, dtype=np.uint8)
    masks = {name: found.mask for name, found in answer.items()}
    return label_map(masks, {name: int(name) for name in masks})
