"""Methods over a data set: what they find goes to folders of predictions, photo by photo."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.evaluation.records import Finding, Learning
from persam.io.masks import read_mask
from persam.metrics import at_size
from persam.models.wrapped_backbone import WrappedBackbone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.evaluation.datasets import AnyPhoto, Dataset, Subject
    from persam.evaluation.predictions import Predictions
    from persam.io.images import Source
    from persam.methods.learner import Learner, Learnt
    from persam.models.base import Backbone
    from persam.prediction import Prediction
    from persam.structures import Embedding

    OnProgress = Callable[[str, str], None]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A method, and where its predictions go.

    Attributes:
        method: learns an object from ``(backbone, image, mask=...)``.
        predictions: the folder.
        patience: so many failures before anything at all was learnt mean that the method cannot
            work; None waits for ever.
    """

    method: Learner
    predictions: Predictions
    patience: int | None = 3


def predict(
    jobs: Sequence[Job],
    backbone: Backbone,
    dataset: Dataset,
    on_progress: OnProgress | None = None,
) -> None:
    """Let every method find every object; what is there already is left as it is.

    Objects that a method refuses to learn (an :class:`InputError` on a reference that is itself in
    order) get empty masks, and their reasons are kept. Several jobs share the encodings of an
    object's pictures, so that their seconds say little.

    Args:
        jobs: the methods.
        backbone: the model.
        dataset: what is studied for, and where.
        on_progress: called with subject and stem after each target photo of each job.

    Raises:
        InputError: a picture or mask cannot be used, or a method learns nothing of anything.
    """
    shared = EncodeOnce(backbone) if len(jobs) > 1 else None
    for subject in dataset.subjects:
        for job in jobs:
            _run_subject(job, shared or backbone, subject, dataset, on_progress)
        if shared is not None:
            shared.forget()
    for job in jobs:
        refuse_failure(job, len(dataset.subjects))


def learn(
    job: Job, backbone: Backbone, name: str, picture: np.ndarray, mask: Source
) -> Learnt | None:
    """Learn one object and keep what is worth knowing of it; None where the method refuses.

    Args:
        job: the method, and where its record goes.
        backbone: the model.
        name: of the object.
        picture: ``(H, W, 3)`` uint8 RGB, the reference.
        mask: the object in it.
    """
    began = perf_counter()
    try:
        finder = job.method(backbone, picture, mask=mask)
    except InputError as error:
        job.predictions.add(Learning(name, failed=str(error)))
        _LOG.info("%s: nothing learnt: %s", name, error)
        return None
    job.predictions.add(_learnt(name, finder, perf_counter() - began))
    return finder


def refuse_failure(job: Job, subjects: int) -> None:
    """Stop a method that learns nothing of anything.

    Args:
        job: the method, and what it learnt so far.
        subjects: how many there are to learn.

    Raises:
        InputError: all of the first ones failed, as many as the job has patience for.
    """
    failures = job.predictions.failures
    if job.patience is None or not failures or len(failures) < len(job.predictions.learnt):
        return
    if len(failures) >= min(job.patience, subjects):
        name, reason = next(iter(failures.items()))
        raise InputError(
            f"Nothing could be learnt of {', '.join(list(failures)[: job.patience])}. "
            f"The reason for {name}: {reason}"
        )


def describe(method: Callable[..., Any]) -> dict[str, Any]:
    """The function behind a method, and what it was bound to as far as JSON can hold it.

    Example:
        >>> describe(functools.partial(predict, on_progress=None))
        {'function': 'persam.evaluation.running.predict', 'on_progress': None}
    """
    bound: dict[str, Any] = {}
    function: Any = method
    while isinstance(function, functools.partial):
        bound = {**function.keywords, **bound}
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    facts: dict[str, Any] = {"function": f"{function.__module__}.{name}"}
    for key, value in bound.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            facts[key] = dataclasses.asdict(value)
        elif value is None or isinstance(value, str | int | float):
            facts[key] = value
    return facts


