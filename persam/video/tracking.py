"""Follow objects through a clip: frames in, one answer a frame out, however long the clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.video.choices import Tracking
from persam.video.frames import by_name, first_masks, pictures, shared_backbone
from persam.video.region_tracker import RegionTracker
from persam.video.script_tracker import ScriptTracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.video.record import ResumableTracker
    from persam.video.structures import FrameResult, FrameTracker, VideoFrame


def track(
    concepts: Mapping[str, Concept] | Concept,
    frames: Iterable[Source | VideoFrame],
    *,
    first: Mapping[str, Source] | None = None,
    variant: str | Tracking = "default",
) -> Iterator[FrameResult]:
    """Follow objects through a clip.

    Frames are pulled one at a time and the memory in use does not grow with the clip.

    Args:
        concepts: what to follow, by name; a single concept is named ``"object"``. All were learnt
            with one backbone.
        frames: pictures of one size: paths, PIL images, arrays or frames of a clip.
        first: masks of the first frame by object name: they are its answer for these objects.
        variant: ``"default"``, ``"official"`` (the official video scripts), ``"memory"`` (the
            video memory of SAM 2 and EdgeTAM), ``"distractors"`` (the same, keeping the frames that
            :mod:`persam.models.memory_choice` chooses), or a
            :class:`~persam.video.choices.Tracking`.

    Yields:
        For every frame what was found of every object, by name. Masks of one frame never overlap;
        an object that is not there has an empty mask and a score of 0.

    Raises:
        InputError: no concepts, concepts of several backbones, a name in ``first`` that no concept
            has, no such variant; while frames are pulled: a frame or mask that cannot be read, or
            is of another size.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> other, _ = samples.files(samples.PICTURES, 2)
        >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
        >>> frames = [samples.files(samples.PICTURES, number)[0] for number in (0, 1)]
        >>> first, second = persam.track({"dog": dog}, frames)
        >>> second["dog"].present
        True
    """
    masks = dict(first or {})
    tracker = make_tracker(concepts, masks, variant)
    return _answers(tracker, frames, masks)


def make_tracker(
    concepts: Mapping[str, Concept] | Concept,
    marked: Iterable[str] = (),
    variant: str | Tracking = "default",
) -> ResumableTracker:
    """What follows objects, frame by frame.

    Args:
        concepts: what to follow, by name; a single concept is named ``"object"``.
        marked: names of objects of which masks are going to be given.
        variant: as :func:`track` takes it.

    Raises:
        InputError: as :func:`track`, before any frame.
    """
    named = by_name(concepts)
    backbone = shared_backbone(named, marked)
    if variant in ("memory", "distractors"):
        from persam.models.memory_choice import MemoryChoice
        from persam.video.sam2_tracking import Handover, MemoryTracker

        choice = MemoryChoice() if variant == "distractors" else None
        return MemoryTracker(backbone, named, Handover(choice=choice))
    choices = variant if isinstance(variant, Tracking) else Tracking.named(variant)
    kind = ScriptTracker if choices.as_scripts else RegionTracker
    return kind(backbone, named, choices)


def _answers(
    tracker: FrameTracker, frames: Iterable[Source | VideoFrame], first: Mapping[str, Source]
) -> Iterator[FrameResult]:
    for number, image in enumerate(pictures(frames)):
        marked = first_masks(first, image.shape[:2]) if number == 0 else {}
        yield tracker.step(image, number, marked)
