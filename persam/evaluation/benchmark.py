"""Run a method over a data set and report its scores, with everything needed to repeat it.

Predictions are written first and scored after, so that any score can be studied into, and made
again without the model.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from persam.evaluation import datasets
from persam.evaluation.predictions import Predictions
from persam.evaluation.reports import ObjectReport, Report, environment
from persam.evaluation.running import Job, describe, predict
from persam.evaluation.scores import drawing, score
from persam.io.own_files import OwnFiles
from persam.methods.learner import Learner
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from persam.evaluation.datasets import Dataset
    from persam.models.base import Backbone

__all__ = [
    "Learner",
    "ObjectReport",
    "Report",
    "copy_masks",
    "environment",
    "evaluate",
    "evaluate_perseg",
    "score_only",
]


def evaluate(  # noqa: PLR0913  (what is run, on what; where it is kept, and under which name)
    method: Learner,
    backbone: Backbone,
    dataset: Dataset,
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    on_progress: Callable[[str, str], None] | None = None,
) -> Report:
    """Let a method find every object of a data set, then score what it found.

    Of every subject, the reference and its mask are shown once; the object is then studied for in
    its target photos. A subject that the method refuses to learn counts with empty masks and is
    named in the report.

    Args:
        method: learns an object from ``(backbone, image, mask=...)``; what it returns is asked to
            ``segment(image)``.
        backbone: the model.
        dataset: what :func:`persam.evaluation.datasets.open_dataset` gave.
        out: folder for the predictions, ``<subject>/<stem>.png``; a second call with the same
            settings goes on where the first was stopped, on whatever device and wherever the data
            lie by then. None keeps nothing.
        settings: what else the predictions depend on, as JSON can hold it; goes into the report.
        on_progress: called with subject and stem after each target photo.

    Raises:
        InputError: a file of the data set cannot be used, ``out`` holds the predictions of other
            settings, or nothing could be learnt.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> data = datasets.perseg(samples.PICTURES)
        >>> report = evaluate(persam.personalize, persam.load("pocket"), data)
        >>> (report.photos, report.miou > 0.5, report.failed)
        (6, True, {})
    """
    if out is None:
        with TemporaryDirectory(prefix="persam-") as folder:
            return evaluate(
                method, backbone, dataset, out=folder, settings=settings, on_progress=on_progress
            )
    facts = {"model": str(backbone.name), "device": str(backbone.device)} | dict(settings or {})
    facts = {**drawing(dataset), **facts, "learner": describe(method)}
    with locked(out):
        predictions = Predictions.start(out, facts)
        predict([Job(method, predictions)], backbone, dataset, on_progress)
        predictions.tidy()
    return score(dataset, predictions)


def score_only(
    out: str | Path, dataset: Dataset, on_progress: Callable[[], None] | None = None
) -> Report:
    """Score predictions that are on disk, of :func:`evaluate` or of any other program.

    Args:
        out: folder with ``<subject>/<stem>.png``, object wherever the grey value is above 0.
        dataset: what was predicted.
        on_progress: called after each target photo.

    Raises:
        InputError: no such folder, no predictions, predictions of another data set or size, or a
            file of the data set that cannot be used.

    Example:
        >>> from shutil import copytree
        >>> from persam import samples
        >>> with TemporaryDirectory() as folder:  # another program's masks: here the truth itself
        ...     found = copytree(samples.PICTURES / "Annotations", Path(folder) / "found")
        ...     score_only(found, datasets.perseg(samples.PICTURES)).miou
        0.9999...
    """
    return score(dataset, Predictions.open(out, drawing(dataset)), on_progress)


def evaluate_perseg(
    method: Learner,
    backbone: Backbone,
    data: str | Path | Dataset,
    *,
    on_progress: Callable[[str, str], None] | None = None,
) -> Report:
    """Score a method as the official PerSeg script does, with Boundary IoU beside it.

    Of every object, the reference photo and its mask are shown once; the object is then studied
    for in all other photos. Masks count as object where their grey value is above 0.

    Args:
        method: learns an object from ``(backbone, image, mask=...)``.
        backbone: the model.
        data: a folder, or what :func:`persam.evaluation.datasets.perseg` made of it.
        on_progress: called with object and stem after each target photo.

    Raises:
        InputError: the folder or one of its files cannot be used.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> evaluate_perseg(persam.personalize, persam.load("pocket"), samples.PICTURES).photos
        6
    """
    dataset = data if isinstance(data, datasets.Dataset) else datasets.perseg(data)
    return evaluate(method, backbone, dataset, on_progress=on_progress)


def copy_masks(dataset: Dataset, source: str | Path, target: str | Path) -> None:
    """Copy the predictions of a data set, the masks alone, to another folder.

    Raises:
        InputError: a mask cannot be written, or would take the place of a file that somebody has
            changed, or that persam did not write; then none is written.

    Example:
        >>> from persam import samples
        >>> data = datasets.perseg(samples.PICTURES)
        >>> with TemporaryDirectory() as folder:
        ...     copy_masks(data, samples.PICTURES / "Annotations", folder)
        ...     len(list(Path(folder).glob("*/*.png")))
        6
    """
    own = OwnFiles(target)
    names = [
        Path(subject.name, f"{photo.stem}.png")
        for subject in dataset.subjects
        for photo in subject.targets
    ]
    for name in names:
        own.refuse_others(Path(target) / name)
    for name in names:
        own.write(Path(target) / name, (Path(source) / name).read_bytes())
    own.tidy()