class EncodeOnce(WrappedBackbone):
    """A backbone that encodes a picture once and remembers it, until asked to forget."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self._seen: dict[tuple[tuple[int, ...], bytes], Embedding] = {}

    def encode_batch(self, images: Sequence[np.ndarray]) -> list[Embedding]:
        """Encode upright ``(height, width, 3)`` uint8 RGB pictures, or remember them."""
        keys = [(image.shape, hashlib.sha256(image.tobytes()).digest()) for image in images]
        fresh = {k: image for k, image in zip(keys, images, strict=True) if k not in self._seen}
        found = self._backbone.encode_batch(list(fresh.values()))
        self._seen |= zip(fresh, found, strict=True)
        return [self._seen[key] for key in keys]

    def forget(self) -> None:
        """Drop all encodings."""
        self._seen.clear()


def _run_subject(
    job: Job, backbone: Backbone, subject: Subject, dataset: Dataset, on_progress: OnProgress | None
) -> None:
    """Learn one subject and segment the photos that have no prediction yet."""
    stems = {photo.stem for photo in subject.targets}
    todo = {stem for stem in stems if not job.predictions.done(subject.name, stem)}
    finder = None
    if todo:
        finder = learn(
            job, backbone, subject.name, *_read_reference(subject.reference, dataset.size)
        )
        refuse_failure(job, len(dataset.subjects))
    for photo in subject.targets:
        if photo.stem in todo:
            _find(job.predictions, finder, (subject, photo), dataset)
        if on_progress is not None:
            on_progress(subject.name, photo.stem)


def _find(
    predictions: Predictions,
    finder: Learnt | None,
    where: tuple[Subject, AnyPhoto],
    dataset: Dataset,
) -> None:
    subject, photo = where
    original = photo.read()[0]
    picture = _at_size(original, dataset.size)
    height, width = (original if dataset.original_size else picture).shape[:2]
    if finder is None:
        nothing = np.zeros((height, width), dtype=bool)
        predictions.add(Finding(subject.name, photo.stem, 0.0), nothing)
        return
    began = perf_counter()
    found = finder.segment(picture)
    seconds = perf_counter() - began
    if found.mask.shape != picture.shape[:2]:
        raise InputError(
            f"The method's mask of {photo.describe()} is {found.mask.shape} (height, width), but "
            f"the picture that it was given is {picture.shape[:2]}. Let it answer at that size."
        )
    point = _point(found, (height, width))
    mask = at_size(found.mask, (height, width))
    predictions.add(Finding(subject.name, photo.stem, round(seconds, 4), point), mask)
    _LOG.info("%s/%s: searched in %.2f s", subject.name, photo.stem, seconds)


def _learnt(subject: str, finder: Learnt, seconds: float) -> Learning:
    weights = getattr(finder, "weights", None)
    trained = getattr(finder, "trained_parameters", 0 if weights is None else 2)
    facts: dict[str, Any] = {}
    method, variant = (getattr(finder, name, None) for name in ("method", "variant"))
    if method is not None:
        facts["method"] = str(method)
    if dataclasses.is_dataclass(variant) and not isinstance(variant, type):
        facts["variant"] = dataclasses.asdict(variant)
    weights = None if weights is None else tuple(float(weight) for weight in weights)
    return Learning(subject, round(seconds, 4), int(trained), weights, facts)


def _point(found: Prediction, size: tuple[int, int]) -> tuple[int, int] | None:
    """The first point on the object, in pixels of a picture ``(H, W)`` that shows the same."""
    on_object = found.points[found.labels == 1]
    if len(on_object) == 0:
        return None
    scales = [new / old for new, old in zip(size, found.mask.shape, strict=True)]
    x, y = ((on_object[0] + 0.5) * scales[::-1]).astype(int).tolist()
    return x, y


def _read_reference(photo: AnyPhoto, size: int | None) -> tuple[np.ndarray, Source]:
    """The reference and its mask, both read, so that no method's seconds hold the reading."""
    picture, truth = photo.read()
    if size is None:
        # Of a file the grey values, since the official foreground rule depends on them.
        height, width = picture.shape[:2]
        return picture, read_mask(photo.mask, (height, width))
    return _at_size(picture, size), at_size(truth, size)


def _at_size(picture: np.ndarray, size: int | None) -> np.ndarray:
    if size is None:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))
