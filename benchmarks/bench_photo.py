"""Seconds for a photo, from file to mask; and whether what is faster still says the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from statistics import fmean
from typing import Any

import numpy as np
import plain
from bench_setting import Setting, describe
from rounds import Row, ratio, side_by_side

import persam
from persam.album.run import Output, segment_album
from persam.io.images import read_image
from persam.metrics import iou
from persam.structures import unit_length

# Model -> (times faster than the plain loop, photos in a round).
MODELS = {"pocket": (2, 16), "mobile": (5, 6), "vit-b": (3, 2)}
PHOTOS_A_SECOND, IOU, COSINE = 12, 0.99, 0.999


def rows(setting: Setting, only: str = "") -> Iterator[Row]:
    """The rows of the models whose name has the word."""
    for model in MODELS:
        if only in model:
            yield from _model(setting, model)


def _model(setting: Setting, model: str) -> Iterator[Row]:
    goal, count = MODELS[model]
    photos = setting.own_photos(setting.photos or count, f"photos-{model}")
    ours, slow = setting.ours(model), setting.plain(model)
    shown = setting.subject.reference
    target = plain.learn(slow, shown.image, shown.mask)
    default = persam.personalize(ours, shown.image, mask=shown.mask)
    official = persam.personalize(ours, shown.image, mask=shown.mask, variant="official")

    def album(concept: persam.Concept, name: str) -> None:
        segment_album(concept, photos, Output(setting.folder / name, overwrite=True))

    works = {
        "plain": lambda: plain.segment(slow, target, photos, setting.folder / "plain"),
        "default": lambda: album(default, "default"),
        "official": lambda: album(official, "official"),
    }
    times = side_by_side(works, setting.rounds)
    facts = {"model": model, "photos": len(photos), **describe(ours)}
    said = f"{model}: file to mask, times faster than the plain loop"
    yield ratio(said, times["plain"], times["default"], goal, **facts)
    yield ratio(f"{said}, its recipe", times["plain"], times["official"], **facts)
    best, typical = (len(photos) / s for s in (times["default"].best, times["default"].typical))
    least = PHOTOS_A_SECOND if model == "pocket" else None
    yield Row(f"{model}: photos a second", best, least, typical=typical, detail=facts)
    yield (_masks if model == "pocket" else _embeddings)(setting, model, ours)


def _masks(setting: Setting, model: str, ours: Any) -> Row:
    """Mean IoU with the masks of the same recipe in torch and fp32, of photos of all objects."""
    exact, found = setting.exact(model), []
    for subject in islice(setting.data.subjects, 1 if setting.quick else None):
        shown = subject.reference
        fast, slow = (persam.personalize(b, shown.image, mask=shown.mask) for b in (ours, exact))
        for photo in islice(subject.targets, setting.photos if setting.quick else None):
            found.append(iou(fast.segment(photo.image).mask, slow.segment(photo.image).mask))
    facts = {"photos": len(found), "lowest": min(found), **describe(ours)}
    return Row(f"{model}: masks' mean IoU with fp32", fmean(found), IOU, detail=facts)


def _embeddings(setting: Setting, model: str, ours: Any) -> Row:
    """Cosine to the embedding in torch and fp32: the mean over cells, of the photo it is worst."""
    exact, found = setting.exact(model), []
    for photo in islice(setting.subject.targets, 3):
        image = read_image(photo.image)
        both = (backbone.encode(image).features[0] for backbone in (ours, exact))
        fast, slow = (unit_length(np.moveaxis(maps, 0, -1)) for maps in both)
        found.append(float((fast * slow).sum(axis=-1).mean()))
    facts = {"photos": len(found), **describe(ours)}
    return Row(f"{model}: embeddings' cosine with fp32", min(found), COSINE, detail=facts)
