"""Run a method and a tracker over sequences: predictions first, scores after."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from persam.evaluation.predictions import Predictions
from persam.evaluation.running import Job, describe
from persam.evaluation.scores import drawing
from persam.evaluation.video.running import Tracker, follow
from persam.evaluation.video.scores import score
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from persam.evaluation.datasets import Dataset, Photo
    from persam.evaluation.video.reports import VideoReport
    from persam.methods.learner import Learner
    from persam.models.base import Backbone

__all__ = ["Tracker", "evaluate", "score_only"]


def evaluate(  # noqa: PLR0913  (what is run, on what; where it is kept, and under which name)
    method: Learner,
    tracker: Tracker,
    backbone: Backbone,
    dataset: Dataset[Photo],
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    on_progress: Callable[[str, str], None] | None = None,
) -> VideoReport:
    """Learn every object from the first frame, follow it, then score what was found.

    Args:
        method: learns an object from ``(backbone, image, mask=...)``; gives a concept.
        tracker: follows the concepts of a sequence, :func:`persam.video.tracking.track` for one.
        backbone: the model.
        dataset: what :func:`persam.evaluation.datasets.davis` gave.
        out: folder for the label maps, ``<sequence>/<frame>.png``; a second call with the same
            settings goes on with the first sequence that is not whole. None keeps nothing.
        settings: what else the predictions depend on, as JSON can hold it; goes into the report.
        on_progress: called with sequence and frame after each frame.

    Raises:
        InputError: a file of the data set cannot be used, ``out`` holds the predictions of other
            settings, nothing could be learnt, or the answers do not fit the frames.
    """
    if out is None:
        with TemporaryDirectory(prefix="persam-") as folder:
            return evaluate(
                method,
                tracker,
                backbone,
                dataset,
                out=folder,
                settings=settings,
                on_progress=on_progress,
            )
    facts = {"model": str(backbone.name), "device": str(backbone.device)} | dict(settings or {})
    functions = {"learner": describe(method), "tracker": describe(tracker)}
    with locked(out):
        predictions = Predictions.start(out, {**drawing(dataset), **facts, **functions})
        follow(Job(method, predictions), tracker, backbone, dataset, on_progress)
        predictions.tidy()
    return score(dataset, predictions)


def score_only(
    out: str | Path,
    dataset: Dataset[Photo],
    on_progress: Callable[[], None] | None = None,
) -> VideoReport:
    """Score label maps that are on disk, of :func:`evaluate` or of any other program.

    Args:
        out: folder with ``<sequence>/<frame>.png``.
        dataset: what was predicted.
        on_progress: called after each scored frame.

    Raises:
        InputError: no such folder, no predictions, predictions of other data or size, or a file of
            the data set that cannot be used.
    """
    facts = drawing(dataset)
    del facts["data"]  # the same frames may have moved
    return score(dataset, Predictions.open(out, facts), on_progress)
