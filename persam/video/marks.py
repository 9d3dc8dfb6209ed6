"""Frames in which a person has marked objects, and what a changed mark can change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from persam.errors import InputError

Marks = Mapping[int, Mapping[str, np.ndarray]]
Digests = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Span:
    """Frames ``start`` to ``stop - 1``; to the clip's end where ``stop`` is None."""

    start: int
    stop: int | None

    def holds(self, number: int) -> bool:
        """Whether a frame is in it."""
        return self.start <= number and (self.stop is None or number < self.stop)

    def meets(self, other: Span) -> bool:
        """Whether both have a frame in common."""
        ends = self.stop is None or other.start < self.stop
        return ends and (other.stop is None or self.start < other.stop)


def check_marks(marks: Marks, size: tuple[int, int], objects: tuple[str, ...]) -> None:
    """Refuse marks that cannot be of this clip.

    Args:
        marks: by frame number and object name.
        size: ``(height, width)`` of the clip.
        objects: names that are known.

    Raises:
        InputError: a strange name, a mask of another size or an empty one, or two that overlap.
    """
    for number, masks in marks.items():
        taken = np.zeros(size, dtype=bool)
        for name, mask in masks.items():
            if name not in objects:
                raise InputError(f"Frame {number} marks {name!r}; the objects are {objects}.")
            if mask.shape != size or not mask.any():
                raise InputError(
                    f"The mask of {name!r} in frame {number} is {mask.shape} with {mask.sum()} "
                    f"pixels; the clip's frames are {size} (height, width). Draw it on that frame."
                )
            if (taken & mask).any():
                raise InputError(
                    f"The masks of frame {number} overlap: a pixel belongs to one object. Cut "
                    f"that of {name!r}."
                )
            taken |= mask


def digests(marks: Marks) -> dict[str, dict[str, str]]:
    """A digest of every mark, as a run's record keeps it."""
    return {
        str(number): {
            name: hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]
            for name, mask in masks.items()
        }
        for number, masks in sorted(marks.items())
    }


def marked_before(marks: Marks | Digests, name: str, number: int) -> int | None:
    """The last frame before ``number`` in which an object is marked; None where there is none."""
    earlier = [int(other) for other, masks in marks.items() if name in masks]
    return max((other for other in earlier if other < number), default=None)


def outdated(
    old: Digests, new: Digests, joined: frozenset[tuple[int, str]]
) -> tuple[list[Span], frozenset[tuple[int, str]]]:
    """What a run has to do anew because marks have changed.

    A mark changes what is found behind it, up to the object's next mark, and, once that span was
    joined with tracking backwards, before it, down to the one before. Of a frame that is found
    anew all objects are, so what was joined of another one there is joined anew, too.

    Args:
        old: marks of the earlier run.
        new: marks of this one.
        joined: marks of the earlier run from which tracking backwards is done.

    Returns:
        Frames that are to be found anew, and the marks that are still joined.
    """
    spans, kept = [], set(joined)
    for name in sorted(
        {name for marks in (old, new) for masks in marks.values() for name in masks}
    ):
        before, after = _of(old, name), _of(new, name)
        same = sorted(n for n in before if after.get(n) == before[n])
        changed = sorted(n for n in before.keys() | after.keys() if n not in same)
        for number in changed:
            low = max((n for n in same if n < number), default=-1)
            high = min((n for n in same if n > number), default=None)
            inside = {n for n in before if n > low and (high is None or n <= high)}
            mixed = any((n, name) in joined for n in inside)
            spans.append(Span(low + 1 if mixed else number, high))
            kept -= {(n, name) for n in inside}
    joins = {(n, name): _joined_span(old, name, n) for n, name in kept}
    while touched := {at for at in kept if any(joins[at].meets(span) for span in spans)}:
        spans += [joins[at] for at in sorted(touched)]
        kept -= touched
    return spans, frozenset(kept)


def _joined_span(marks: Digests, name: str, number: int) -> Span:
    """The frames between an object's mark and the one before."""
    before = marked_before(marks, name, number)
    return Span(0 if before is None else before + 1, number)


def _of(marks: Digests, name: str) -> dict[int, str]:
    return {int(number): masks[name] for number, masks in marks.items() if name in masks}
