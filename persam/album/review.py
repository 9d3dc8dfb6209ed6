"""Which photos of a run to look at first: those whose masks are most likely wrong."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.album.contact_sheet import make_tile, sheet_page
from persam.album.doubt import DoubtSigns, doubt_signs
from persam.album.labels import numbered_mask
from persam.album.loop import LoaderOptions, process_photos
from persam.errors import InputError
from persam.io import drawing
from persam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from persam.album.manifest import Record
    from persam.concept import Concept
    from persam.io.labels import LabelSet
    from persam.models.base import Backbone
    from persam.structures import Embedding

SHEET, QUEUE = "review.html", "review.csv"


@dataclass(frozen=True)
class Doubtful:
    """One photo in the queue.

    Attributes:
        record: of the run.
        object: the name of the object that is most likely wrong.
        signs: of it; None where the photo could not be read.
        doubt: the expected error of its mask, 0..1.
    """

    record: Record
    object: str = ""
    signs: DoubtSigns | None = None
    doubt: float = 0.0


@dataclass(frozen=True, eq=False)
class _Task:
    """Asks for the signs of all objects in every photo."""

    concepts: Mapping[str, Concept]
    shapes: Mapping[str, Sequence[np.ndarray]]
    can_reject: bool = False
    wants_pixels: bool = False

    @property
    def backbone(self) -> Backbone:
        return next(iter(self.concepts.values())).backbone

    def reject(self, embedding: Embedding) -> None:
        return None

    def predict(self, embedding: Embedding) -> dict[str, DoubtSigns]:
        found = doubt_signs(self.concepts, embedding, self.shapes)
        return {name: signs for name, (_, signs) in found.items()}


def review_queue(
    records: Sequence[Record],
    concepts: Mapping[str, Concept],
    labels: LabelSet,
    on_progress: Callable[[], None] | None = None,
    *,
    loader: LoaderOptions | None = None,
) -> list[Doubtful]:
    """Order the photos of a run by how likely their masks are wrong, the likeliest first.

    Masks that somebody changed are right and left out, as are photos that failed.

    Args:
        records: of the run's manifest.
        concepts: that were looked for, by name.
        labels: what taught them, where that is known.
        on_progress: called after each photo.
        loader: how the photos are gone through.

    Raises:
        InputError: no photo is left.
    """
    left = [one for one in records if one.error is None and one.origin != "hand"]
    if not left:
        raise InputError("There is nothing to review: no mask of this run is a model's own.")
    shapes = {
        name: [label.mask for _, label in labels.of_class(name) if label.kind == "mask"]
        for name in concepts
        if any(one.name == name for one in labels.classes)
    }
    task, loader = _Task(concepts, shapes), loader or LoaderOptions()
    queue = []
    with loader.threads() as threads:
        photos = [Path(one.input) for one in left]
        results = process_photos(photos, task, loader, threads)
        for record, result in zip(left, results, strict=True):
            queue.append(_doubtful(record, result.answer))
            if on_progress is not None:
                on_progress()
    return sorted(queue, key=lambda one: -one.doubt)


def _doubtful(record: Record, signs: Mapping[str, DoubtSigns] | None) -> Doubtful:
    if not signs:
        return Doubtful(record)
    name = max(signs, key=lambda one: signs[one].doubt)
    return Doubtful(record, name, signs[name], signs[name].doubt)


def queue_csv(queue: Sequence[Doubtful], folder: str | Path) -> bytes:
    """The queue as a table, the likeliest wrong first.

    Args:
        queue: see :func:`review_queue`.
        folder: of the manifest.
    """
    text = io.StringIO()
    signs = list(asdict(DoubtSigns()))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["doubt", "reason", "object", "photo", "mask", "presence_found", *signs])
    for one in queue:
        values = asdict(one.signs) if one.signs else dict.fromkeys(signs, 0.0)
        presence = "" if one.record.presence is None else f"{one.record.presence:.3f}"
        reason = one.signs.reason if one.signs else ""
        paths = [one.record.input, str(one.record.mask(folder))]
        numbers = [f"{value:.3f}" for value in values.values()]
        writer.writerow([f"{one.doubt:.3f}", reason, one.object, *paths, presence, *numbers])
    return text.getvalue().encode("utf-8", errors="replace")


def queue_sheet(queue: Sequence[Doubtful], folder: str | Path, first: int) -> bytes:
    """The contact sheet of the likeliest wrong photos, in the order of the queue.

    Args:
        queue: see :func:`review_queue`.
        folder: of the manifest.
        first: how many photos to show.

    Raises:
        InputError: a photo or its mask cannot be read.
    """
    shown = queue[:first]
    tiles = []
    for one in shown:
        image = read_image(one.record.input)
        labels = numbered_mask(one.record, folder)
        drawn = drawing.overlay_labels(image, labels) if one.record.found else None
        tiles.append(make_tile(image, labels > 0, drawn=drawn))
    return sheet_page([one.record for one in shown], tiles)
