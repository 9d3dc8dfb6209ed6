"""Ranking an album by its index alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.album.index import facts_of
from persam.album.index_parts import facts_in, index_files, read_index
from persam.album.search import Hit, search, why_presence_is_unknown, worse
from persam.errors import InputError
from persam.pipeline.presence import Evidence, likeness_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from persam.album.codebook import Codebook
    from persam.album.index_parts import IndexFacts
    from persam.album.loop import LoaderOptions
    from persam.concept import Concept
    from persam.pipeline.features import ObjectFeatures

# In likeness: photos that much below the threshold are candidates, too, where hits are looked at.
MARGIN = 0.02
_NOT_THERE = "the index could not read it"


def search_index(
    concept: Concept,
    places: Sequence[str | Path],
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Hit, ...]:
    """Rank the photos of indexes for an object, without opening one of them.

    Args:
        concept: what to look for, of the indexes' model.
        places: folders or parts, see :func:`persam.album.index.index_album`.
        on_progress: called with the number of photos ranked since.

    Returns:
        One for each photo, best first, with presence by the index alone; no score and no box, as
        no mask was made.

    Raises:
        InputError: no index, another model's, or a concept that cannot tell.
    """
    if concept.calibration is None or not concept.features.has_cells:
        raise InputError(f"{why_presence_is_unknown(concept)} Nothing could be ranked.")
    ours, found = facts_of(concept.backbone), {}
    for place in (part for one in places for part in index_files(one)):
        facts = facts_in(place)
        facts.refuse_other(ours, place)
        features = _along_axes(concept.features, facts.codes)
        for rows in read_index(place, ["photo", "error", "cells"]):
            hits = list(_hits(concept, features, facts, rows))
            found |= {hit.photo: hit for hit in hits}  # of a photo that has changed, the last
            if on_progress is not None:
                on_progress(len(hits))
    return tuple(sorted(found.values(), key=worse))


def look_at_hits(
    concept: Concept,
    hits: Sequence[Hit],
    on_progress: Callable[[], None] | None = None,
    *,
    loader: LoaderOptions | None = None,
) -> tuple[Hit, ...]:
    """Open the photos that an index says may have the object, and look.

    Args:
        concept: as for :func:`search_index`.
        hits: from there.
        on_progress: called after each photo that was opened.
        loader: how they are gone through.

    Returns:
        All hits, best first: those that were looked at as :func:`persam.album.search.search` sees
        them, the others as they came.
    """
    near = candidates(concept, hits)
    seen = search(concept, near, lambda _: on_progress and on_progress(), loader=loader)
    opened = {hit.photo: hit for hit in seen}
    return tuple(sorted((opened.get(hit.photo, hit) for hit in hits), key=worse))


def candidates(concept: Concept, hits: Sequence[Hit]) -> list[str]:
    """The photos whose presence is above the threshold, or below it by :data:`MARGIN` at most."""
    if concept.calibration is None:
        return []
    middle = concept.calibration.likeness(concept.variant.min_presence)
    least = concept.calibration.presence(middle - MARGIN)
    return [hit.photo for hit in hits if hit.error is None and (hit.presence or 0.0) >= least]


def _along_axes(features: ObjectFeatures, codes: Codebook | None) -> ObjectFeatures:
    """An object's cells, and its negatives', as they compare with what an index keeps."""
    if codes is None:
        return features
    return replace(
        features,
        foregrounds=tuple(map(codes.project, features.foregrounds)),
        backgrounds=(np.zeros((0, codes.axes.shape[1]), np.float32),),
        negatives=tuple(map(codes.project, features.negatives)),
    )


def _hits(
    concept: Concept, features: ObjectFeatures, facts: IndexFacts, rows: tuple[list[Any], ...]
) -> Iterator[Hit]:
    """Judge photos by what the index has of them; the features lie along its axes."""
    photos, errors, cells = rows
    least, calibration = concept.variant.min_presence, concept.calibration
    for photo, error, codes in zip(photos, errors, cells, strict=True):
        if codes is None or facts.codes is None or calibration is None:
            yield Hit(photo, error=error or _NOT_THERE)
            continue
        groups = len(facts.codes.examples)
        vectors = facts.codes.decode(np.frombuffer(codes, dtype=np.uint8).reshape(-1, groups))
        like = facts.slope * likeness_of(vectors, features) + facts.offset
        evidence = Evidence(like, calibration.presence(like))
        presence, doubtful = round(evidence.presence or 0.0, 6), evidence.doubtful(least)
        yield Hit(photo, not evidence.absent(least), presence, None, doubtful=doubtful)
