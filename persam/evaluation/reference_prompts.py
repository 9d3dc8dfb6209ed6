"""How a reference shows its object when its true mask is known: as the mask, by a box, by a point.

Boxes and points are derived from the true mask, so that nobody has to draw them again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.metrics import depth
from persam.pipeline.prompts import mask_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.methods.learner import Learner
    from persam.models.base import Backbone
    from persam.structures import Box

ReferenceKind = Literal["mask", "box", "filled box", "point"]
KINDS: tuple[ReferenceKind, ...] = get_args(ReferenceKind)


class PromptableMethod(Protocol):
    """A method that takes boxes and points, too: :func:`persam.personalize` and its like."""

    def __call__(
        self,
        backbone: Backbone,
        image: Source,
        *,
        mask: Source | None = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
    ) -> Concept:
        """Learn the object that exactly one of the three shows."""
        ...


def with_reference(method: PromptableMethod, reference: ReferenceKind) -> Learner:
    """A method that is given masks, and sees only as much of them as is said here.

    Args:
        method: takes a mask, a box or points.
        reference: ``"mask"`` hands the mask on; ``"box"`` gives its tight box, from which the model
            makes a mask; ``"filled box"`` takes everything in that box for the object; ``"point"``
            gives the pixel deepest inside, from which the model makes a mask.
    """
    return partial(_LEARNERS[reference], method)


def deepest_point(mask: np.ndarray) -> tuple[int, int]:
    """The pixel ``(x, y)`` farthest from all that is not object; of several, the first by rows.

    Beyond the picture's border nothing is object.

    Args:
        mask: ``(H, W)`` bool.

    Raises:
        InputError: an empty mask.

    Example:
        >>> deepest_point(np.ones((3, 5), dtype=bool))
        (1, 1)
    """
    if not mask.any():
        raise InputError("An empty mask has no point to ask by; leave its picture out.")
    row, column = np.unravel_index(int(depth(mask).argmax()), mask.shape)
    return int(column), int(row)


def tight_box(mask: np.ndarray) -> Box:
    """Box ``(x0, y0, x1, y1)`` of a mask in pixel edges.

    Args:
        mask: ``(H, W)`` bool.

    Raises:
        InputError: an empty mask.
    """
    box = mask_box(mask)
    if box is None:
        raise InputError("An empty mask has no box to ask by; leave its picture out.")
    return box


def _object(image: Source, mask: Source) -> np.ndarray:
    height, width = read_image(image).shape[:2]
    grey = read_mask(mask, (height, width))
    return grey > grey.max() / 2


def _mask(method: PromptableMethod, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    return method(backbone, image, mask=mask)


def _box(method: PromptableMethod, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    return method(backbone, image, box=tight_box(_object(image, mask)))


def _filled_box(
    method: PromptableMethod, backbone: Backbone, image: Source, *, mask: Source
) -> Concept:
    truth = _object(image, mask)
    x0, y0, x1, y1 = tight_box(truth)
    filled = np.zeros_like(truth)
    filled[y0:y1, x0:x1] = True
    return method(backbone, image, mask=filled)


def _point(method: PromptableMethod, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    return method(backbone, image, points=[deepest_point(_object(image, mask))])


_LEARNERS = {"mask": _mask, "box": _box, "filled box": _filled_box, "point": _point}
