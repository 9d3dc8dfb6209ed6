"""Frames that are read one ahead: their order, how far ahead, errors, and leaving early."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from persam.video.ahead import frames_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 5.0


class Source:
    """Numbers, and what is known of their reading."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.begun = [threading.Event() for _ in range(count + 1)]
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.begun[number].set()
                yield number
            self.begun[self.count].set()
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


def test_the_next_frame_is_read_while_one_is_worked_on_and_no_more() -> None:
    source = Source(4)
    for number in frames_ahead(source):
        assert source.begun[number + 1].wait(SECONDS)
        assert not any(event.is_set() for event in source.begun[number + 2 :])
    assert number == 3
    assert source.closed


def test_an_error_comes_behind_the_frames_before_it() -> None:
    frames = frames_ahead(Source(2, ValueError("damaged")))
    assert [next(frames), next(frames)] == [0, 1]
    with pytest.raises(ValueError, match="damaged"):
        next(frames)


def test_leaving_early_ends_the_reading() -> None:
    source, before = Source(4), threading.active_count()
    frames = frames_ahead(source)
    assert next(frames) == 0
    frames.close()
    assert source.closed
    assert threading.active_count() == before


def test_no_frames_at_all() -> None:
    assert list(frames_ahead(Source(0))) == []
