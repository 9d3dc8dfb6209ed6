"""A tracker that is made again from a run's record finds what the first one would have found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import persam
from persam.video.choices import Tracking
from persam.video.clip import open_clip
from persam.video.job import TrackRequest, segment_clip
from persam.video.tracking import make_tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEIGHT, WIDTH = 48, 64


def frame(index: int) -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    noise[10:30, 10 + index : 30 + index] += 150
    return noise if index != 9 else 255 - noise  # a cut, and back


def mask(index: int) -> np.ndarray:
    found = np.zeros((HEIGHT, WIDTH), dtype=bool)
    found[10:30, 10 + index : 30 + index] = True
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clip = tmp_path / "clip"
    clip.mkdir()
    for index in range(16):
        Image.fromarray(frame(index)).save(clip / f"{index:05d}.png")
    return clip


@pytest.fixture(scope="module")
def tracker(tiny: Any) -> Callable[[Sequence[str]], Any]:
    sam = tiny("sam")
    # Random features say little, so that every mask may be remembered and none is denied.
    concept = persam.personalize(sam, frame(0), mask=mask(0))
    variant = Tracking(kept=0.0, min_likeness=0.0)
    return lambda names: make_tracker({"dog": concept}, variant=variant)


@pytest.mark.parametrize("stop", [1, 5, 10, 13])
@pytest.mark.parametrize("found_first", [False, True])
def test_a_run_goes_on_as_if_it_had_not_stopped(
    folder: Path, tmp_path: Path, tracker: Any, stop: int, found_first: bool
) -> None:
    marked = {} if found_first else {0: {"dog": mask(0)}}
    request = TrackRequest(("dog",), tracker, marked)

    def interrupt(line: Any) -> None:
        if line.index == stop:
            raise KeyboardInterrupt

    segment_clip(request, open_clip(folder), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        segment_clip(request, open_clip(folder), tmp_path / "out", interrupt)
    segment_clip(request, open_clip(folder), tmp_path / "out")
    for path in sorted((tmp_path / "whole").rglob("*")):
        if path.is_file():
            again = tmp_path / "out" / path.relative_to(tmp_path / "whole")
            assert again.read_bytes() == path.read_bytes(), path.name
