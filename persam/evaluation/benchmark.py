"""Run a method over a data set and say how well it did, with everything needed to do it again."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import torch

from persam.evaluation import datasets
from persam.evaluation.metrics import Overlap, boundary_overlap, overlap, pooled
from persam.formats import write_mask, write_text
from persam.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from persam.backbones import Backbone
    from persam.concept import Concept
    from persam.evaluation.datasets import Dataset, Photo, Subject
    from persam.images import Source
    from persam.structures import Prediction


def environment() -> dict[str, Any]:
    """Versions and hardware that a measurement depends on."""
    facts = {name: version(name) for name in ("torch", "transformers", "numpy", "pillow")}
    facts = {"python": platform.python_version(), "system": platform.platform(), **facts}
    facts |= {"cpu": _cpu(), "cores": str(os.cpu_count()), "threads": str(torch.get_num_threads())}
    return facts | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def _cpu() -> str:
    """The processor's name; Linux alone keeps it in a file, elsewhere the platform says it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Learner(Protocol):
    """A method: :func:`persam.personalize`, :func:`persam.finetune`, or any function like them."""

    def __call__(self, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
        """Learn the object that the mask shows."""
        ...


@dataclass(frozen=True)
class PhotoScore:
    """One target photo: pixel counts of the masks and of their boundary bands, and the point."""

    area: Overlap
    band: Overlap
    hit: bool


@dataclass(frozen=True)
class ObjectReport:
    """One object over its target photos; every share is 0..1.

    Attributes:
        iou: of pixels pooled over the photos, I / (U + 1e-10).
        acc: share of the object's pixels that were found, pooled.
        biou: Boundary IoU, mean over the photos.
        biou_pooled: Boundary IoU of band pixels pooled over the photos.
        point_hit: share of photos whose first point on the object truly is on it.
        photos: IoU of every photo, by stem.
        weights: PerSAM-F's three weights; None for PerSAM.
        seconds: learning the object and finding it in all photos, scoring left out.
    """

    iou: float
    acc: float
    biou: float
    biou_pooled: float
    point_hit: float
    photos: Mapping[str, float]
    weights: tuple[float, ...] | None
    seconds: float


@dataclass(frozen=True)
class Report:
    """What an evaluation found: means over the objects, and all that led to them.

    Attributes:
        miou, macc, biou, biou_pooled, point_hit: means of the objects' values.
        photos: number of target photos.
        seconds: sum over the objects.
        objects: by name.
        settings: data, method, variant, model, device.
        version: of persam.
        environment: versions of Python and libraries, and the hardware.
    """

    miou: float
    macc: float
    biou: float
    biou_pooled: float
    point_hit: float
    photos: int
    seconds: float
    objects: Mapping[str, ObjectReport]
    settings: Mapping[str, Any]
    version: str = field(default_factory=lambda: version("persam"))
    environment: Mapping[str, Any] = field(default_factory=environment)

    def to_json(self) -> str:
        """The report as indented JSON."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    def with_settings(self, **settings: str | float | None) -> Report:
        """The same report with more settings written into it."""
        return replace(self, settings={**self.settings, **settings})

    def write(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        write_text(path, self.to_json())


def evaluate_perseg(
    method: Learner,
    backbone: Backbone,
    data: str | Path | Dataset,
    *,
    save_masks: str | Path | None = None,
    on_photo: Callable[[str, str], None] | None = None,
) -> Report:
    """Score a method as the official PerSeg script does, with Boundary IoU beside it.

    Of every object, the reference photo and its mask are shown once; the object is then looked
    for in all other photos. Masks count as object where their grey value is above 0.

    Args:
        method: learns an object from ``(backbone, image, mask=...)``.
        backbone: the model.
        data: a folder, or what :func:`persam.evaluation.datasets.perseg` made of it.
        save_masks: folder for the found masks, ``<object>/<NN>.png``; None keeps none.
        on_photo: called with object and stem after each target photo.

    Raises:
        InputError: the folder or one of its files cannot be used.
    """
    dataset = data if isinstance(data, datasets.Dataset) else datasets.perseg(data)
    reports: dict[str, ObjectReport] = {}
    settings: dict[str, Any] = {}
    for subject in dataset.subjects:
        run = _Run(subject, None if save_masks is None else Path(save_masks) / subject.name)
        reports[subject.name], concept = run.score(method, backbone, on_photo)
        settings = _settings(dataset, concept)
    rows = list(reports.values())
    return Report(
        miou=fmean(row.iou for row in rows),
        macc=fmean(row.acc for row in rows),
        biou=fmean(row.biou for row in rows),
        biou_pooled=fmean(row.biou_pooled for row in rows),
        point_hit=fmean(row.point_hit for row in rows),
        photos=dataset.photos,
        seconds=round(sum(row.seconds for row in rows), 3),
        objects=reports,
        settings=settings,
    )


@dataclass(frozen=True)
class _Run:
    """One object of the data set."""

    subject: Subject
    folder: Path | None

    def score(
        self,
        method: Learner,
        backbone: Backbone,
        on_photo: Callable[[str, str], None] | None,
    ) -> tuple[ObjectReport, Concept]:
        began = perf_counter()
        reference = self.subject.reference
        concept = method(backbone, reference.image, mask=reference.mask)
        seconds = perf_counter() - began
        scores: dict[str, PhotoScore] = {}
        for photo in self.subject.targets:
            began = perf_counter()
            found = concept.segment(read_image(photo.image))
            seconds += perf_counter() - began
            scores[photo.stem] = self._compare(photo, found)
            if on_photo is not None:
                on_photo(self.subject.name, photo.stem)
        return _object_report(scores, concept.weights, seconds), concept

    def _compare(self, photo: Photo, found: Prediction) -> PhotoScore:
        if self.folder is not None:  # before scoring, so that any score can be looked into
            write_mask(self.folder / f"{photo.stem}.png", found.mask)
        height, width = found.mask.shape
        truth = photo.truth((height, width))
        area, band = overlap(found.mask, truth), boundary_overlap(found.mask, truth)
        on_object = found.points[found.labels == 1]
        hit = len(on_object) > 0 and bool(truth[on_object[0, 1], on_object[0, 0]])
        return PhotoScore(area, band, hit)


def _object_report(
    scores: Mapping[str, PhotoScore], weights: Sequence[float] | None, seconds: float
) -> ObjectReport:
    area = pooled(score.area for score in scores.values())
    return ObjectReport(
        iou=area.official_iou,
        acc=area.recall,
        biou=fmean(score.band.iou for score in scores.values()),
        biou_pooled=pooled(score.band for score in scores.values()).iou,
        point_hit=fmean(score.hit for score in scores.values()),
        photos={stem: score.area.iou for stem, score in scores.items()},
        weights=None if weights is None else tuple(float(weight) for weight in weights),
        seconds=round(seconds, 3),
    )


def _settings(dataset: Dataset, concept: Concept) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "data": str(dataset.root),
        "reference_index": dataset.reference_index,
        "method": concept.method,
        "variant": asdict(concept.variant),
        "model": str(concept.backbone.name),
        "device": str(concept.backbone.device),
    }
