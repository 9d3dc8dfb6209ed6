"""Which photos of an album have the object: looks at every one, writes none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persam.album.loop import LoaderOptions, process_photos
from persam.album.targets import AlbumTarget
from persam.errors import InputError
from persam.io.picture_bytes import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.album.loop import PhotoResult
    from persam.album.targets import PhotoAnswer
    from persam.concept import Concept
    from persam.structures import Box


@dataclass(frozen=True)
class Hit:
    """What a search saw in one photo.

    Attributes:
        photo: absolute path.
        present: whether the object was found; never after an error.
        presence: the probability that it is there, 0..1; None where none is known.
        score: the model's estimate of its mask's IoU, about 0..1; 0 where it was not found, None
            where no mask was asked for.
        box: tight box of its mask in pixels, None where it was not found. No mask is made finer by
            a second look for it.
        doubtful: whether a person should look: presence is near the threshold.
        error: why the photo could not be looked at, in one line.
    """

    photo: str
    present: bool = False
    presence: float | None = None
    score: float | None = 0.0
    box: Box | None = None
    doubtful: bool = False
    error: str | None = None

    def to_json(self) -> str:
        """One line: everything but ``error``, or ``photo`` and ``error``."""
        if self.error is not None:
            return json.dumps({"photo": self.photo, "error": self.error})
        fields = asdict(self)
        del fields["error"]
        return json.dumps(fields, allow_nan=False)


def search(
    concept: Concept,
    photos: Sequence[str | Path],
    on_progress: Callable[[Hit], None] | None = None,
    *,
    loader: LoaderOptions | None = None,
) -> tuple[Hit, ...]:
    """Look for an object in many photos, a few in memory at a time.

    Args:
        concept: what to look for; its variant's ``min_presence`` says from when on it is there.
        photos: picture files, see :func:`persam.io.folders.list_images`.
        on_progress: called after each photo.
        loader: how they are gone through; None finds out what is quickest here.

    Returns:
        One for each photo, best first: those that have the object before the others, then by
        presence, then by score; at last those that could not be looked at. Equals keep the order
        of the photos.

    Raises:
        InputError: the concept cannot tell whether its object is there.
    """
    if concept.calibration is None:
        raise InputError(f"{why_presence_is_unknown(concept)} Every photo would seem to have it.")
    loader = loader or LoaderOptions()
    # Finer edges, at the price of another encoding: nobody sees the mask.
    target = AlbumTarget.of(concept.with_choices(second_look=0.0))
    hits = []
    with loader.threads() as threads:
        for seen in process_photos(map(Path, photos), target, loader, threads):
            hit = _hit(seen)
            hits.append(hit)
            if on_progress is not None:
                on_progress(hit)
    return tuple(sorted(hits, key=worse))


def asking(concept: Concept, least: float) -> Concept:
    """The concept, which calls its object there from another presence on.

    Args:
        concept: as it was learnt.
        least: 0..1.

    Raises:
        InputError: not in 0..1, or nothing is known of presence.
    """
    if not 0 <= least <= 1:
        raise InputError(f"--min-presence is a probability, 0..1; got {least}.")
    if least > 0 and concept.calibration is None:
        raise InputError(
            f"--min-presence {least:g} would do nothing: {concept.backbone.name} has no "
            f"calibration of its own, so that presence is known from two references on (--also); "
            f"and the official recipe keeps no cells to know it by. Leave it out, or show the "
            f"object anew."
        )
    variant = replace(concept.variant, min_presence=float(least))
    return replace(concept, variant=variant)


def why_presence_is_unknown(concept: Concept) -> str:
    """Why a concept without a calibration cannot tell, and what to do; two sentences."""
    return (
        f"Whether the object is in a photo cannot be told: {concept.backbone.name} has no "
        f"calibration of its own, and {len(concept.references)} reference says nothing, or the "
        f"variant keeps none of its cells. Learn the object from two photos or more (--also) with "
        f"the default variant, or with the built-in model."
    )


def _hit(seen: PhotoResult[PhotoAnswer]) -> Hit:
    photo = place_of(seen.photo)
    if seen.answer is None:
        return Hit(photo, error=seen.error)
    found = (seen.answer if seen.size is None else seen.answer.at(seen.size)).first
    if found.box is None:
        return Hit(photo, presence=found.presence, doubtful=found.doubtful)
    return Hit(photo, True, found.presence, found.score, found.box, found.doubtful)


def worse(hit: Hit) -> tuple[bool, bool, float, float]:
    """Sorts hits best first."""
    presence = 0.0 if hit.presence is None else hit.presence
    return hit.error is not None, not hit.present, -presence, -(hit.score or 0.0)
