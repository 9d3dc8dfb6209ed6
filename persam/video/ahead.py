"""Frames decoded ahead: the next one in a thread of its own, while one is worked on."""

from __future__ import annotations

from contextlib import closing
from itertools import repeat
from typing import TYPE_CHECKING, TypeVar

from persam.album.prefetch import ahead

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")


def frames_ahead(frames: Iterable[T]) -> Generator[T]:
    """The same frames, each read while the one before is worked on; one waits at most.

    Reading that fails raises here, behind the frames before. Whoever does not go to the end closes
    this, which ends the reading.

    Example:
        >>> list(frames_ahead(n for n in (1, 2, 3)))
        [1, 2, 3]
    """
    source = (frame for frame in frames)
    with closing(source), closing(ahead(lambda _: next(source, None), repeat(None))) as read:
        for frame in read:
            if frame is None:
                return
            yield frame
