"""The list of masks to look at, the most doubtful first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from persam.video.evidence import SURE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.video.output_files import ClipFiles
    from persam.video.record import FrameLine, FrameObject


def to_review(lines: Sequence[FrameLine]) -> list[dict[str, Any]]:
    """Doubtful masks and the frames in which objects are lost or found again, worst first.

    Args:
        lines: of all frames.
    """
    return sorted(_entries(lines), key=lambda entry: (-entry["doubt"], entry["frame"]))


def needs_review(entry: FrameObject) -> bool:
    """Whether a frame's mask is doubtful, or its object is lost or found again there."""
    return entry.doubt >= SURE or entry.event in ("lost", "found again")


def write_review(files: ClipFiles, lines: Sequence[FrameLine]) -> int:
    """Write ``review.json``, unless somebody has changed it; how many masks it lists."""
    entries = to_review(lines)
    if files.own.state(files.review) in ("missing", "own"):
        files.own.write(files.review, (json.dumps(entries, indent=1) + "\n").encode())
    return len(entries)


def _entries(lines: Sequence[FrameLine]) -> Iterator[dict[str, Any]]:
    for line in lines:
        for name, entry in line.objects.items():
            if needs_review(entry):
                yield {
                    "frame": line.index,
                    "name": line.name,
                    "seconds": line.seconds,
                    "object": name,
                    "doubt": entry.doubt,
                    "why": " ".join(word for word in (entry.event, entry.reason) if word),
                }
