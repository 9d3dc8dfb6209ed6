"""Objects through a clip, with the very call that `persam track` makes."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from persam.album.run import fingerprint
from persam.app.clips import frame_json
from persam.app.commands import shown_path
from persam.app.learning import at_presence
from persam.errors import InputError
from persam.io.masks import read_mask
from persam.video.clip import open_clip
from persam.video.job import TrackRequest, segment_clip
from persam.video.output_files import ClipFiles, ClipOutput
from persam.video.record import ClipRun
from persam.video.tracking import make_tracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.app.clips import ClipFolder
    from persam.app.photos import MediaFile
    from persam.app.session import Session
    from persam.concept import Concept
    from persam.video.clip import Clip
    from persam.video.record import FrameLine, ResumableTracker


def open_frames(session: Session, media_id: str) -> ClipFolder:
    """Begin to read a clip's frames, unless that is done."""
    clip = session.clip(media_id)
    if clip.facts is None and not session.job.running:
        total = open_clip(clip.clip.path).frames or 0

        def work() -> None:
            clip.read(session.job.step)
            session.events.publish("clip", id=clip.clip.id)

        session.job.start(f"Reading {clip.clip.path.name}", total, work)
    return clip


def track_clip(session: Session, media_id: str, products: frozenset[str]) -> None:
    """Begin to track what was shown through a clip, frame by frame in the background.

    The frames in which a person marked an object are references, and the masks given there stay;
    between two of them the clip is tracked from both.

    Raises:
        InputError: a job is running, nothing was shown, or the clip's frames are not read yet.
    """
    clip = session.clip(media_id)
    facts = clip.facts
    if facts is None:
        raise InputError("The clip is still being read. Wait until its frames are there.")
    if not any(one.learnable for one in session.state.objects):
        raise InputError("Show the object first: click on it in a frame and use the mask.")
    work = partial(_track, session, clip, products | {"masks"})
    session.job.start("Tracking", len(facts.names), work)


def _track(session: Session, clip: ClipFolder, products: frozenset[str]) -> None:
    opened = open_clip(clip.clip.path)
    concepts = _concepts(session)

    def tracker(names: Sequence[str]) -> ResumableTracker:
        return make_tracker({name: concepts[name] for name in names})

    request = TrackRequest(
        tuple(concepts),
        tracker,
        _marked(session, clip, opened),
        {"what to look for": _digest(concepts)},
    )
    before = ClipRun.read(ClipFiles(clip.track, ()).run)
    again = before is not None and any(
        before.settings.get(name) != value for name, value in request.settings.items()
    )

    def on_progress(line: FrameLine) -> None:
        session.events.publish("frame", clip=clip.clip.id, line=frame_json(line))
        session.job.step()

    segment_clip(request, opened, ClipOutput(clip.track, products, overwrite=again), on_progress)
    session.events.publish("tracked", clip=clip.clip.id, folder=shown_path(clip.track))


def _concepts(session: Session) -> dict[str, Concept]:
    found = session.model.maker.concepts(session.state.objects)
    presence = session.state.min_presence
    presence = session.default_presence() if presence is None else presence
    return {name: at_presence(concept, presence) for name, concept in found.items()}


def _marked(session: Session, clip: ClipFolder, opened: Clip) -> dict[int, dict[str, np.ndarray]]:
    """What a person marked in the clip's frames, at the clip's own size."""
    found: dict[int, dict[str, np.ndarray]] = {}
    count = len(clip.facts.names) if clip.facts else 0
    for number in range(count):
        frame = clip.frame(number)
        for one in session.state.objects:
            mark = one.mark(str(frame.path))
            if mark is not None and mark.mask is not None and one.learnable:
                mask = _scaled(session.run / mark.mask, frame, opened)
                if mask.any():
                    found.setdefault(number, {})[one.name] = mask
    return found


def _scaled(mask: Path, frame: MediaFile, opened: Clip) -> np.ndarray:
    from PIL import Image

    with Image.open(frame.path, formats=["JPEG"]) as image:
        grey = read_mask(mask, (image.height, image.width), usable=False)
    size = (opened.width, opened.height)
    return np.array(Image.fromarray(grey).resize(size, Image.Resampling.NEAREST)) > 0


def _digest(concepts: Mapping[str, Concept]) -> str:
    digest = hashlib.sha256()
    for name, concept in concepts.items():
        digest.update(f"{name} {fingerprint(concept)}".encode())
    return digest.hexdigest()[:16]
