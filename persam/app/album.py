"""The search of the whole album, with the very call that `persam segment` makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.album.embedding_cache import Cache
from persam.album.run import LoaderOptions, Output, segment_album
from persam.app.hand_masks import hand_work
from persam.concept import Concept
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from persam.album.manifest import FoundObject, Record
    from persam.app.photos import MediaFile
    from persam.app.session import Session

CACHE = "cache"
_SAME = 0.9  # IoU of the boxes above which an answer counts as the same


def find(session: Session, photos: list[MediaFile] | None = None) -> None:
    """Begin the search, or go on with it; every photo is told to the pages as it is done.

    Photos in which a person has settled something are left alone.

    Args:
        session: whose album it is.
        photos: of them alone; None for all.

    Raises:
        InputError: a search is running, no photo is left, or nothing was shown.
    """
    settled = hand_work(session.state)
    every = session.media.photos.values() if photos is None else photos
    wanted = [photo for photo in every if str(photo.path) not in settled]
    if not wanted:
        raise InputError("No photo is left to search: you have settled all of them by hand.")
    if not any(one.learnable for one in session.state.objects):
        raise InputError("Show an object first: click on it in a photo, and use it as reference.")
    session.job.start("Finding", len(wanted), lambda: _search(session, wanted))


def _search(session: Session, photos: list[MediaFile]) -> None:
    maker = session.model.maker
    objects = session.state.objects
    concepts = {
        name: _for_album(concept, session) for name, concept in maker.concepts(objects).items()
    }
    maker.save(objects)
    by_path = {str(photo.path): photo for photo in photos}
    before = {path: session.results.found(Path(path)) for path in by_path}
    changed: list[dict[str, Any]] = []

    def on_progress(record: Record) -> None:
        skipped = session.results.record(Path(record.input)) == record
        session.results.take(record)
        photo = by_path[record.input]
        changed.extend(_changes(photo, before[record.input], session.results.found(photo.path)))
        described = session.results.describe(photo, session.state.objects)
        session.events.publish("photo", photo=described)
        session.job.step(skipped=skipped)

    _run(session, concepts, photos, on_progress)
    session.events.publish("changes", changes=changed)


def _run(
    session: Session,
    concepts: Mapping[str, Concept],
    photos: list[MediaFile],
    on_progress: Callable[[Record], None],
) -> None:
    # A click waits for the batch at hand: on a processor, where larger ones are no quicker, for
    # one photo alone.
    batch = 1 if session.model.clicks.device == "cpu" else None
    loader = LoaderOptions(batch=batch, cache=Cache(session.run / CACHE))
    output = Output(session.run)
    segment_album(concepts, [photo.path for photo in photos], output, on_progress, loader=loader)


def _for_album(concept: Concept, session: Session) -> Concept:
    """The concept with the model that lets a person's clicks go first."""
    from dataclasses import replace

    return replace(concept, backbone=session.model.album)


def _changes(
    photo: MediaFile, before: Mapping[str, FoundObject], after: Mapping[str, FoundObject]
) -> list[dict[str, Any]]:
    """Objects whose answer in a photo is another one now, with presence before and after."""
    return [
        {
            "photo": photo.id,
            "object": name,
            "before": before[name].presence if before[name].box else None,
            "after": now.presence if now.box else None,
        }
        for name, now in after.items()
        if name in before and not _alike(before[name], now)
    ]


def _alike(before: FoundObject, now: FoundObject) -> bool:
    if before.box is None or now.box is None:
        return before.box == now.box
    (a, b, c, d), (e, f, g, h) = before.box, now.box
    width, height = min(c, g) - max(a, e), min(d, h) - max(b, f)
    shared = max(0, width) * max(0, height)
    areas = (c - a) * (d - b) + (g - e) * (h - f)
    return shared > _SAME * (areas - shared) or before.box == now.box
