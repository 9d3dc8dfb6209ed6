"""Which photos of an album have the object: looks at every one, writes none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from persam.album import one_line
from persam.errors import PersamError
from persam.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from persam.concept import Concept
    from persam.structures import Box

T = TypeVar("T")


@dataclass(frozen=True)
class Hit:
    """What a search saw in one photo.

    Attributes:
        photo: absolute path.
        present: whether the object was found; never after an error.
        presence: the probability that it is there, 0..1; None where none is known.
        score: the model's estimate of its mask's IoU, about 0..1; 0 where it was not found.
        box: tight box of its mask in pixels, None where it was not found.
        error: why the photo could not be looked at, in one line.
    """

    photo: str
    present: bool = False
    presence: float | None = None
    score: float = 0.0
    box: Box | None = None
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
) -> tuple[Hit, ...]:
    """Look for an object in many photos, one in memory at a time.

    Args:
        concept: what to look for; its variant's ``min_presence`` says from when on it is there.
        photos: picture files, see :func:`persam.folders.list_images`.
        on_progress: called after each photo.

    Returns:
        One for each photo, best first: those that have the object before the others, then by
        presence, then by score; at last those that could not be looked at. Equals keep the order
        of the photos.
    """
    hits = []
    for photo, seen in look_at_each(photos, lambda image: _hit(concept, image)):
        path = str(photo.absolute())
        hit = Hit(path, error=seen) if isinstance(seen, str) else Hit(path, *seen)
        hits.append(hit)
        if on_progress is not None:
            on_progress(hit)
    return tuple(sorted(hits, key=_worse))


def look_at_each(
    photos: Sequence[str | Path], look: Callable[[np.ndarray], T]
) -> Iterator[tuple[Path, T | str]]:
    """Look at one photo after the other; one that cannot be looked at stops nothing.

    Args:
        photos: picture files.
        look: takes ``(H, W, 3)`` uint8 RGB; must not answer with a string.

    Yields:
        Each photo with what was seen in it, or with the reason why nothing could be, in one line.
    """
    for photo in map(Path, photos):
        try:
            yield photo, look(read_image(photo))
        except (PersamError, MemoryError, RuntimeError) as error:
            # RuntimeError is torch's word for "out of memory" and for impossible sizes.
            yield photo, one_line(error)


def _hit(concept: Concept, image: np.ndarray) -> tuple[bool, float | None, float, Box | None]:
    found = concept.segment(image)
    presence = None if found.presence is None else round(found.presence, 6)
    score = round(found.score, 6) if found.present else 0.0
    return found.present, presence, score, found.box


def _worse(hit: Hit) -> tuple[bool, bool, float, float]:
    """Sorts hits best first."""
    presence = 0.0 if hit.presence is None else hit.presence
    return hit.error is not None, not hit.present, -presence, -hit.score
