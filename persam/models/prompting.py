"""Between persam's own structures and what a decoder is asked; arrays alone, for every engine.

What callers hand in is checked here, once for all families.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from persam import geometry
from persam.errors import InputError
from persam.structures import Preprocessed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.models.base import Backbone
    from persam.structures import Embedding, Frame, Guidance, Prompts


@dataclass(frozen=True)
class DecoderSizes:
    """What a decoder's inputs look like.

    Attributes:
        square: side of the model's input in pixels.
        grid: channels, rows and columns of the features.
        extras: how many further maps the decoder takes.
        pad_box: whether a box is followed by a padding token.
        sketch: whether prompts without a mask are drawn as one.
    """

    square: int
    grid: tuple[int, int, int]
    extras: int
    pad_box: bool
    sketch: bool

    @property
    def mask_side(self) -> int:
        """Side of the decoder's mask input, in its own pixels."""
        return 4 * self.grid[1]


def check_image(image: np.ndarray) -> None:
    """Raise InputError where a picture is not ``(H, W, 3)`` uint8."""
    shape, kind = np.shape(image), getattr(image, "dtype", type(image).__name__)
    if kind != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise InputError(
            f"A backbone encodes (height, width, 3) uint8 RGB arrays; got shape {shape} of {kind}. "
            "Read pictures with persam.io.images.read_image."
        )


def preprocess(image: np.ndarray, backbone: Backbone) -> Preprocessed:
    """Bring a picture into a model's square.

    Args:
        image: ``(height, width, 3)`` uint8 RGB, upright.
        backbone: says how pictures lie in its square, and how they are normalised.

    Raises:
        InputError: not such an array.
    """
    check_image(image)
    frame = backbone.frame(*image.shape[:2])
    return Preprocessed((geometry.letterbox(image, frame, backbone.mean, backbone.std),), frame)


def check_embedding(embedding: Embedding, sizes: DecoderSizes) -> None:
    """Raise InputError where an embedding is not of the model with these sizes."""
    shape = tuple(embedding.features.shape[1:])
    if shape != sizes.grid or len(embedding.extras) != sizes.extras:
        raise InputError(
            f"This embedding has features {shape} and {len(embedding.extras)} further maps; the "
            f"model decodes {sizes.grid} and {sizes.extras}. Encode the picture with this very "
            f"model."
        )


def check_guidance(guidance: Guidance | None, features: np.ndarray) -> None:
    """Raise InputError where a guidance does not fit ``(1, c, h, w)`` image features."""
    if guidance is None:
        return
    _, channels, height, width = features.shape
    expected = {
        "attention": (guidance.attention, (1, 1, 1, height * width)),
        "target": (guidance.target, (1, 1, channels)),
    }
    for name, (part, shape) in expected.items():
        if part is not None and tuple(part.shape) != shape:
            raise InputError(
                f"The guidance's {name} is {tuple(part.shape)}, this picture's features want "
                f"{shape}. Make it from features of the same model."
            )


def check_kinds(
    prompts: Sequence[Prompts],
    embeddings: Sequence[Embedding],
    guidance: Sequence[Guidance | None] = (),
) -> None:
    """Raise InputError where prompt sets and guidance do not make a batch.

    That is: not one for each embedding, or not all with the same parts, as many points, and one
    alpha.
    """
    if not prompts or len(prompts) != len(embeddings):
        raise InputError(
            f"A batch has one prompt set for each of its embeddings, at least one; got "
            f"{len(prompts)} prompt sets for {len(embeddings)} embeddings."
        )
    if guidance and len(guidance) != len(prompts):
        raise InputError(
            f"A batch has one guidance for each of its prompt sets, or none; got {len(guidance)} "
            f"for {len(prompts)}."
        )
    kinds = {kind_of(*pair) for pair in zip_longest(prompts, guidance)}
    if len(kinds) > 1:
        raise InputError(
            f"The prompt sets of a batch have the same parts, and as many points each, and so has "
            f"their guidance; got {len(kinds)} kinds. Ask for each kind by itself."
        )


def kind_of(prompts: Prompts, guidance: Guidance | None) -> tuple[Any, ...]:
    """What prompts and guidance have in common with others that they may share a batch with."""
    asked = (len(prompts.points), prompts.box is None, prompts.mask is None)
    if guidance is None or (guidance.attention is None and guidance.target is None):
        return (*asked, None)
    return (*asked, guidance.attention is None, guidance.target is None, guidance.alpha)


def prompt_arrays(prompts: Prompts, frame: Frame, sizes: DecoderSizes) -> dict[str, np.ndarray]:
    """Bring prompts into the model's square.

    The model itself adds half a pixel to every coordinate, and its padding token where there are
    points but no box.

    Args:
        prompts: in original pixels; any mix of points, box and mask with at least a point or box.
        frame: how the picture lies in the square.
        sizes: of the model.

    Returns:
        ``input_points`` ``(1, 1, n, 2)``, ``input_labels`` ``(1, 1, n)``, ``input_boxes``
        ``(1, 1, 4)`` and ``input_masks`` ``(1, 1, m, m)``, those that were asked.

    Raises:
        InputError: neither point nor box, a label that is neither 0 nor 1, or a mask of another
            size.
    """
    asked: dict[str, np.ndarray] = {}
    if len(prompts.points):
        labels = np.asarray(prompts.labels)
        if not np.isin(labels, (0, 1)).all():
            raise InputError(
                f"A point's label is 1 (on the object) or 0 (off it); got {prompts.labels}."
            )
        asked["input_points"] = _coordinates(prompts.points, frame)[None, None]
        asked["input_labels"] = labels.astype(np.int64)[None, None]
    if prompts.box is not None:
        # SAM takes the pixels in two corners, a box ends at pixel edges.
        corners = np.asarray(prompts.box).reshape(2, 2) - [[0, 0], [1, 1]]
        asked["input_boxes"] = _coordinates(corners, frame).reshape(1, 1, 4)
    if not asked:
        raise InputError("There is nothing to decode by: give at least one point or a box.")
    if prompts.mask is not None:
        side = sizes.mask_side
        if tuple(prompts.mask.shape) != (1, side, side):
            raise InputError(
                f"A mask prompt is the (1, {side}, {side}) logits of an earlier step of this "
                f"model; got {tuple(prompts.mask.shape)}."
            )
        asked["input_masks"] = prompts.mask[None]
    return asked


def _coordinates(xy: np.ndarray, frame: Frame) -> np.ndarray:
    # Scaled in float64 and rounded once, as segment-anything does.
    return geometry.to_square(xy, frame).astype(np.float32)
