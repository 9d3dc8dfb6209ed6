"""Frames decoded ahead: the next one in a thread of its own, while one is worked on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")


def one_ahead(frames: Iterable[T]) -> Generator[T]:
    """The same frames, each read while the one before is worked on; one waits at most.

    Reading that fails raises here, behind the frames before. Whoever does not go to the end closes
    this, which ends the reading.

    Example:
        >>> list(one_ahead(n for n in (1, 2, 3)))
        [1, 2, 3]
    """
    source = (frame for frame in frames)
    with closing(source), ThreadPoolExecutor(1, "persam-frames") as reader:
        coming = reader.submit(next, source, None)
        while (frame := coming.result()) is not None:
            coming = reader.submit(next, source, None)
            yield frame
