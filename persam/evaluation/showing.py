"""How a reference shows its object when its true mask is known: as the mask, by a box, by a point.

Boxes and points are derived from the true mask, so that nobody has to draw them again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from persam.evaluation.prompted import deepest_point
from persam.io.images import read_image, read_mask
from persam.pipeline.prompts import mask_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.methods.learner import Learner
    from persam.models.base import Backbone

Showing = Literal["mask", "box", "filled box", "point"]
SHOWN: tuple[Showing, ...] = get_args(Showing)


class Shower(Protocol):
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


def show(method: Shower, shown: Showing) -> Learner:
    """A method that is given masks, and sees only as much of them as is said here.

    Args:
        method: takes a mask, a box or points.
        shown: ``"mask"`` hands the mask on; ``"box"`` gives its tight box, from which the model
            makes a mask; ``"filled box"`` takes everything in that box for the object; ``"point"``
            gives the pixel deepest inside, from which the model makes a mask.
    """
    return partial(_LEARNERS[shown], method)


def whole_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Box ``(x0, y0, x1, y1)`` of a mask in pixel edges: the last two are beyond the last pixel.

    Args:
        mask: ``(H, W)`` bool, not empty.

    Example:
        >>> whole_box(np.array([[False, False], [False, True]]))
        (1, 1, 2, 2)
    """
    box = mask_box(mask)
    if box is None:
        raise ValueError("an empty mask has no box")
    x0, y0, x1, y1 = box
    return x0, y0, x1 + 1, y1 + 1


def _object(image: Source, mask: Source) -> np.ndarray:
    height, width = read_image(image).shape[:2]
    grey = read_mask(mask, (height, width))
    return grey > grey.max() / 2


def _mask(method: Shower, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    return method(backbone, image, mask=mask)


def _box(method: Shower, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    return method(backbone, image, box=whole_box(_object(image, mask)))


def _filled_box(method: Shower, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    truth = _object(image, mask)
    x0, y0, x1, y1 = whole_box(truth)
    filled = np.zeros_like(truth)
    filled[y0:y1, x0:x1] = True
    return method(backbone, image, mask=filled)


def _point(method: Shower, backbone: Backbone, image: Source, *, mask: Source) -> Concept:
    return method(backbone, image, points=[deepest_point(_object(image, mask))])


_LEARNERS = {"mask": _mask, "box": _box, "filled box": _filled_box, "point": _point}
