"""Frames in: whatever stands for one picture of a clip, to upright pixels of one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.concept import Concept
from persam.errors import InputError
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.video.structures import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from persam.io.images import Source
    from persam.models.base import Backbone


def by_name(concepts: Mapping[str, Concept] | Concept) -> dict[str, Concept]:
    """Concepts by the names of their objects; a single one is called ``"object"``."""
    return {"object": concepts} if isinstance(concepts, Concept) else dict(concepts)


def shared_backbone(named: Mapping[str, Concept], marked: Iterable[str]) -> Backbone:
    """The one backbone of all concepts.

    Args:
        named: concepts by name.
        marked: names of objects of which masks are given.

    Raises:
        InputError: no concepts, concepts of several backbones, or a name in ``marked`` that no
            concept has.
    """
    if not named:
        raise InputError("There is nothing to follow: give at least one concept.")
    strange = sorted(set(marked) - set(named))
    if strange:
        raise InputError(
            f"first= shows {', '.join(strange)}, but the concepts are {', '.join(named)}. Learn a "
            f"concept of that name, or leave the mask out."
        )
    backbones = {id(concept.backbone): concept.backbone for concept in named.values()}
    if len(backbones) > 1:
        names = ", ".join(backbone.name for backbone in backbones.values())
        raise InputError(
            f"Concepts are followed together with one backbone; these have {len(backbones)}: "
            f"{names}. Load the model once and learn them all with it."
        )
    return next(iter(backbones.values()))


def pictures(frames: Iterable[Source | VideoFrame]) -> Iterator[np.ndarray]:
    """One picture after another, each read when it is asked for.

    Args:
        frames: paths, PIL images, ``(H, W, 3)`` uint8 RGB arrays, or frames of a clip.

    Yields:
        ``(H, W, 3)`` uint8 RGB, all of the first one's size.

    Raises:
        InputError: a frame that cannot be read, or of another size than the first.
    """
    size = None
    for number, frame in enumerate(frames):
        image = frame.image if isinstance(frame, VideoFrame) else read_image(frame)
        height, width = image.shape[:2]
        size = size or (height, width)
        if (height, width) != size:
            raise InputError(
                f"All frames of a clip have one size; frame 0 is {size[1]}x{size[0]} and frame "
                f"{number} is {width}x{height} (width x height). Scale them to one size first."
            )
        yield image


def first_masks(first: Mapping[str, Source], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Read the masks of the first frame.

    Args:
        first: masks by object name; above half of its largest grey value is object.
        size: ``(H, W)`` of the first frame.

    Returns:
        ``(H, W)`` bool by object name, none of them empty, no pixel in two of them.

    Raises:
        InputError: unreadable, of another size, without an object, or two that overlap.
    """
    masks: dict[str, np.ndarray] = {}
    for name, source in first.items():
        grey = read_mask(source, size)
        masks[name] = grey > grey.max() / 2
        for other, mask in masks.items():
            if other != name and bool((mask & masks[name]).any()):
                raise InputError(
                    f"The first frame's masks of {other!r} and {name!r} overlap: a pixel belongs "
                    f"to one object. Cut one of them."
                )
    return masks
